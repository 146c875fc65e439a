"""The models, one a file."""

from bert_tf.models.causal_lm import CausalLM
from bert_tf.models.encoder import BertEncoder
from bert_tf.models.encoder_decoder import EncoderDecoder
from bert_tf.models.multiple_choice import MultipleChoice
from bert_tf.models.pretrainer import BertPretrainer
from bert_tf.models.sentence_encoder import SentenceEncoder
from bert_tf.models.sentence_scorer import SentenceScorer
from bert_tf.models.sequence_classifier import SequenceClassifier
from bert_tf.models.span_predictor import SpanPredictor
from bert_tf.models.token_classifier import TokenClassifier
from bert_tf.models.variables import assign_variables, named_variables

__all__ = [
    "BertEncoder",
    "BertPretrainer",
    "CausalLM",
    "EncoderDecoder",
    "MultipleChoice",
    "SentenceEncoder",
    "SentenceScorer",
    "SequenceClassifier",
    "SpanPredictor",
    "TokenClassifier",
    "assign_variables",
    "named_variables",
]
