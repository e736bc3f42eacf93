"""Run every chip of the satellite view, in its 4 quarter turns, through the frozen encoder."""

from musecl.encoding.encoders import load_encoder
from musecl.encoding.features import (
    IMAGES_AT_ONCE,
    TURNS,
    encode,
    turned,
    turned_index,
    write_features,
)
from musecl.encoding.settings import VisionEncoderSettings
from musecl.imagery.images import iterate_images, read_image_index
from musecl.runtime.job import Job


def run(job: Job) -> None:
    """Write the features of `satellite/`."""
    settings = job.settings("encoders.satellite", VisionEncoderSettings)
    encoder = load_encoder(job.input("models/satellite"), settings.trainable_blocks)
    folder = job.input(f"{job.city}/satellite")
    index = read_image_index(folder)
    chips = iterate_images(folder, IMAGES_AT_ONCE["satellite"])
    batches = encode(encoder, map(turned, chips), TURNS * len(index), "encode_satellite")
    write_features(job.output("satellite_features"), turned_index(index), batches)
