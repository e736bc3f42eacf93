"""Folds, methods and scores: how well a representation predicts."""
