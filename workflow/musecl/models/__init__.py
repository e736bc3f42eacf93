"""Neural modules: they know tensors, never files."""
