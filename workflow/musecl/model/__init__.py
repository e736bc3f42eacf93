"""A trained model as a folder: written by the pipeline, read by anybody."""
