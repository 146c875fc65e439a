"""The variables of a BERT, as google-research/bert names and shapes them.

Every converter meets here. Dense kernels are `[in, out]`, biases `[out]`; V, H, F, S
are `vocab_size`, `hidden_size`, `intermediate_size`, `max_position_embeddings`.

Source: google-research/bert, `modeling.py`, `run_pretraining.py`, `run_classifier.py`
and `run_squad.py`.
"""

from bert_tf.config import BertConfig

Shapes = dict[str, tuple[int, ...]]

WORD_EMBEDDINGS = "bert/embeddings/word_embeddings"
POSITION_EMBEDDINGS = "bert/embeddings/position_embeddings"
MASKED_LM_BIAS = "cls/predictions/output_bias"

CLASSIFIER_HEAD = ("output_weights", "output_bias")
SPAN_HEAD = ("cls/squad/output_weights", "cls/squad/output_bias")
"""Weights `[labels, H]` and bias `[labels]` of a fine-tuned head."""

# Tasks whose head looks at what the pooler made of [CLS].
_POOLED = ("classification", "multi_label", "regression", "multiple_choice")


def embeddings(config: BertConfig) -> Shapes:
    """Returns the names and shapes of the embedding layer."""
    hidden = config.hidden_size
    return {
        WORD_EMBEDDINGS: (config.vocab_size, hidden),
        "bert/embeddings/token_type_embeddings": (config.type_vocab_size, hidden),
        POSITION_EMBEDDINGS: (config.max_position_embeddings, hidden),
        **_layer_norm("bert/embeddings/LayerNorm", hidden),
    }


def layer(config: BertConfig, index: int) -> Shapes:
    """Returns the names and shapes of one transformer block."""
    hidden, inner = config.hidden_size, config.intermediate_size_of(index)
    root = f"bert/encoder/layer_{index}"
    return {
        **_attention(f"{root}/attention", config, index),
        **_dense(f"{root}/intermediate/dense", hidden, inner),
        **_dense(f"{root}/output/dense", inner, hidden),
        **_layer_norm(f"{root}/output/LayerNorm", hidden),
    }


def encoder(config: BertConfig) -> Shapes:
    """Returns the names and shapes of embeddings and blocks, without the pooler."""
    shapes = embeddings(config)
    for index in range(config.num_hidden_layers):
        shapes |= layer(config, index)
    return shapes


def cross_attention(config: BertConfig, index: int) -> Shapes:
    """Returns the names and shapes of a decoder's attention to its encoder."""
    return _attention(f"bert/encoder/layer_{index}/crossattention", config, index)


def decoder(config: BertConfig) -> Shapes:
    """Returns the names and shapes of an encoder-decoder model's decoder."""
    shapes = encoder(config) | masked_lm_head(config)
    for index in range(config.num_hidden_layers):
        shapes |= cross_attention(config, index)
    return {f"decoder/{name}": shape for name, shape in shapes.items()}


def pooler(config: BertConfig) -> Shapes:
    """Returns the names and shapes of the layer over [CLS]."""
    return _dense("bert/pooler/dense", config.hidden_size, config.hidden_size)


def masked_lm_head(config: BertConfig) -> Shapes:
    """Returns the names and shapes of the masked-LM head, tied weights excluded."""
    hidden = config.hidden_size
    return {
        **_dense("cls/predictions/transform/dense", hidden, hidden),
        **_layer_norm("cls/predictions/transform/LayerNorm", hidden),
        MASKED_LM_BIAS: (config.vocab_size,),
    }


def next_sentence_head(config: BertConfig) -> Shapes:
    """Returns the names and shapes of the next-sentence head."""
    return {
        "cls/seq_relationship/output_weights": (2, config.hidden_size),
        "cls/seq_relationship/output_bias": (2,),
    }


def pretrainer(config: BertConfig) -> Shapes:
    """Returns the names and shapes of everything that pretraining trains."""
    return {
        **encoder(config),
        **pooler(config),
        **masked_lm_head(config),
        **next_sentence_head(config),
    }


def head(task: str) -> tuple[str, str]:
    """Returns the names of weights and bias of a fine-tuned task's head."""
    return SPAN_HEAD if task == "question_answering" else CLASSIFIER_HEAD


def trained(task: str, config: BertConfig) -> Shapes:
    """Returns what a task trains, without the head that it does not share.

    Args:
        task: a key of `bert_tf.tasks.catalog.TASKS`.
        config: the model's shape.
    """
    if task == "pretraining":
        return pretrainer(config)
    if task == "causal_lm":
        return encoder(config) | masked_lm_head(config)
    return encoder(config) | (pooler(config) if task in _POOLED else {})


def task_head(task: str, num_labels: int, config: BertConfig) -> Shapes:
    """Returns the names and shapes of a fine-tuned task's head."""
    weights, bias = head(task)
    return {weights: (num_labels, config.hidden_size), bias: (num_labels,)}


def _attention(root: str, config: BertConfig, index: int) -> Shapes:
    hidden, width = config.hidden_size, config.heads_of(index) * config.head_size
    return {
        **_dense(f"{root}/self/query", hidden, width),
        **_dense(f"{root}/self/key", hidden, width),
        **_dense(f"{root}/self/value", hidden, width),
        **_dense(f"{root}/output/dense", width, hidden),
        **_layer_norm(f"{root}/output/LayerNorm", hidden),
    }


def _dense(name: str, inputs: int, outputs: int) -> Shapes:
    return {f"{name}/kernel": (inputs, outputs), f"{name}/bias": (outputs,)}


def _layer_norm(name: str, size: int) -> Shapes:
    return {f"{name}/gamma": (size,), f"{name}/beta": (size,)}
