"""TensorFlow Model Garden's TF2 checkpoints, without Model Garden.

Its encoders, `bert` (functional) and `bert_v2`, hold the same layers under the same
attributes, so a checkpoint's object graph is walked by attribute; older functional
ones have only numbered layers. What is written has both, and restores into either
encoder and into its pretrainer.

Source: Model Garden 2.20, `official/nlp/modeling/networks/bert_encoder.py`,
`models/bert_pretrainer.py`, `layers/masked_lm.py`, `layers/cls_head.py`.
"""

import functools
import re
from pathlib import Path
from typing import Any

import numpy as np

from bert_tf.config import BertConfig
from bert_tf.conversion import names, side_files
from bert_tf.conversion.model_weights import (
    ModelWeights,
    RenamedArrays,
    collect,
    initial_values,
    join_heads,
    split_heads,
)
from bert_tf.conversion.tf_checkpoint import CheckpointArrays

_NAME = "bert_model.ckpt"
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_NOT_WEIGHTS = re.compile(r"_CHECKPOINTABLE|optimizer|_counter|_step|OPTIMIZER_SLOT")

# Attribute paths below the encoder, one of its blocks, the masked-LM head, and the
# next-sentence head, whose `dense` is the pooler.
_EMBEDDINGS = {
    names.WORD_EMBEDDINGS: "_embedding_layer/embeddings",
    names.POSITION_EMBEDDINGS: "_position_embedding_layer/embeddings",
    "bert/embeddings/token_type_embeddings": "_type_embedding_layer/embeddings",
    "bert/embeddings/LayerNorm/gamma": "_embedding_norm_layer/gamma",
    "bert/embeddings/LayerNorm/beta": "_embedding_norm_layer/beta",
}
_BLOCK = {
    "attention/self/query": "_attention_layer/_query_dense",
    "attention/self/key": "_attention_layer/_key_dense",
    "attention/self/value": "_attention_layer/_value_dense",
    "attention/output/dense": "_attention_layer/_output_dense",
    "attention/output/LayerNorm": "_attention_layer_norm",
    "intermediate/dense": "_intermediate_dense",
    "output/dense": "_output_dense",
    "output/LayerNorm": "_output_layer_norm",
}
_MASKED_LM = {
    "cls/predictions/transform/dense/kernel": "dense/kernel",
    "cls/predictions/transform/dense/bias": "dense/bias",
    "cls/predictions/transform/LayerNorm/gamma": "layer_norm/gamma",
    "cls/predictions/transform/LayerNorm/beta": "layer_norm/beta",
    names.MASKED_LM_BIAS: "bias",
}
_NEXT_SENTENCE = {
    "cls/seq_relationship/output_weights": "out_proj/kernel",
    "cls/seq_relationship/output_bias": "out_proj/bias",
}
_POOLER = {"bert/pooler/dense/kernel": "kernel", "bert/pooler/dense/bias": "bias"}


def is_model_garden(arrays: CheckpointArrays) -> bool:
    """Tells whether a checkpoint's object graph holds one of the two encoders."""
    graph = arrays.object_graph()
    return graph is not None and _Graph(graph).encoder is not None


def load(folder: Path, arrays: CheckpointArrays) -> ModelWeights:
    """Reads a checkpoint of an encoder or of its pretrainer.

    Args:
        folder: where `bert_config.json` and `vocab.txt` may stand.
        arrays: the checkpoint, one that `is_model_garden` recognises.

    Raises:
        ValueError: a damaged file, or weights that don't fit.
    """
    graph = _Graph(arrays.object_graph())
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
    return ModelWeights(
        format="model_garden",
        config=config,
        variables=variables | side.variables,
        vocabulary=side.vocabulary,
        tokenizer_config=side.tokenizer_config,
        task=side.task,
        labels=side.labels,
        source_names={name: key.removesuffix(_VALUE) for name, key in keys.items()},
        left_over=left_over,
        notes=notes,
    )


