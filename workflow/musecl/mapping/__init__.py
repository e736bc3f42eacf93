"""Predictions as a map: a row per region, with a style that shows them."""
