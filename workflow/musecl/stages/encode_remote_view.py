"""Run every chip of the remote view, in its 4 quarter turns, through the frozen encoder."""

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
from musecl.step.job import Job


def run(job: Job) -> None:
    """Write the features of `remote_view/`."""
    settings = job.settings("encoders.remote_view", VisionEncoderSettings)
    encoder = load_encoder(job.input("models/remote_view"), settings.trainable_blocks)
    folder = job.input(f"{job.city}/remote_view")
    index = read_image_index(folder)
    chips = iterate_images(folder, IMAGES_AT_ONCE["remote_view"])
    batches = encode(encoder, map(turned, chips), TURNS * len(index), "encode_remote_view")
    write_features(job.output("remote_view_features"), turned_index(index), batches)
