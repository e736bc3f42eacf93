"""A generated city whose best reachable R2 is known."""
