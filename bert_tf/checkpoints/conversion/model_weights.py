"""What every format is read into and written from."""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from bert_tf.checkpoints.conversion import names
from bert_tf.checkpoints.model_folder import check_finite
from bert_tf.checkpoints.quantization_ranges import Ranges
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.text.tokenizer_json import AddedToken
from bert_tf.text.vocabulary import Vocabulary

# Kept by other programs for themselves; leaving them behind loses no weight.
_NOT_WEIGHTS = re.compile(
    r"(^|/)(global_step|save_counter)$|/adam_[mv]$|(^|[./])position_ids$"
    r"|_power$|(^|/)optimizer/|_CHECKPOINTABLE_OBJECT_GRAPH"
)


@dataclasses.dataclass
class HuggingFaceSettings:
    """What only Hugging Face's files say of a tokenizer, kept for the way back.

    Attributes:
        model_max_length: where the tokenizer cuts; None at the last position.
        added_tokens: entries, beside BERT's special ones, that are found in a text
            before it is split.
    """

    model_max_length: int | None = None
    added_tokens: list[AddedToken] = dataclasses.field(default_factory=list)

    @property
    def is_default(self) -> bool:
        """Whether nothing needs to be kept."""
        return self == HuggingFaceSettings()


@dataclasses.dataclass
class ModelWeights:
    """A BERT outside any format.

    Attributes:
        format: what it was read from, a key of `formats.WRITERS`.
        config: its shape.
        variables: float32 arrays by google-research/bert name: the whole encoder, and
            whatever of pooler and heads the source had.
        vocabulary: None where the source has none.
        task: what it was trained for; pretraining where nothing else is known.
        hugging_face: what only Hugging Face's files say.
        history: what was done to the model since, a sentence each; model folders keep
            it.
        ranges: of activations, if it was trained for int8; model folders keep them.
        source_names: what each variable was called in the source.
        left_over: weights of the source that no BERT has, with their shapes.
        notes: what a reader of the report should know, a sentence each.
    """

    format: str
    config: BertConfig
    variables: dict[str, np.ndarray]
    vocabulary: Vocabulary | None
    task: TaskDescription = TaskDescription()
    hugging_face: HuggingFaceSettings = dataclasses.field(
        default_factory=HuggingFaceSettings
    )
    history: list[str] = dataclasses.field(default_factory=list)
    ranges: Ranges = dataclasses.field(default_factory=dict)
    source_names: dict[str, str] = dataclasses.field(default_factory=dict)
    left_over: dict[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)

    @property
    def missing(self) -> names.Shapes:
        """Names and shapes of variables of the task that the source lacks."""
        return {
            name: shape
            for name, shape in names.trained(self.task.name, self.config).items()
            if name not in self.variables
        }

    @property
    def shared(self) -> dict[str, np.ndarray]:
        """The variables that google-research/bert has, too, with any head of its."""
        known = {*names.pretrainer(self.config), *names.head(self.task.name)}
        return {name: a for name, a in self.variables.items() if name in known}

    @property
    def homeless(self) -> dict[str, np.ndarray]:
        """The variables that only a model of ours has."""
        shared = self.shared
        return {name: a for name, a in self.variables.items() if name not in shared}

    def check_post_norm(self, source: object) -> None:
        """Raises an InputError if LayerNorms come first, as in no BERT.

        Args:
            source: where the weights come from, for the message.
        """
        if self.task.settings.get("norm_first"):
            raise InputError(
                f"{source}: its LayerNorms come first, as GPT-2's do, so its weights "
                "mean nothing in a BERT. It can only go on as a causal_lm."
            )

    def has(self, shapes: Mapping[str, tuple[int, ...]]) -> bool:
        """Tells whether all these variables are here."""
        return all(name in self.variables for name in shapes)


class RenamedArrays(Mapping[str, np.ndarray]):
    """A source's arrays under google-research/bert names and in its shapes.

    Args:
        arrays: the source's arrays, read on access.
        source_names: the source's name of each.
        reshape: turns a source's array into google-research/bert's shape, given the
            google-research/bert name.
    """

    def __init__(
        self,
        arrays: Mapping[str, np.ndarray],
        source_names: Mapping[str, str],
        reshape: Callable[[str, np.ndarray], np.ndarray] = lambda _, array: array,
    ) -> None:
        self._arrays = arrays
        self._source_names = source_names
        self._reshape = reshape

    def __getitem__(self, name: str) -> np.ndarray:
        return self._reshape(name, self._arrays[self._source_names[name]])

    def __contains__(self, name: object) -> bool:
        return name in self._source_names

    def __iter__(self) -> Iterator[str]:
        return iter(self._source_names)

    def __len__(self) -> int:
        return len(self._source_names)


