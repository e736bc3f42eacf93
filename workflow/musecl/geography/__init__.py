"""Where regions lie: projections, cells, and what is around a cell."""
