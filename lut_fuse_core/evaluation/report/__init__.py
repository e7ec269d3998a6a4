"""One self-contained HTML page about an evaluation: no scripts, fonts or images from elsewhere."""
