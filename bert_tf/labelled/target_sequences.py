"""What a decoder learns to write: the second sequence of each example, as ids."""

import dataclasses

import numpy as np

from bert_tf.labelled.encoded import IGNORED, join
from bert_tf.text.pieces import Pieces
from bert_tf.text.vocabulary import Vocabulary


@dataclasses.dataclass(frozen=True)
class TargetSequences:
    """Targets `[CLS] A [SEP]`, of which each token but the last is fed to a decoder.

    The decoder learns the token that follows, [SEP] at the end.

    Attributes:
        ids: int32 `[U]`, of all targets, one after the other.
        starts: int64 `[N + 1]`, where each one starts in `ids`; U at the end.
        max_length: places of a decoder's packed row.
        kept: float `[N]`, the share of each target's pieces that was not cut.
        vocabulary: whose ids these are.
    """

    ids: np.ndarray
    starts: np.ndarray
    max_length: int
    kept: np.ndarray
    vocabulary: Vocabulary

    @classmethod
    def build(
        cls, pieces: Pieces, vocabulary: Vocabulary, max_target_length: int
    ) -> "TargetSequences":
        """Makes targets of texts' pieces.

        Args:
            pieces: of the texts.
            vocabulary: whose ids these are.
            max_target_length: most tokens of a target, [CLS] and [SEP] included; what
                is longer loses its end.
        """
        joined = join([pieces], vocabulary, max_target_length)
        kept = (joined.lengths - 2) / np.maximum(pieces.lengths, 1)
        kept[pieces.lengths == 0] = 1.0
        length = max_target_length - 1
        return cls(joined.input_ids, joined.starts, length, kept, vocabulary)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each target that are fed, int64 `[N]`."""
        return np.diff(self.starts) - 1

    def fill(
        self,
        examples: np.ndarray,
        rows: np.ndarray,
        first: np.ndarray,
        number: np.ndarray,
        length: int,
    ) -> dict[str, np.ndarray]:
        """Writes targets to their places.

        Args:
            examples: `[B, N]`, which ones.
            rows: `[B, N]`, the row of each, below N.
            first: `[B, N]`, where in its row each one begins.
            number: `[B, N]`, how many sequences the row has before it.
            length: places of a row.

        Returns:
            int32 `[B, N, length]`: `decoder_input_ids`; `decoder_labels`, `IGNORED`
            where there is none; `decoder_position_ids`; and `decoder_example_ids`, the
            number of the sequence from 1, 0 for padding.
        """
        lengths = self.lengths[examples].ravel()
        within = np.arange(lengths.sum()) - np.repeat(
            np.cumsum(lengths) - lengths, lengths
        )

        def repeat(values: np.ndarray) -> np.ndarray:
            return np.repeat(values.ravel(), lengths)

        tokens = repeat(self.starts[examples]) + within
        place = repeat(np.indices(rows.shape)[0]), repeat(rows), repeat(first) + within
        filled = {}
        for name, values, empty in (
            ("input_ids", self.ids[tokens], 0),
            ("labels", self.ids[tokens + 1], IGNORED),
            ("position_ids", within, 0),
            ("example_ids", repeat(number) + 1, 0),
        ):
            array = np.full((*rows.shape, length), empty, np.int32)
            array[place] = values
            filled[f"decoder_{name}"] = array
        return filled
