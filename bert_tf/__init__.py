"""BERT for TensorFlow: from raw text to a pretrained, fine-tuned, compressed model."""

__version__ = "0.1.0"
