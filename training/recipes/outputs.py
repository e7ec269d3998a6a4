"""Names of the files that distillation writes.

They are apart from what writes them, since the help of the commands names them without PyTorch.
"""

MODEL, ENCODER = "model.safetensors", "encoder.onnx"
