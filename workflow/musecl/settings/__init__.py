"""The sections of params.yaml, a module each, so that a stage depends on its own alone."""
