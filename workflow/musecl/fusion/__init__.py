"""From a region's modalities to one representation."""