def save(weights: ModelWeights, folder: Path) -> list[str]:
    """Writes `bert_model.ckpt`, and configuration and vocabulary beside it.

    It restores into `tf.train.Checkpoint(encoder=...)`, `(model=...)` of an encoder or
    a pretrainer, and `(**pretrainer.checkpoint_items)`.

    Returns:
        Names of variables that were newly initialised: the encoders cannot be
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
        scope = "next_sentence/" if name in _NEXT_SENTENCE else ""
        setattr(node, leaf, tf.Variable(array, name=f"{scope}{leaf}"))
        homeless.discard(name)

    for name, path in _encoder_paths(config.num_hidden_layers).items():
        attach(f"encoder/{path}", name)
    encoder = root.encoder
    for index, path in enumerate(_encoder_layers(config.num_hidden_layers)):
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
        for name, path in _MASKED_LM.items():
            attach(f"masked_lm/{path}", name)
        root.masked_lm.embedding_table = encoder._embedding_layer.embeddings
        setattr(root.masked_lm, "output_bias/bias", root.masked_lm.bias)
        root.model.masked_lm = root.masked_lm
    if weights.has(names.next_sentence_head(config)):
        # The head has a pooler of its own, beside the encoder's.
        own_pooler = {name: f"dense/{leaf}" for name, leaf in _POOLER.items()}
        for name, path in (_NEXT_SENTENCE | own_pooler).items():
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


class _Graph:
    """The object graph of a checkpoint, walked by attribute."""

    def __init__(self, graph: Any) -> None:
        self._nodes = graph.nodes
        root = graph.nodes[0]
        model = self._follow(root, "model")
        encoders = [
            self._follow(root, "encoder"),
            self._follow(model, "encoder_network"),
            model,
            self._follow(root, "encoder_network"),
            root,
        ]
        self.encoder = next((e for e in encoders if self._is_encoder(e)), None)
        heads = self._follow(root, "masked_lm"), self._follow(model, "masked_lm")
        self._masked_lm = heads[0] if heads[0] is not None else heads[1]
        self._next_sentence = self._find_next_sentence(model)

    def keys(self) -> dict[str, str]:
        """Maps google-research/bert names to the checkpoint's keys."""
        found = {
            name: self._follow_encoder(path)
            for name, path in _encoder_paths(self._count_blocks()).items()
        }
        for name, path in _MASKED_LM.items():
            found[name] = self._follow(self._masked_lm, path)
        for name, path in _NEXT_SENTENCE.items():
            found[name] = self._follow(self._next_sentence, path)
        for name, path in _POOLER.items():
            pooler = self._follow(self._next_sentence, f"dense/{path}")
            found[name] = found[name] if pooler is None else pooler
        return _keys(found)

    def encoder_pooler_keys(self) -> dict[str, str]:
        """Maps the pooler's names to the keys of the encoder's own one."""
        paths = _encoder_paths(self._count_blocks())
        return _keys({name: self._follow_encoder(paths[name]) for name in _POOLER})

    def _follow(self, node: Any, path: str) -> Any:
        for name in path.split("/"):
            children = node.children if node is not None else ()
            ids = [child.node_id for child in children if child.local_name == name]
            node = self._nodes[ids[0]] if ids else None
        return node

    def _is_encoder(self, node: Any) -> bool:
        paths = "_embedding_layer/embeddings", "layer_with_weights-0/embeddings"
        return any(self._follow(node, path) is not None for path in paths)

    def _follow_encoder(self, path: str) -> Any:
        node = self._follow(self.encoder, path)
        if node is not None:
            return node
        layers = [f"{layer}/" for layer in _encoder_layers(self._count_blocks())]
        number = next(i for i, layer in enumerate(layers) if path.startswith(layer))
        rest = path.removeprefix(layers[number])
        return self._follow(self.encoder, f"layer_with_weights-{number}/{rest}")

    def _count_blocks(self) -> int:
        named = self._follow(self.encoder, "_transformer_layers")
        if named is not None:
            return len(named.children)
        return sum(
            child.local_name.startswith("layer_with_weights-")
            and self._follow(self._nodes[child.node_id], "_attention_layer") is not None
            for child in (self.encoder.children if self.encoder is not None else ())
        )

    def _find_next_sentence(self, model: Any) -> Any:
        heads = self._follow(model, "classification_heads")
        for child in heads.children if heads is not None else ():
            head = self._nodes[child.node_id]
            kernel = self._follow(head, "out_proj/kernel")
            if kernel and "next_sentence" in kernel.attributes[0].full_name:
                return head
        return None


def _keys(nodes: dict[str, Any]) -> dict[str, str]:
    return {
        name: node.attributes[0].checkpoint_key
        for name, node in nodes.items()
        if node is not None
    }


def _encoder_layers(num_blocks: int) -> list[str]:
    blocks = [f"_transformer_layers/{index}" for index in range(num_blocks)]
    embeddings = list(
        dict.fromkeys(path.split("/")[0] for path in _EMBEDDINGS.values())
    )
    return [*embeddings, *blocks, "_pooler_layer"]


def _encoder_paths(num_blocks: int) -> dict[str, str]:
    paths = dict(_EMBEDDINGS)
    for index in range(num_blocks):
        for name, path in _BLOCK.items():
            is_norm = name.endswith("LayerNorm")
            for leaf in ("gamma", "beta") if is_norm else ("kernel", "bias"):
                paths[f"bert/encoder/layer_{index}/{name}/{leaf}"] = (
                    f"_transformer_layers/{index}/{path}/{leaf}"
                )
    return paths | {name: f"_pooler_layer/{leaf}" for name, leaf in _POOLER.items()}


def _from_garden(name: str, array: np.ndarray) -> np.ndarray:
    return array.T if name in _NEXT_SENTENCE else join_heads(name, array)


def _to_garden(name: str, array: np.ndarray, config: BertConfig) -> np.ndarray:
    if name in _NEXT_SENTENCE:
        return array.T
    return split_heads(name, array, config.num_attention_heads)


def _infer_config(arrays: CheckpointArrays, keys: dict[str, str]) -> BertConfig:
    def shape(name: str) -> tuple[int, ...]:
        if name not in keys:
            raise ValueError(f"{arrays.prefix}: lacks `{name}`.")
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
