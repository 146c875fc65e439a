"""TensorFlow Model Garden's TF2 checkpoints, without Model Garden.

Its encoders, `bert` (functional) and `bert_v2`, hold the same layers under the same
attributes, so a checkpoint's object graph is walked by attribute; older functional
ones have only numbered layers. What is written has both, and restores into either
encoder and into its pretrainer.
"""

import functools
import re
from pathlib import Path

import numpy as np

from bert_tf.checkpoints.conversion import heads, names, side_files
from bert_tf.checkpoints.conversion.model_garden_graph import (
    MASKED_LM,
    NEXT_SENTENCE,
    POOLER,
    EncoderGraph,
    encoder_layers,
    encoder_paths,
)
from bert_tf.checkpoints.conversion.model_weights import (
    ModelWeights,
    RenamedArrays,
    collect,
    initial_values,
    join_heads,
    split_heads,
)
from bert_tf.checkpoints.conversion.tf_checkpoint import CheckpointArrays
from bert_tf.config import BertConfig
from bert_tf.errors import InputError

_NAME = "bert_model.ckpt"
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_NOT_WEIGHTS = re.compile(r"_CHECKPOINTABLE|optimizer|_counter|_step|OPTIMIZER_SLOT")


def is_model_garden(arrays: CheckpointArrays) -> bool:
    """Tells whether a checkpoint's object graph holds one of the two encoders."""
    graph = arrays.object_graph()
    return graph is not None and EncoderGraph(graph).encoder is not None


def load(folder: Path, arrays: CheckpointArrays) -> ModelWeights:
    """Reads a checkpoint of an encoder or of its pretrainer.

    Args:
        folder: where `bert_config.json` and `vocab.txt` may stand.
        arrays: the checkpoint, one that `is_model_garden` recognizes.

    Raises:
        InputError: a damaged file, or weights that don't fit.
    """
    graph = EncoderGraph(arrays.object_graph())
    keys = graph.keys()
    side = side_files.read(folder)
    notes = []
    config = side.config
    if config is None:
        config = _infer_config(arrays, keys)
        notes.append(
            "There is no bert_config.json: the shapes come from the weights, "
            "everything else is assumed to be as published (gelu, dropout 0.1)."
        )
    variables, left_over = collect(
        str(arrays.prefix), config, RenamedArrays(arrays, keys, _from_garden), None
    )
    used = {keys[name] for name in variables}
    for name, key in graph.encoder_pooler_keys().items():
        # Pretraining trains the next-sentence head's own, which `keys` means.
        if name in variables and np.array_equal(arrays[key], variables[name]):
            used.add(key)
    for key in arrays:
        if key not in used and not _NOT_WEIGHTS.search(key):
            left_over[key.removesuffix(_VALUE)] = arrays[key].shape
    for name in side.newly_initialised:
        del variables[name]
    variables |= side.variables
    task = side.task.name if side.task else None
    return ModelWeights(
        format="model_garden",
        config=config,
        variables=variables,
        vocabulary=side.vocabulary,
        task=heads.describe(task, variables, stated=side.task),
        hugging_face=side.hugging_face,
        source_names={name: key.removesuffix(_VALUE) for name, key in keys.items()},
        left_over=left_over,
        notes=notes,
    )


def save(weights: ModelWeights, folder: Path) -> list[str]:
    """Writes `bert_model.ckpt`, and configuration and vocabulary beside it.

    It restores into `tf.train.Checkpoint(encoder=...)`, `(model=...)` of an encoder or
    a pretrainer, and `(**pretrainer.checkpoint_items)`.

    Returns:
        Names of variables that were newly initialized: the encoders cannot be
        without a pooler.
    """
    import tensorflow as tf

    config = weights.config
    lacking = {
        name: shape
        for name, shape in names.pooler(config).items()
        if name not in weights.variables
    }
    variables = weights.variables | initial_values(lacking, config, seed=0)
    homeless = set(variables)
    root = tf.Module()

    def attach(path: str, name: str) -> None:
        *parents, leaf = path.split("/")
        node = root
        for parent in parents:
            if not hasattr(node, parent):
                setattr(node, parent, tf.Module())
            node = getattr(node, parent)
        array = _to_garden(name, variables[name], config)
        # Model Garden's name of the head is how readers tell it from other heads.
        scope = "next_sentence/" if name in NEXT_SENTENCE else ""
        setattr(node, leaf, tf.Variable(array, name=f"{scope}{leaf}"))
        homeless.discard(name)

    for name, path in encoder_paths(config.num_hidden_layers).items():
        attach(f"encoder/{path}", name)
    encoder = root.encoder
    for index, path in enumerate(encoder_layers(config.num_hidden_layers)):
        layer = functools.reduce(getattr, path.split("/"), encoder)
        setattr(encoder, f"layer_with_weights-{index}", layer)

    # `model` may be restored into an encoder or into a pretrainer: it has the edges
    # of both.
    root.model = tf.Module()
    for edge, child in vars(encoder).items():
        if isinstance(child, tf.Module):
            setattr(root.model, edge, child)
    root.model.encoder_network = encoder
    if weights.has(names.masked_lm_head(config)):
        for name, path in MASKED_LM.items():
            attach(f"masked_lm/{path}", name)
        root.masked_lm.embedding_table = encoder._embedding_layer.embeddings
        setattr(root.masked_lm, "output_bias/bias", root.masked_lm.bias)
        root.model.masked_lm = root.masked_lm
    if weights.has(names.next_sentence_head(config)):
        # The head has a pooler of its own, beside the encoder's.
        own_pooler = {name: f"dense/{leaf}" for name, leaf in POOLER.items()}
        for name, path in (NEXT_SENTENCE | own_pooler).items():
            attach(f"model/classification_heads/0/{path}", name)
        head = getattr(root.model.classification_heads, "0")
        setattr(root, "next_sentence.pooler_dense", head.dense)

    tf.train.Checkpoint(root=root).write(str(folder / _NAME))
    side_files.write(
        folder,
        weights,
        newly_initialised=list(lacking),
        homeless={name: variables[name] for name in sorted(homeless)},
    )
    return list(lacking)


def _from_garden(name: str, array: np.ndarray) -> np.ndarray:
    return array.T if name in NEXT_SENTENCE else join_heads(name, array)


def _to_garden(name: str, array: np.ndarray, config: BertConfig) -> np.ndarray:
    if name in NEXT_SENTENCE:
        return array.T
    return split_heads(name, array, config.num_attention_heads)


def _infer_config(arrays: CheckpointArrays, keys: dict[str, str]) -> BertConfig:
    def shape(name: str) -> tuple[int, ...]:
        if name not in keys:
            raise InputError(f"{arrays.prefix}: lacks `{name}`.")
        return arrays[keys[name]].shape

    block = "bert/encoder/layer_0"
    vocab_size, hidden_size = shape(names.WORD_EMBEDDINGS)
    return BertConfig(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        num_hidden_layers=sum(
            bool(re.fullmatch(r"bert/encoder/layer_\d+/output/dense/bias", name))
            for name in keys
        ),
        num_attention_heads=shape(f"{block}/attention/self/query/bias")[0],
        intermediate_size=shape(f"{block}/intermediate/dense/bias")[0],
        max_position_embeddings=shape(names.POSITION_EMBEDDINGS)[0],
        type_vocab_size=shape("bert/embeddings/token_type_embeddings")[0],
    ).validate()
