"""Training of fusion models in PyTorch: teachers, distillation, and the published method."""
