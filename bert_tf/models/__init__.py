"""The layers of a BERT and the models made of them."""

from bert_tf.layers.transformer_block import TransformerBlock
from bert_tf.models.encoder import BertEncoder
from bert_tf.models.pretrainer import BertPretrainer
from bert_tf.models.variables import assign_variables, named_variables

__all__ = [
    "BertEncoder",
    "BertPretrainer",
    "TransformerBlock",
    "assign_variables",
    "named_variables",
]
