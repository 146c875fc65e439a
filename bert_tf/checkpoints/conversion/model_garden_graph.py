"""Where Model Garden's models keep their variables in a checkpoint's object graph.

Source: Model Garden 2.20, `official/nlp/modeling/networks/bert_encoder.py`,
`models/bert_pretrainer.py`, `layers/masked_lm.py`, `layers/cls_head.py`.
"""

from typing import Any

from bert_tf.checkpoints.conversion import names

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
MASKED_LM = {
    "cls/predictions/transform/dense/kernel": "dense/kernel",
    "cls/predictions/transform/dense/bias": "dense/bias",
    "cls/predictions/transform/LayerNorm/gamma": "layer_norm/gamma",
    "cls/predictions/transform/LayerNorm/beta": "layer_norm/beta",
    names.MASKED_LM_BIAS: "bias",
}
NEXT_SENTENCE = {
    "cls/seq_relationship/output_weights": "out_proj/kernel",
    "cls/seq_relationship/output_bias": "out_proj/bias",
}
POOLER = {"bert/pooler/dense/kernel": "kernel", "bert/pooler/dense/bias": "bias"}


class EncoderGraph:
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
            for name, path in encoder_paths(self._count_blocks()).items()
        }
        for name, path in MASKED_LM.items():
            found[name] = self._follow(self._masked_lm, path)
        for name, path in NEXT_SENTENCE.items():
            found[name] = self._follow(self._next_sentence, path)
        for name, path in POOLER.items():
            pooler = self._follow(self._next_sentence, f"dense/{path}")
            found[name] = found[name] if pooler is None else pooler
        return _keys(found)

    def encoder_pooler_keys(self) -> dict[str, str]:
        """Maps the pooler's names to the keys of the encoder's own one."""
        paths = encoder_paths(self._count_blocks())
        return _keys({name: self._follow_encoder(paths[name]) for name in POOLER})

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
        layers = [f"{layer}/" for layer in encoder_layers(self._count_blocks())]
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


def encoder_layers(num_blocks: int) -> list[str]:
    """Returns the attribute paths of an encoder's layers, in their old numbers."""
    blocks = [f"_transformer_layers/{index}" for index in range(num_blocks)]
    embeddings = list(
        dict.fromkeys(path.split("/")[0] for path in _EMBEDDINGS.values())
    )
    return [*embeddings, *blocks, "_pooler_layer"]


def encoder_paths(num_blocks: int) -> dict[str, str]:
    """Maps google-research/bert names to attribute paths below an encoder."""
    paths = dict(_EMBEDDINGS)
    for index in range(num_blocks):
        for name, path in _BLOCK.items():
            is_norm = name.endswith("LayerNorm")
            for leaf in ("gamma", "beta") if is_norm else ("kernel", "bias"):
                paths[f"bert/encoder/layer_{index}/{name}/{leaf}"] = (
                    f"_transformer_layers/{index}/{path}/{leaf}"
                )
    return paths | {name: f"_pooler_layer/{leaf}" for name, leaf in POOLER.items()}
