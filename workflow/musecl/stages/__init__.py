"""The stages of the pipeline, a module each: read declared files, write declared files."""
