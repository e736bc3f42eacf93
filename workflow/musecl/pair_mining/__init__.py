"""Which regions are alike: anchors, positives and negatives."""
