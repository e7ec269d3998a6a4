"""What tells folders of the demo from those of its user."""

DEMO_MARK = ".lut-fuse-demo"
"""Empty file in folders that a demo made and may replace."""
