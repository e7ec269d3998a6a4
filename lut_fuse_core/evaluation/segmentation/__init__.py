"""What segmenters see on fused images and on each camera's own."""
