"""Encoded examples as a source of batches: shuffled, padded or packed.

In every batch a row holds one or several sequences, and what belongs to a sequence (its
[CLS], its targets, its weight) has an axis for them, `[batch, sequences]`; padded
batches have one sequence a row. Where each sentence has a [CLS], that axis counts
sentences, and a sequence's own values stand at its first one. See
`bert_tf.data.packing` for what packing is.

Where examples are groups of sequences, a training batch holds whole groups, which
`group_ids` tells apart. Held-out sequences are read one by one: what is said of one
depends on no other, and what is said of a group is scored when all of it is there.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from bert_tf.data.packing import PLACES_PER_EXAMPLE, first_fit, round_up_rows
from bert_tf.labelled.batch_rows import fill_rows, sequences_of_groups
from bert_tf.labelled.encoded import EncodedExamples
from bert_tf.text.sentence_windows import most_sentences

# Lengths of padded batches are multiples of it where each length is compiled anew.
_LENGTH_STEP = 32
# And so are numbers of sentences.
_SENTENCE_STEP = 8


@dataclasses.dataclass(frozen=True, eq=False)
class LabelledSource:
    """Encoded examples as training and evaluation read them; see `ExampleSource`.

    Attributes:
        encoded: the examples.
        max_seq_length: places of a packed row.
        seed: Seed of the order; None for held-out examples, which are read from the
            longest to the shortest, so that a batch's padding is small. The sequences
            of an example follow each other.
        examples: what they were encoded from, for scores and reports.
        description: what the report says of the data.
        chosen: bool `[examples]`, which ones there are of a held-out source; None for
            all.
    """

    encoded: EncodedExamples
    max_seq_length: int
    seed: int | None
    examples: Any = None
    description: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    num_damaged: int = 0
    chosen: np.ndarray | None = None

    @property
    def num_examples(self) -> int:
        """Sequences each time round; examples, where whole groups are trained on."""
        if self.group_splits is not None:
            return len(self.group_splits) - 1
        return len(self.encoded) if self.chosen is None else len(self.order)

    @property
    def group_splits(self) -> np.ndarray | None:
        """Where the groups begin that positions count; None if they count sequences."""
        return None if self.seed is None else self.encoded.group_splits

    def num_positions(self, num_examples: int) -> int:
        """Returns how many sequences the first examples have; see `ExampleSource`."""
        examples = self.encoded.example_of[self.order]
        ends = np.flatnonzero(np.append(np.diff(examples) != 0, True)) + 1
        return int(ends[min(num_examples or len(ends), len(ends)) - 1])

    @functools.cached_property
    def order(self) -> np.ndarray:
        """Which sequence stands at each position of a held-out source, int64 `[N]`."""
        assert self.seed is None
        examples, lengths = self.encoded.example_of, self.encoded.lengths
        longest = np.zeros(examples.max() + 1, np.int64)
        np.maximum.at(longest, examples, lengths)
        order = np.lexsort((-lengths, examples, -longest[examples]))
        return order if self.chosen is None else order[self.chosen[examples[order]]]

    def sample(self, num_examples: int, seed: int) -> "LabelledSource":
        """Returns a held-out source with so many of its examples, drawn at random."""
        chosen = np.zeros(int(self.encoded.example_of.max()) + 1, bool)
        here = np.unique(self.encoded.example_of[self.order])
        chosen[np.random.default_rng(seed).permutation(here)[:num_examples]] = True
        return dataclasses.replace(self, chosen=chosen)

    def in_order(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Puts held-out predictions where their sequences stand.

        Args:
            values: `[n, ...]`, of the first n positions.

        Returns:
            Which sequences these are, ascending, and their values.
        """
        examples = self.order[: len(values)]
        order = np.argsort(examples)
        return examples[order], values[order]

    def at(self, positions: np.ndarray) -> np.ndarray:
        """Returns which examples stand at these positions; the same shape."""
        epochs, places = np.divmod(positions, self.num_examples)
        if self.seed is None:
            return self.order[places]
        found = np.empty_like(places)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            found[here] = self._permutation(int(epoch))[places[here]]
        return found

    @functools.lru_cache(maxsize=2)  # noqa: B019  (as many as a batch can touch)
    def _permutation(self, epoch: int) -> np.ndarray:
        assert self.seed is not None
        return np.random.default_rng([self.seed, epoch]).permutation(self.num_examples)

    def reader(
        self,
        *,
        replica_batch_size: int,
        num_replicas: int = 1,
        local_replicas: range = range(1),
        pack: bool = False,
    ) -> "LabelledReader":
        """Returns a reader of micro-batches; see `ExampleSource`."""
        return LabelledReader(
            self, replica_batch_size, num_replicas, local_replicas, pack
        )

    def batches(self, num_tokens: int) -> Iterator[dict[str, np.ndarray]]:
        """Reads a held-out source once, in batches of as many tokens.

        Their lengths are the sequences' own, not multiples of anything, for functions
        that are not compiled anew for each.

        Args:
            num_tokens: the most that a batch of several sequences has, padding
                included.

        Yields:
            What `LabelledReader.read` returns, of one micro-batch.
        """
        start = longest = 0
        lengths = self.encoded.lengths[self.order].tolist()
        for place, length in enumerate([*lengths, num_tokens + 1]):
            if (
                place > start
                and (place + 1 - start) * max(longest, length) > num_tokens
            ):
                reader = LabelledReader(self, place - start, 1, range(1), False, 1)
                batches = reader.read(start, 1)
                yield {name: values[0, 0] for name, values in batches.items()}
                start, longest = place, 0
            longest = max(longest, length)


