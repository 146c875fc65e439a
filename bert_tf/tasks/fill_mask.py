"""What a pretrained model says of texts: which words [MASK] may stand for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.labelled.encoded import EncodedExamples, join
from bert_tf.labelled.examples import TextExample
from bert_tf.labelled.kinds import TEXTS
from bert_tf.labelled.options import ReadOptions
from bert_tf.tasks.endpoint import Batch, Outputs
from bert_tf.tasks.predicting_task import PredictingTask
from bert_tf.tasks.pretraining import PretrainingTask
from bert_tf.tasks.settings import FillMaskSettings
from bert_tf.text.pieces import Pieces
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary


class FillMaskTask(PretrainingTask, PredictingTask):
    """Pretraining's own task, with texts in and words out.

    Args:
        description: see `pretraining_description`.
        vocabulary: of the model, to answer with its entries.
    """

    kind = TEXTS
    settings_type = FillMaskSettings
    read_options = ReadOptions()

    def __init__(self, description: TaskDescription, vocabulary: Vocabulary):
        super().__init__(description)
        self._entries = np.array(vocabulary.entries, object)
        self._mask_id = vocabulary.mask_id
        top_k = description.settings.get("top_k", FillMaskSettings.top_k)
        self._top_k = min(top_k, len(vocabulary))

    def encode(
        self,
        examples: Sequence[TextExample],
        vocabulary: Vocabulary,
        cache_directory: Path | None = None,
    ) -> EncodedExamples:
        """Returns texts as ids, and where each one's [MASK]s are, -1 behind the last.

        [MASK] written in a text is the token here, as nowhere else. Nothing is cached.
        """
        tokenizer = BertTokenizer(vocabulary)
        segments = []
        for name in ("text", "text_pair"):
            texts = [getattr(example, name) or "" for example in examples]
            if name == "text" or any(texts):
                ids = tokenizer.tokenize(texts, literal_mask=True)
                segments.append(Pieces(ids.flat_values.numpy(), ids.row_splits.numpy()))
        encoded = join(segments, vocabulary, self.max_seq_length)
        places = np.flatnonzero(encoded.input_ids == self._mask_id)
        rows = np.searchsorted(encoded.starts, places, side="right") - 1
        counts = np.bincount(rows, minlength=len(encoded))
        positions = np.full([len(encoded), max(1, counts.max())], -1, np.int32)
        rank = np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]
        positions[rows, rank] = places - encoded.starts[rows]
        return encoded.with_targets(masked_lm_positions=positions)

    def apply(
        self,
        model: keras.Model,
        batch: Batch,
        *,
        training: bool = False,
        dropout_seed: tf.Tensor | None = None,
    ) -> Outputs:
        """Runs the model at the [MASK]s; see `Task`."""
        positions = tf.maximum(batch["masked_lm_positions"][:, 0], 0)
        return model({**batch, "masked_lm_positions": positions})

    def predictions(self, outputs: Outputs, batch: Batch) -> dict[str, tf.Tensor]:
        """Returns the likeliest entries and their probabilities, `[batch, P, top_k]`.

        And `is_mask`, `[batch, P]`: whether a text has so many [MASK]s.
        """
        probabilities = tf.nn.softmax(outputs["masked_lm_logits"])
        values, ids = tf.math.top_k(probabilities, self._top_k)
        is_mask = batch["masked_lm_positions"][:, 0] >= 0
        return {"probabilities": values, "token_ids": ids, "is_mask": is_mask}

    def decode(
        self,
        examples: Sequence[Any],
        encoded: EncodedExamples,
        predictions: Mapping[str, np.ndarray],
    ) -> list[dict[str, Any]]:
        """Returns for each [MASK] of a text the likeliest entries of the vocabulary."""
        tokens = self._entries[predictions["token_ids"]]
        return [
            {
                "masks": [
                    [
                        {"token": token, "probability": probability}
                        for token, probability in zip(*mask, strict=True)
                    ]
                    for mask in zip(
                        tokens[row][is_mask].tolist(),
                        predictions["probabilities"][row][is_mask].tolist(),
                        strict=True,
                    )
                ]
            }
            for row, is_mask in enumerate(predictions["is_mask"])
        ]
