"""Camera simulator and benchmark."""
