"""Masked language modelling and sentence pairs, as the loop's task."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from bert_tf.models import BertPretrainer
from bert_tf.tasks import losses

# Of `leave_out`; records have none, and all their pairs count.
_PAIR_WEIGHTS = "next_sentence_weights"


class PretrainingTask:
    """The two losses of BERT.

    Args:
        sentence_pairs: whether the records' labels of pairs mean something.

    Source: Devlin et al. 2019 (arXiv:1810.04805), section 3.1.
    """

    def __init__(self, *, sentence_pairs: bool = True) -> None:
        pairs = ("next_sentence",) if sentence_pairs else ()
        self.losses: tuple[str, ...] = ("masked_lm", *pairs)

    def weights(self, batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns the numbers of masked tokens and of pairs; see `Task`."""
        labels, weights = batch["next_sentence_labels"], batch.get(_PAIR_WEIGHTS)
        pairs = tf.size(labels) if weights is None else tf.reduce_sum(weights)
        counts = {
            "masked_lm": tf.reduce_sum(batch["masked_lm_weights"]),
            "next_sentence": tf.cast(pairs, tf.float32),
        }
        return {name: counts[name] for name in self.losses}

    def leave_out(
        self, batch: Mapping[str, np.ndarray], real: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Makes some rows of a batch weigh nothing; see `Task`."""
        weights = batch["masked_lm_weights"] * real[..., None]
        return {**batch, "masked_lm_weights": weights, _PAIR_WEIGHTS: real}

    def sums(
        self,
        model: BertPretrainer,
        batch: Mapping[str, tf.Tensor],
        *,
        training: bool,
        dropout_seed: tf.Tensor | None,
    ) -> dict[str, tf.Tensor]:
        """Runs the model and sums losses and right answers; see `Task`."""
        labels = batch["masked_lm_ids"], batch["masked_lm_weights"]
        outputs = model(
            batch,
            masked_lm_labels=labels if training else None,
            dropout_seed=dropout_seed,
            training=training,
        )
        if training:
            masked_lm_loss, masked_lm_correct = outputs["masked_lm_sums"]
        else:
            logits = outputs["masked_lm_logits"]
            masked_lm_loss, _ = losses.masked_lm_loss(logits, *labels)
            masked_lm_correct, _ = losses.masked_lm_accuracy(logits, *labels)
        pairs = (
            outputs["next_sentence_logits"],
            batch["next_sentence_labels"],
            batch.get(_PAIR_WEIGHTS),
        )
        sums = {
            "masked_lm_loss": masked_lm_loss,
            "masked_lm_correct": masked_lm_correct,
            "next_sentence_loss": losses.next_sentence_loss(*pairs)[0],
            "next_sentence_correct": losses.next_sentence_accuracy(*pairs)[0],
        }
        return {
            name: value
            for name, value in sums.items()
            if name.rsplit("_", 1)[0] in self.losses
        }
