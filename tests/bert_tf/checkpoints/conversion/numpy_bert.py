"""BERT's forward pass in float64 NumPy, an independent reference.

Source: Devlin et al. 2019 (arXiv:1810.04805), section 3; Vaswani et al. 2017
(arXiv:1706.03762), section 3.2.
"""

import numpy as np


def encode(variables, input_ids, input_mask, segment_ids, num_heads):
    """Computes the last hidden states `[batch, seq_length, hidden]`, tanh GELU.

    `variables` are arrays by google-research/bert name.
    """
    weights = {name: np.float64(array) for name, array in variables.items()}

    def dense(x, name):
        return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]

    def layer_norm(x, name):
        centered = x - x.mean(-1, keepdims=True)
        deviation = np.sqrt((centered**2).mean(-1, keepdims=True) + 1e-12)
        return weights[f"{name}/gamma"] * centered / deviation + weights[f"{name}/beta"]

    def heads(x):
        return x.reshape(*x.shape[:2], num_heads, -1).transpose(0, 2, 1, 3)

    table = "bert/embeddings"
    x = weights[f"{table}/word_embeddings"][input_ids]
    x = x + weights[f"{table}/token_type_embeddings"][segment_ids]
    x = x + weights[f"{table}/position_embeddings"][: input_ids.shape[1]]
    x = layer_norm(x, f"{table}/LayerNorm")
    blocked = np.where(input_mask[:, None, None, :] == 0, -np.inf, 0.0)
    layer = 0
    while f"bert/encoder/layer_{layer}/output/dense/bias" in weights:
        root = f"bert/encoder/layer_{layer}"
        query, key, value = (
            heads(dense(x, f"{root}/attention/self/{part}"))
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 1, 3, 2) / np.sqrt(query.shape[-1]) + blocked
        probabilities = np.exp(scores - scores.max(-1, keepdims=True))
        probabilities /= probabilities.sum(-1, keepdims=True)
        context = (probabilities @ value).transpose(0, 2, 1, 3).reshape(x.shape)
        attended = dense(context, f"{root}/attention/output/dense")
        x = layer_norm(x + attended, f"{root}/attention/output/LayerNorm")
        inner = dense(x, f"{root}/intermediate/dense")
        inner = (
            0.5
            * inner
            * (1 + np.tanh(np.sqrt(2 / np.pi) * (inner + 0.044715 * inner**3)))
        )
        x = layer_norm(
            x + dense(inner, f"{root}/output/dense"), f"{root}/output/LayerNorm"
        )
        layer += 1
    return x
