"""Several short examples in one row, so that they cost what their tokens cost.

A packed batch holds the examples of the batch it was made from, in fewer rows. An
example's tokens stay together and attend to each other only (`example_ids`), count
their positions from their own start (`position_ids`), and begin with a [CLS] of their
own (`cls_positions`). So losses and gradients are those of the padded batch but for
rounding. With dropout, whose masks depend on the place in a batch, they differ as those
of two seeds do.

Source: Krell et al. 2021 (arXiv:2107.02027), who pack a data set before training. Here
each batch is packed as it is read, so the batches of a run stay what they are.
"""

from collections.abc import Mapping

import numpy as np

# A row holds at most one example for so many places: each costs an output of the last
# transformer block, whether a row has that many examples or not.
PLACES_PER_EXAMPLE = 16

# XLA compiles the fused operations anew for each number of rows, so that is rounded up
# to one of so many numbers between two powers of two.
_ROW_STEPS = 16


def pack_examples(batches: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Packs each of several batches: longest examples first, each where it first fits.

    N: examples of a batch, S: places of a row, P: most predictions of an example and of
    a row, K: most examples of a row.

    Args:
        batches: the features of pretraining records, `[..., N, S]`, `[..., N, P]` and
            `[..., N, 1]`. An example's padding comes after its tokens.

    Returns:
        int32 unless stated:
        - `input_ids`, `input_mask`, `segment_ids`, `position_ids` and `example_ids`,
          which counts the examples of a row from 1 and is 0 for padding, `[..., N, S]`;
        - `masked_lm_positions` (places in the row), `masked_lm_ids` and float32
          `masked_lm_weights`, `[..., N, P]`;
        - `cls_positions` (places in the row), `next_sentence_labels` and float32
          `next_sentence_weights`, 0.0 where there is no example, `[..., N, K]`;
        - `num_rows`, `[...]`: how many of the N rows to compute. The others are empty.
    """
    *leading, _, max_seq_length = batches["input_mask"].shape
    flat = {
        name: values.reshape(-1, *values.shape[-2:]) for name, values in batches.items()
    }
    mask, real = flat["input_mask"], flat["masked_lm_weights"] > 0
    width = max(1, max_seq_length // PLACES_PER_EXAMPLE)
    room = np.array([max_seq_length, real.shape[-1], width])
    sizes = np.stack([mask.sum(-1), real.sum(-1), np.ones(mask.shape[:2], int)], -1)
    rows, starts = first_fit(sizes, room)
    first_token, first_prediction, number = np.moveaxis(starts, -1, 0)

    def move(index: tuple[np.ndarray, ...], length: int, **values: np.ndarray) -> None:
        """Writes values to places of rows, `[batches, N, length]`, 0 elsewhere."""
        for name, array in values.items():
            dtype = np.float32 if array.dtype.kind == "f" else np.int32
            packed[name] = np.zeros([*rows.shape, length], dtype)
            packed[name][index] = array

    packed: dict[str, np.ndarray] = {}
    batch, example, place = np.nonzero(mask)
    move(
        (batch, rows[batch, example], first_token[batch, example] + place),
        max_seq_length,
        input_ids=flat["input_ids"][batch, example, place],
        input_mask=mask[batch, example, place],
        segment_ids=flat["segment_ids"][batch, example, place],
        position_ids=place,
        example_ids=number[batch, example] + 1,
    )
    batch, example, place = np.nonzero(real)
    rank = (real.cumsum(-1) - 1)[batch, example, place]
    positions = flat["masked_lm_positions"][batch, example, place]
    move(
        (batch, rows[batch, example], first_prediction[batch, example] + rank),
        real.shape[-1],
        masked_lm_positions=positions + first_token[batch, example],
        masked_lm_ids=flat["masked_lm_ids"][batch, example, place],
        masked_lm_weights=flat["masked_lm_weights"][batch, example, place],
    )
    move(
        (np.arange(len(rows))[:, np.newaxis], rows, number),
        width,
        cls_positions=first_token,
        next_sentence_labels=flat["next_sentence_labels"][..., 0],
        next_sentence_weights=np.ones(rows.shape, np.float32),
    )
    result = {
        name: values.reshape(*leading, *values.shape[1:])
        for name, values in packed.items()
    }
    num_rows = np.minimum(round_up_rows(rows.max(-1) + 1), rows.shape[1])
    result["num_rows"] = num_rows.astype(np.int32).reshape(leading)
    return result


def first_fit(sizes: np.ndarray, room: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places the examples of each batch, the one with the most tokens first.

    Args:
        sizes: `[batches, N, things]`: what each example takes; tokens first.
        room: `[things]`, what a row has of each.

    Returns:
        The row of each example, `[batches, N]`, and how much of that row the examples
        before it take, `[batches, N, things]`.
    """
    num_batches, num_examples, _ = sizes.shape
    rows = np.zeros([num_batches, num_examples], int)
    starts = np.zeros_like(sizes)
    used = np.zeros_like(sizes)
    every = np.arange(num_batches)
    order = np.argsort(-sizes[..., 0], axis=1, kind="stable")
    for example in order.T:
        size = sizes[every, example]
        fits = (used + size[:, np.newaxis] <= room).all(-1)
        row = fits.argmax(-1)  # The first; an empty row always fits.
        rows[every, example] = row
        starts[every, example] = used[every, row]
        used[every, row] += size
    return rows, starts


def round_up_rows(num_rows: np.ndarray) -> np.ndarray:
    """Rounds numbers of rows up to those that are compiled; see `_ROW_STEPS`."""
    power_of_two = 2 ** np.floor(np.log2(num_rows)).astype(int)
    step = np.maximum(power_of_two // _ROW_STEPS, 1)
    return -(-num_rows // step) * step
