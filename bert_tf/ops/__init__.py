"""Functions of tensors: what lies between a transformer's matrix products.

Each takes `fused`: False gives plain TensorFlow operations, which any exporter
understands; True gives one XLA-compiled function with a gradient of its own, computed
in float32.
"""