def collect(
    source: str,
    config: BertConfig,
    arrays: Mapping[str, np.ndarray],
    task: str | None,
) -> tuple[dict[str, np.ndarray], dict[str, tuple[int, ...]]]:
    """Picks the variables of a BERT out of arrays under google-research/bert names.

    Args:
        source: what to call the file in an error.
        config: the model's shape, to which every array is held.
        arrays: arrays by name; they may hold more.
        task: whose head to look for, None for no fine-tuned one.

    Returns:
        `(variables, left_over)`: float32 arrays, and the shapes of other weights.

    Raises:
        InputError: a variable of the encoder is missing, half of a head is, or a
            shape or dtype is wrong.
    """
    if config.num_hidden_layers > len(arrays):
        # Said before the names of a billion layers are made.
        raise InputError(
            f"{source}: holds {len(arrays)} arrays, too few for the "
            f"{config.num_hidden_layers} layers of its configuration."
        )
    encoder = names.encoder(config)
    parts = [
        names.pooler(config),
        names.masked_lm_head(config),
        names.next_sentence_head(config),
    ]
    if task not in (None, "pretraining") and names.head(task)[0] in arrays:
        num_labels = arrays[names.head(task)[0]].shape[0]
        parts.append(names.task_head(task, num_labels, config))
    wanted = dict(encoder)
    for part in parts:
        if any(name in arrays for name in part):
            wanted |= part
    lacking = [name for name in wanted if name not in arrays]
    if lacking:
        raise InputError(
            f"{source}: lacks {len(lacking)} of {len(wanted)} variables, the first of "
            f"them `{lacking[0]}`. It is damaged, of another architecture, or its "
            "configuration is another model's."
        )
    variables = {
        name: as_float32(source, name, arrays[name], shape)
        for name, shape in wanted.items()
    }
    left_over = {
        name: tuple(arrays[name].shape)
        for name in arrays
        if name not in wanted and not _NOT_WEIGHTS.search(name)
    }
    return variables, left_over


def as_float32(
    source: str, name: str, array: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """Returns an array of a source in float32.

    Raises:
        InputError: another shape, no floating point, or a value that is not finite.
    """
    if array.shape != shape:
        raise InputError(
            f"{source}: `{name}` must have shape {shape}, by its configuration. "
            f"Received: {array.shape}"
        )
    if array.dtype.name not in ("float16", "bfloat16", "float32", "float64"):
        raise InputError(
            f"{source}: `{name}` must be floating point. Received: {array.dtype}; "
            "quantized weights cannot be converted."
        )
    with np.errstate(over="ignore"):  # Of float64; seen in the next line.
        array = np.asarray(array, np.float32)
    check_finite(source, name, array)
    return array


def initial_values(
    shapes: Mapping[str, tuple[int, ...]], config: BertConfig, seed: int
) -> dict[str, np.ndarray]:
    """Draws new values for variables that a source lacks.

    Weights come from a normal distribution cut off at two standard deviations; biases
    start at 0 and LayerNorm scales at 1. Each depends on the seed and its own name
    alone.

    Source: google-research/bert, `modeling.create_initializer`.
    """
    values = {}
    for name, shape in shapes.items():
        if name.endswith(("bias", "beta")):
            values[name] = np.zeros(shape, np.float32)
        elif name.endswith("gamma"):
            values[name] = np.ones(shape, np.float32)
        else:
            generator = np.random.default_rng([seed, *name.encode()])
            draws = generator.standard_normal(shape)
            while (outside := np.abs(draws) > 2).any():
                draws[outside] = generator.standard_normal(int(outside.sum()))
            values[name] = np.asarray(config.initializer_range * draws, np.float32)
    return values


def join_heads(name: str, array: np.ndarray) -> np.ndarray:
    """Turns a Keras attention layer's array into google-research/bert's shape.

    Args:
        name: the google-research/bert name.
        array: kernels `[H, heads, depth]` of query, key and value, their biases
            `[heads, depth]`, the output kernel `[heads, depth, H]`; others stay as
            they are.
    """
    if "/attention/self/" in name:
        return array.reshape(*array.shape[:-2], -1)
    if name.endswith("/attention/output/dense/kernel"):
        return array.reshape(-1, array.shape[-1])
    return array


def split_heads(name: str, array: np.ndarray, num_heads: int) -> np.ndarray:
    """Undoes `join_heads`."""
    if "/attention/self/" in name:
        return array.reshape(*array.shape[:-1], num_heads, -1)
    if name.endswith("/attention/output/dense/kernel"):
        return array.reshape(num_heads, -1, array.shape[-1])
    return array
