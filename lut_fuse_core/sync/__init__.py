"""Which frames belong together, and what their clocks have to do with it."""
