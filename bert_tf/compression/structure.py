"""Which layers, heads and neurons of a model stay, and the model of these alone."""

import dataclasses
import re

import numpy as np

from bert_tf.checkpoints import decoder_description
from bert_tf.checkpoints.conversion import ModelWeights, resizing
from bert_tf.compression.importance import Importance
from bert_tf.config import BertConfig
from bert_tf.errors import InputError


@dataclasses.dataclass(frozen=True)
class Structure:
    """What stays of a model.

    Attributes:
        layers: which, counted from 0, ascending.
        heads: of each of these layers int64 `[kept heads]`, ascending.
        neurons: of each of these layers int64 `[kept neurons]`, ascending.
    """

    layers: list[int]
    heads: list[np.ndarray]
    neurons: list[np.ndarray]


@dataclasses.dataclass(frozen=True)
class Shares:
    """How much of a model is to stay.

    Attributes:
        layers: how many; None for all.
        heads: the share of these layers' heads, in (0, 1].
        neurons: the share of their neurons, in (0, 1].
        uniform: whether each layer keeps as many as any other, and not the most
            important of all layers together.
    """

    layers: int | None = None
    heads: float = 1.0
    neurons: float = 1.0
    uniform: bool = False

    def check(self, config: BertConfig) -> None:
        """Raises an InputError if a model of that shape cannot keep so much."""
        count = config.num_hidden_layers
        layers = count if self.layers is None else self.layers
        if not 1 <= layers <= count:
            raise InputError(
                f"The layers to keep must be from 1 to the model's {count}. Received: "
                f"{layers}"
            )
        most_heads = max(map(config.heads_of, range(count)))
        most_neurons = max(map(config.intermediate_size_of, range(count)))
        _total(self.heads, [most_heads] * layers, "heads")
        _total(self.neurons, [most_neurons] * layers, "neurons")


def check_prunable(weights: ModelWeights, source: object) -> None:
    """Raises an InputError over a model of two parts.

    Args:
        weights: the model.
        source: where it comes from, for the message.
    """
    if weights.task.name == decoder_description.TASK:
        raise InputError(
            f"{source}: an encoder-decoder model, whose decoder attends to all that "
            "its encoder gives. Prune the checkpoints that the two start from, and "
            "train the model again."
        )


def choose(importance: Importance, shares: Shares) -> Structure:
    """Chooses the most important parts; of equal ones the first.

    Layers first; then heads and neurons of those that stay. Each layer's are measured
    by the length of the vector of its importances, so that layers can be compared.

    Args:
        importance: of the model.
        shares: how much is to stay, checked for it.

    Raises:
        InputError: a layer would have nothing left.

    Source: Michel et al. 2019 (arXiv:1905.10650), section 4.1; the length: Molchanov et
    al. 2017 (arXiv:1611.06440), section 2.2.
    """
    count = len(importance.layers)
    best = _best(importance.layers, count if shares.layers is None else shares.layers)
    layers = np.sort(best).tolist()
    heads = [importance.heads[layer] for layer in layers]
    neurons = [importance.neurons[layer] for layer in layers]
    return Structure(
        layers,
        _choose(heads, shares.heads, shares.uniform, "heads"),
        _choose(neurons, shares.neurons, shares.uniform, "neurons"),
    )


