"""Chips and street views per region: cut, projected, rendered, kept in shards."""
