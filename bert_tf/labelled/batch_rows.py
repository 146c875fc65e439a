"""Examples written to the rows of batches, where a reader wants them."""

import numpy as np

from bert_tf.data.packing import round_up_rows
from bert_tf.labelled.encoded import IGNORED, EncodedExamples


def sequences_of_groups(
    splits: np.ndarray, groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the sequences of groups.

    Args:
        splits: int64 `[all groups + 1]`, where the sequences of each begin.
        groups: `[B, G]`, which ones.

    Returns:
        The sequences, `[B, N]`, N those of the batch that has most, rounded up, since
        a training step is compiled anew for every N; and the number of each one's group
        in its batch, from 1, 0 where there is no sequence.
    """
    sizes = np.diff(splits)[groups]
    before = np.cumsum(sizes, axis=1) - sizes
    shape = len(groups), int(round_up_rows(sizes.sum(axis=1).max()))
    sequences, numbers = np.zeros(shape, int), np.zeros(shape, int)
    flat = sizes.ravel()
    within = _count(flat)
    batch, number = np.indices(groups.shape)
    place = (
        np.repeat(batch.ravel(), flat),
        np.repeat(before.ravel(), flat) + within,
    )
    sequences[place] = np.repeat(splits[groups].ravel(), flat) + within
    numbers[place] = np.repeat(number.ravel() + 1, flat)
    return sequences, numbers


def fill_rows(
    encoded: EncodedExamples,
    examples: np.ndarray,
    groups: np.ndarray,
    rows: np.ndarray,
    first: np.ndarray,
    number: np.ndarray,
    length: int,
    width: int,
) -> dict[str, np.ndarray]:
    """Writes examples to their places. B: batches, N: examples and rows of each.

    Args:
        encoded: the examples.
        examples: `[B, N]`, which ones.
        groups: `[B, N]`, the number of each one's group, 0 where there is none.
        rows: `[B, N]`, the row of each.
        first: `[B, N]`, the place of its first token there.
        number: `[B, N]`, how many [CLS]s the row has before it.
        length: places of a row.
        width: most [CLS]s of a row.
    """
    shape, real = (*rows.shape, length), np.nonzero(groups)
    examples, rows, first = examples[real], rows[real], first[real]
    number, groups, batch_of = number[real], groups[real], real[0]
    lengths, num_cls = encoded.lengths[examples], encoded.num_cls[examples]
    within, cls_within = _count(lengths), _count(num_cls)
    tokens = np.repeat(encoded.starts[examples], lengths) + within
    starts = np.repeat(encoded.cls_splits[examples], num_cls) + cls_within
    place = (
        np.repeat(batch_of, lengths),
        np.repeat(rows, lengths),
        np.repeat(first, lengths) + within,
    )

    cls_place = (
        np.repeat(batch_of, num_cls),
        np.repeat(rows, num_cls),
        np.repeat(number, num_cls) + cls_within,
    )

    def spread(values: np.ndarray, empty: int = 0) -> np.ndarray:
        is_float = values.dtype.kind == "f"  # What is no label has no place to ignore.
        fill, dtype = (0, np.float32) if is_float else (empty, np.int32)
        array = np.full([*shape, *values.shape[1:]], fill, dtype)
        array[place] = values
        return array

    def spread_cls(values: np.ndarray, empty: int = 0) -> np.ndarray:
        is_float = values.dtype.kind == "f"
        fill, dtype = (0, np.float32) if is_float else (empty, np.int32)
        array = np.full([*shape[:2], width], fill, dtype)
        array[cls_place] = values
        return array

    batch = {
        "input_ids": spread(encoded.input_ids[tokens]),
        "input_mask": spread(np.ones_like(within)),
        "segment_ids": spread(encoded.segment_ids[tokens]),
        "position_ids": spread(within),
        "example_ids": spread(np.repeat(number + 1, lengths)),
        **{
            name: spread(values[tokens], IGNORED)
            for name, values in encoded.token_targets.items()
        },
        "cls_positions": spread_cls(
            np.repeat(first, num_cls) + encoded.cls_positions[starts]
        ),
        **{
            name: spread_cls(values[starts], IGNORED)
            for name, values in encoded.cls_targets.items()
        },
    }
    for name, values in {
        "group_ids": groups,
        "example_weights": np.ones(len(examples), np.float32),
        **{name: values[examples] for name, values in encoded.targets.items()},
    }.items():
        dtype = np.float32 if values.dtype.kind == "f" else np.int32
        array = np.zeros([*shape[:2], width, *values.shape[1:]], dtype)
        array[batch_of, rows, number] = values
        batch[name] = array
    return batch


def _count(sizes: np.ndarray) -> np.ndarray:
    """Counts the members of each of several groups from 0, one after the other."""
    return np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
