"""What a detector finds on fused images and on each camera's own: `lut-fuse evaluate --boxes`."""
