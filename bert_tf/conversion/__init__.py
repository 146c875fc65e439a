"""Weights in and out: google-research/bert, Hugging Face, Model Garden, KerasHub."""

from bert_tf.conversion.formats import WRITERS, load_any, save
from bert_tf.conversion.model_weights import ModelWeights

__all__ = ["WRITERS", "ModelWeights", "load_any", "save"]
