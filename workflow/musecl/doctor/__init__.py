"""Whether this machine and this checkout can run the pipeline, and what to do where not."""
