"""The training loop: checkpoints, journal, validation."""
