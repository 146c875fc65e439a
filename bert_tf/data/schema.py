"""The record schema as data.

`data_prep` writes what `bert_tf` reads; both take names, dtypes and shapes from here.
"""

from collections.abc import Mapping

import numpy as np

from bert_tf.errors import InputError
from bert_tf.storage.example_codec import Feature


def pretraining_features(
    max_seq_length: int, max_predictions_per_seq: int
) -> dict[str, Feature]:
    """Returns the schema of records with static masks.

    Args:
        max_seq_length: S, tokens an example, padding included.
        max_predictions_per_seq: P, masked positions an example, padding included.

    Raises:
        InputError: S or P is too small, or P is larger than S.

    Source: google-research/bert, `run_pretraining.input_fn_builder`.
    """
    unmasked = unmasked_features(max_seq_length)
    if not 1 <= max_predictions_per_seq <= max_seq_length:
        raise InputError(
            "`max_predictions_per_seq` must lie between 1 and `max_seq_length` "
            f"({max_seq_length}). Received: {max_predictions_per_seq}"
        )
    predictions = (max_predictions_per_seq,)
    label = unmasked.pop("next_sentence_labels")
    return {
        **unmasked,
        "masked_lm_positions": Feature("int64", predictions),
        "masked_lm_ids": Feature("int64", predictions),
        "masked_lm_weights": Feature("float32", predictions),
        "next_sentence_labels": label,
    }


def unmasked_features(max_seq_length: int) -> dict[str, Feature]:
    """Returns the schema of records that the input pipeline masks.

    Args:
        max_seq_length: S, tokens an example, padding included.

    Raises:
        InputError: S leaves no room for `[CLS] a [SEP] b [SEP]`.
    """
    if max_seq_length < 5:
        raise InputError(
            "`max_seq_length` must be at least 5, the length of [CLS] a [SEP] b "
            f"[SEP]. Received: {max_seq_length}"
        )
    sequence = Feature("int64", (max_seq_length,))
    return {
        "input_ids": sequence,
        "input_mask": sequence,
        "segment_ids": sequence,
        "next_sentence_labels": Feature("int64", (1,)),
    }


def largest_values(features: Mapping[str, Feature], vocab_size: int) -> dict[str, int]:
    """Returns the largest value of each feature; the smallest of all is 0.

    Args:
        features: the schema.
        vocab_size: entries of the vocabulary.
    """
    (max_seq_length,) = features["input_ids"].shape
    largest = {
        "input_ids": vocab_size - 1,
        "masked_lm_ids": vocab_size - 1,
        "masked_lm_positions": max_seq_length - 1,
    }
    return {name: largest.get(name, 1) for name in features}


def check_batch(
    batch: Mapping[str, np.ndarray], features: Mapping[str, Feature]
) -> None:
    """Checks a batch of examples against a schema.

    Args:
        batch: name -> `[batch, *shape]`.
        features: the schema.

    Raises:
        InputError: a missing or unknown name, another shape or another kind of
            number; the message names the feature.
    """
    if set(batch) != set(features):
        wrong = sorted(set(batch) ^ set(features))
        raise InputError(
            f"Features must be {sorted(features)}. Missing or unknown: {wrong}"
        )
    for name, feature in features.items():
        values = batch[name]
        kind = np.dtype(feature.dtype).kind
        if values.shape[1:] != feature.shape or values.dtype.kind not in (kind, "u"):
            raise InputError(
                f"Feature `{name}` must be {feature.dtype} of shape [batch, "
                f"{', '.join(map(str, feature.shape))}]. Received: {values.dtype} of "
                f"shape {list(values.shape)}"
            )