@dataclasses.dataclass(frozen=True)
class LabelledReader:
    """Reads the micro-batches of this process' replicas; see `source.Reader`.

    Attributes:
        source: the examples.
        replica_batch_size: examples of one replica in one micro-batch.
        num_replicas: replicas of all processes.
        local_replicas: those of this process.
        pack: whether a row may hold several examples.
        length_step: lengths of batches that are not packed are multiples of it.
    """

    source: LabelledSource
    replica_batch_size: int
    num_replicas: int
    local_replicas: range
    pack: bool
    length_step: int = _LENGTH_STEP

    @property
    def micro_batch_size(self) -> int:
        """Examples of a micro-batch over all replicas."""
        return self.num_replicas * self.replica_batch_size

    def positions(self, position: int, num_micro_batches: int) -> np.ndarray:
        """Returns where each example of `read` stands; see `source.Reader`."""
        first = np.arange(num_micro_batches) * self.micro_batch_size + position
        offset = np.array(self.local_replicas)[:, None] * self.replica_batch_size
        return (first + offset)[:, :, None] + np.arange(self.replica_batch_size)

    def _padded_shape(self, position: int, num_micro_batches: int) -> tuple[int, int]:
        """Returns the places and the [CLS]s of a row that is not packed."""
        found = self._together(position, num_micro_batches)
        encoded, splits = self.source.encoded, self.source.group_splits
        lengths, num_cls = encoded.lengths, encoded.num_cls
        if splits is not None:
            lengths = np.maximum.reduceat(lengths, splits[:-1])
        most = self.source.max_seq_length
        length = min(_round_up(int(lengths[found].max()), self.length_step), most)
        if encoded.sentences is None:
            return length, 1
        width = _round_up(int(num_cls[found].max()), _SENTENCE_STEP)
        return length, min(width, most_sentences(most))

    def _together(self, position: int, num_micro_batches: int) -> np.ndarray:
        """Returns the examples of all replicas of all processes.

        Their rows have the same places: replicas hand each other predictions.
        """
        count = num_micro_batches * self.micro_batch_size
        return self.source.at(np.arange(position, position + count))

    def _written_length(self, position: int, num_micro_batches: int) -> int:
        """Returns the places of a decoder's row that is not packed."""
        written = self.source.encoded.written
        assert written is not None
        longest = written.lengths[self._together(position, num_micro_batches)].max()
        return min(_round_up(int(longest), _LENGTH_STEP), written.max_length)

    def read(self, position: int, num_micro_batches: int) -> dict[str, np.ndarray]:
        """Returns consecutive micro-batches. N: examples, K: sequences of a row.

        A group's sequences count as examples of their own here: N is what the
        micro-batch with most of them has.

        Returns:
            int32 unless stated:

            - `input_ids`, `input_mask`, `segment_ids`, and the targets of tokens,
              float32 if they are: `[local, micro-batches, N, length, ...]`;
            - float32 `example_weights`, which are 0.0 where there is no sequence, and
              the targets: `[local, micro-batches, N, K, ...]`; K is 1 if not packed,
              and counts sentences where those have a [CLS] each;
            - if packed, `position_ids` and `example_ids`, which counts the sequences of
              a row from 1 (of sentences, the first one's number) and is 0 for padding,
              `[local, micro-batches, N, length]`;
            - if packed, or of sentences, `cls_positions`, and the targets of [CLS]s:
              `[local, micro-batches, N, K]`;
            - of groups, `group_ids`, which counts those of a micro-batch from 1 and is
              0 where there is no sequence, `[local, micro-batches, N, K]`;
            - of either, `num_rows`, `[local, micro-batches]`;
            - with something to write, what `TargetSequences.fill` returns, the last two
              only if packed, `[local, micro-batches, N, target length]`.
        """
        encoded = self.source.encoded
        positions = self.positions(position, num_micro_batches)
        leading = positions.shape[:2]
        examples = self.source.at(positions).reshape(-1, positions.shape[2])
        splits = self.source.group_splits
        if splits is not None:
            examples, groups = sequences_of_groups(splits, examples)
        else:
            groups = np.ones_like(examples)
        count = examples.shape[1]
        lengths, written = (
            np.where(groups, encoded.lengths[examples], 0),
            encoded.written,
        )
        if self.pack:
            length = self.source.max_seq_length
            most = int(encoded.num_cls.max())  # Of any batch, so that all look alike.
            width = max(most, length // PLACES_PER_EXAMPLE)
            sizes = [lengths, np.where(groups, encoded.num_cls[examples], 0)]
            room = [length, width]
            if written is not None:
                sizes.append(written.lengths[examples])
                room.append(written.max_length)
            rows, used = first_fit(np.stack(sizes, -1), np.array(room))
            first, number, *firsts_written = np.moveaxis(used, -1, 0)
        else:
            length, width = self._padded_shape(position, num_micro_batches)
            rows = np.broadcast_to(np.arange(count), lengths.shape)
            first = number = np.zeros_like(lengths)
            firsts_written = [first]
        batch = fill_rows(encoded, examples, groups, rows, first, number, length, width)
        if written is not None:
            places = written.max_length
            if not self.pack:
                places = self._written_length(position, num_micro_batches)
            batch |= written.fill(examples, rows, firsts_written[0], number, places)
        if splits is None:
            del batch["group_ids"]
        if not self.pack:
            # One sequence a row says all of it.
            for name in [
                n for n in batch if n.endswith(("position_ids", "example_ids"))
            ]:
                del batch[name]
            if encoded.sentences is None:
                del batch["cls_positions"]
        batch = {n: v.reshape(*leading, *v.shape[1:]) for n, v in batch.items()}
        if self.pack or splits is not None:
            num_rows = np.where(groups, rows + 1, 1).max(-1)
            num_rows = np.minimum(round_up_rows(num_rows), count)
            batch["num_rows"] = num_rows.astype(np.int32).reshape(leading)
        return batch


def _round_up(number: int, step: int) -> int:
    return -(-number // step) * step
