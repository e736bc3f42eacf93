"""Run every street view through the frozen encoder."""

from musecl.encoding.encoders import load_encoder
from musecl.encoding.features import IMAGES_AT_ONCE, encode, write_features
from musecl.encoding.settings import VisionEncoderSettings
from musecl.imagery.images import iterate_images, read_image_index
from musecl.runtime.job import Job


def run(job: Job) -> None:
    """Write the features of `street_view/`."""
    settings = job.settings("encoders.street_view", VisionEncoderSettings)
    encoder = load_encoder(job.input("models/street_view"), settings.trainable_blocks)
    folder = job.input(f"{job.city}/street_view")
    index = read_image_index(folder)
    images = iterate_images(folder, IMAGES_AT_ONCE["street_view"])
    batches = encode(encoder, images, len(index), "encode_street_view")
    write_features(job.output("street_view_features"), index, batches)
