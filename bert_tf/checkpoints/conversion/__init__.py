"""Weights in and out: google-research/bert, Hugging Face, Model Garden, KerasHub."""

from bert_tf.checkpoints.conversion.formats import WRITERS, load_any, save
from bert_tf.checkpoints.conversion.model_weights import ModelWeights

__all__ = ["WRITERS", "ModelWeights", "load_any", "save"]
