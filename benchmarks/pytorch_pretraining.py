"""The same pretraining in PyTorch: Hugging Face's model, our initial values.

Nothing here computes with our code; ours are the initial values and the batches.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import transformers

from bert_tf.config import BertConfig
from bert_tf.models import BertPretrainer, named_variables

_RENAMED = {
    "cls/predictions/output_bias": "cls.predictions.bias",
    "cls/seq_relationship/output_weights": "cls.seq_relationship.weight",
    "cls/seq_relationship/output_bias": "cls.seq_relationship.bias",
}


def make_model(config: BertConfig, seed: int) -> Any:
    """Returns a `BertForPreTraining` with the values that ours starts from.

    Args:
        config: the model's shape, with `hidden_act` `gelu`.
        seed: of the initial values.
    """
    model = transformers.BertForPreTraining(
        transformers.BertConfig(
            **{**dataclasses.asdict(config), "hidden_act": "gelu_new"}
        )
    )
    parameters = dict(model.named_parameters())
    for name, variable in named_variables(BertPretrainer(config, seed=seed)).items():
        value = variable.numpy().T if name.endswith("/kernel") else variable.numpy()
        parameters.pop(hugging_face_name(name)).data = torch.from_numpy(value.copy())
    assert not parameters, f"without an initial value: {sorted(parameters)}"
    return model.train()


def losses(
    model: Any, batch: Mapping[str, np.ndarray]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Computes the losses of a batch of records.

    Args:
        model: of `make_model`.
        batch: records' features, `[batch, ...]`.

    Returns:
        `(masked_lm_loss_sum, masked_lm_weight_sum, next_sentence_loss)`: the last one
        is a mean.
    """
    ids = {name: torch.from_numpy(values).long() for name, values in batch.items()}
    weights = torch.from_numpy(batch["masked_lm_weights"])
    hidden, pooled = model.bert(
        input_ids=ids["input_ids"],
        attention_mask=ids["input_mask"],
        token_type_ids=ids["segment_ids"],
        return_dict=False,
    )
    rows = torch.arange(len(weights))[:, None]
    # The head at masked positions only; the model's own forward method scores all.
    logits, pairs = model.cls(hidden[rows, ids["masked_lm_positions"]], pooled)
    cross_entropy = torch.nn.functional.cross_entropy
    token_losses = cross_entropy(
        logits.transpose(1, 2), ids["masked_lm_ids"], reduction="none"
    )
    return (
        (token_losses * weights).sum(),
        weights.sum(),
        cross_entropy(pairs, ids["next_sentence_labels"][:, 0]),
    )


def hugging_face_name(name: str) -> str:
    """Returns what Hugging Face calls a variable of `bert_tf.models.named_variables`.

    Kernels are transposed there.
    """
    name = _RENAMED.get(name, name)
    name = re.sub(r"/layer_(\d+)/", r"/layer/\1/", name)
    name = re.sub(r"/(kernel|gamma)$", "/weight", name)
    name = re.sub(r"/beta$", "/bias", name)
    return re.sub(r"_embeddings$", "_embeddings/weight", name).replace("/", ".")
