"""Run every chip of the remote view, in its 4 quarter turns, through the frozen encoder."""

from musecl.encoding.encoders import load_encoder
from musecl.encoding.features import TURNS, encode, turned, turned_index, write_features
from musecl.encoding.settings import VisionEncoderSettings
from musecl.imagery.images import iterate_images, read_image_index
from musecl.step.job import Job

# With their turns, 16 images: the activations of more leave the caches, at half the speed.
CHIPS_AT_ONCE = 4


def run(job: Job) -> None:
    """Write the features of `remote_view/`."""
    settings = job.settings("encoders.remote_view", VisionEncoderSettings)
    encoder = load_encoder(job.input("models/remote_view"), settings.trainable_blocks)
    folder = job.input(f"{job.city}/remote_view")
    index = read_image_index(folder)
    images = (turned(chips) for chips in iterate_images(folder, CHIPS_AT_ONCE))
    batches = encode(encoder, images, TURNS * len(index), "encode_remote_view")
    write_features(job.output("remote_view_features"), turned_index(index), batches)
