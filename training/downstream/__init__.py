"""Detectors and segmenters trained on each kind of image: the paper's Tables 2 and 3."""
