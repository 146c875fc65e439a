"""The models, one a file."""

from bert_tf.models.encoder import BertEncoder
from bert_tf.models.pretrainer import BertPretrainer
from bert_tf.models.variables import assign_variables, named_variables

__all__ = [
    "BertEncoder",
    "BertPretrainer",
    "assign_variables",
    "named_variables",
]
