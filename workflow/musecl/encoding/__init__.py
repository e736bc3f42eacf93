"""Frozen encoders and the features of images that they give."""
