"""The GPU backends: kernels of our own, and TensorRT for the encoder."""
