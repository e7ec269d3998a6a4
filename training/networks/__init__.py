"""MM-Net, MM-LUT and foreign teachers."""