def _choose(
    values: list[np.ndarray], share: float, uniform: bool, what: str
) -> list[np.ndarray]:
    """Returns the indices of the parts of each layer that stay."""
    sizes = [len(of_layer) for of_layer in values]
    total = _total(share, sizes, what)
    if uniform and share < 1:
        each = min(total // len(sizes), *sizes)
        return [np.sort(_best(of_layer, each)) for of_layer in values]
    lengths = [np.linalg.norm(of_layer) or 1.0 for of_layer in values]
    scaled = [v / length for v, length in zip(values, lengths, strict=True)]
    best = [_best(of_layer, 1)[0] for of_layer in scaled]
    for of_layer, index in zip(scaled, best, strict=True):
        of_layer[index] = np.inf  # No layer is left without.
    places = np.repeat(np.arange(len(sizes)), sizes)
    within = np.concatenate([np.arange(size) for size in sizes])
    kept = np.sort(_best(np.concatenate(scaled), total))
    return [within[kept[places[kept] == layer]] for layer in range(len(sizes))]


def _total(share: float, sizes: list[int], what: str) -> int:
    """Returns how many parts of all layers together stay."""
    if not 0 < share <= 1:
        raise InputError(
            f"The share of {what} to keep must be above 0 and at most 1. Received: "
            f"{share}"
        )
    total = round(share * sum(sizes))
    if total < len(sizes):
        raise InputError(
            f"A share of {share} of {sum(sizes)} {what} leaves {total} for "
            f"{len(sizes)} layers, and each needs one: a layer that lost all its "
            f"{what} has no place in a model. Keep fewer layers or a larger share."
        )
    return total


def _best(values: np.ndarray, count: int) -> np.ndarray:
    """Returns the indices of the largest values."""
    return np.argsort(-values, kind="stable")[:count]


def prune(weights: ModelWeights, structure: Structure) -> ModelWeights:
    """Returns the model without its other layers, heads and neurons.

    It computes what the model would with zeros in place of what these give.

    Args:
        weights: of a model, see `check_prunable`.
        structure: what stays.

    Raises:
        InputError: a layer would have no head or no neuron left.
    """
    for name, parts in (("heads", structure.heads), ("neurons", structure.neurons)):
        for layer, kept in zip(structure.layers, parts, strict=True):
            if not len(kept):
                raise InputError(
                    f"Layer {layer} would lose all its {name}. Keep one at least, or "
                    "leave out the whole layer."
                )
    shorter = resizing.keep_layers(weights, structure.layers)
    variables = dict(shorter.variables)
    for name, array in shorter.variables.items():
        if match := re.match(r"bert/encoder/layer_(\d+)/(.+)", name):
            layer = int(match[1])
            variables[name] = _cut(
                match[2],
                array,
                _columns(structure.heads[layer], weights.config.head_size),
                structure.neurons[layer],
            )
    return dataclasses.replace(
        shorter,
        config=_config_of(shorter, structure),
        variables=variables,
        notes=[*weights.notes, *([resizing.NO_RANGES] if weights.ranges else [])],
    )


def _cut(
    name: str, array: np.ndarray, columns: np.ndarray, neurons: np.ndarray
) -> np.ndarray:
    """Returns what stays of a layer's variable."""
    if name.startswith("attention/self/"):
        return array[..., columns]
    if name == "attention/output/dense/kernel":
        return array[columns]
    if name.startswith("intermediate/"):
        return array[..., neurons]
    return array[neurons] if name == "output/dense/kernel" else array


def _columns(heads: np.ndarray, head_size: int) -> np.ndarray:
    """Returns the columns of some heads, int64 `[heads * head_size]`."""
    return (heads[:, np.newaxis] * head_size + np.arange(head_size)).ravel()


def _config_of(weights: ModelWeights, structure: Structure) -> BertConfig:
    """Returns the shape of what stays, as far as possible like a released one's."""
    config = weights.config
    heads = tuple(len(kept) for kept in structure.heads)
    sizes = tuple(len(kept) for kept in structure.neurons)
    if {*heads} == {config.num_attention_heads}:
        heads = ()
    # A head may have blocks of its own, as wide as `intermediate_size` says.
    has_others = any(
        re.match("(?!bert/).*/intermediate/", n) for n in weights.variables
    )
    if len({*sizes}) == 1 and not has_others:
        config, sizes = dataclasses.replace(config, intermediate_size=sizes[0]), ()
    return dataclasses.replace(
        config, num_attention_heads_by_layer=heads, intermediate_size_by_layer=sizes
    )
