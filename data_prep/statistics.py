"""Counts over a data set's examples and the shares that follow from them.

Everything is counted in the finished examples, so that `inspect_records` can count
again in the files.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from bert_tf.data.dataset_info import DataParameters
from bert_tf.data.masking import MaskingVocabulary
from data_prep.documents import Documents
from data_prep.pairing import max_num_tokens

NUM_LENGTH_BINS = 16
DOCUMENT_COUNTS = ("num_documents", "num_sentences", "num_corpus_tokens")

Counts = dict[str, np.ndarray]
"""Name -> int64, a scalar or for `lengths` an array; those of two sets just add up."""


def count_batch(
    batch: Mapping[str, np.ndarray], vocabulary: MaskingVocabulary
) -> Counts:
    """Counts over a batch of examples.

    Args:
        batch: name -> `[batch, ...]`, as written to records.
        vocabulary: of the token ids.
    """
    input_ids = batch["input_ids"]
    max_seq_length = input_ids.shape[1]
    num_tokens = batch["input_mask"].sum(axis=1, dtype=np.int64)
    bins = (num_tokens - 1) * NUM_LENGTH_BINS // max_seq_length
    labels = batch["next_sentence_labels"].astype(np.int64)
    counts = {
        "records": np.int64(len(input_ids)),
        "tokens": num_tokens.sum(),
        "unknown": np.count_nonzero(input_ids == vocabulary.unk_id),
        "labels": labels.sum(),
        "labelled_tokens": (batch["segment_ids"] * labels).sum(),
        "lengths": np.bincount(bins, minlength=NUM_LENGTH_BINS),
    }
    if "masked_lm_weights" in batch:
        real = batch["masked_lm_weights"] > 0
        rows, _ = np.nonzero(real)
        seen = input_ids[rows, batch["masked_lm_positions"][real]]
        masked = np.count_nonzero(seen == vocabulary.mask_id)
        kept = np.count_nonzero(seen == batch["masked_lm_ids"][real])
        counts |= {
            "predictions": len(rows),
            "predictions_masked": masked,
            "predictions_kept": kept,
        }
    return {name: np.asarray(value, np.int64) for name, value in counts.items()}


def count_documents(documents: Documents) -> Counts:
    """Counts what a data set is made of, under the names `DOCUMENT_COUNTS`."""
    sizes = (documents.num_documents, documents.num_sentences, len(documents.tokens))
    counts = zip(DOCUMENT_COUNTS, sizes, strict=True)
    return {name: np.asarray(size, np.int64) for name, size in counts}


def add_counts(total: Counts, more: Counts) -> Counts:
    """Returns the sum of two counts, either of which may be empty."""
    zero = np.zeros((), np.int64)
    return {
        name: total.get(name, zero) + more.get(name, zero) for name in {**total, **more}
    }


def summarize(counts: Counts, parameters: DataParameters) -> dict[str, Any]:
    """Returns what `dataset_info.json` says about the examples.

    Args:
        counts: over all of them.
        parameters: of the data set.

    Returns:
        `num_records`; `num_tokens`, padding left out; `fill_rate`, their share of all
        places; `unknown_rate`, the share of [UNK] among them; `random_pair_rate` or
        `swapped_pair_rate`, the share of label 1; `length_histogram`, records by
        length in `NUM_LENGTH_BINS` equal steps up to S. With static masks also
        `masked_rate`, predictions a token, and the shares of them that show [MASK], a
        random token, or the original. With `DOCUMENT_COUNTS` also `cut_off_rate`, the
        share of the text's tokens that a pass leaves out: segments are cut to the
        length of an example.
    """
    records, tokens = int(counts["records"]), int(counts["tokens"])
    summary: dict[str, Any] = {
        "num_records": records,
        "num_tokens": tokens,
        "fill_rate": _share(tokens, records * parameters.max_seq_length),
        "unknown_rate": _share(int(counts["unknown"]), tokens),
    }
    label = {
        "next_sentence": "random_pair_rate",
        "sentence_order": "swapped_pair_rate",
    }.get(parameters.objective)
    if label:
        summary[label] = _share(int(counts["labels"]), records)
    if "num_corpus_tokens" in counts:
        passes = parameters.dupe_factor * int(counts["num_corpus_tokens"])
        own = tokens - records * (
            parameters.max_seq_length - max_num_tokens(parameters)
        )
        if parameters.objective == "next_sentence":
            # A random segment is a guest from another document; its [SEP] is counted.
            own -= int(counts["labelled_tokens"]) - int(counts["labels"])
        summary["cut_off_rate"] = _share(passes - own, passes)
    if "predictions" in counts:
        predictions = int(counts["predictions"])
        masked = _share(int(counts["predictions_masked"]), predictions)
        kept = _share(int(counts["predictions_kept"]), predictions)
        summary |= {
            "masked_rate": _share(predictions, tokens),
            "masked_as_mask": masked,
            "masked_as_random": round(1 - masked - kept, 6) if predictions else 0.0,
            "masked_as_original": kept,
        }
    summary["length_histogram"] = counts["lengths"].tolist()
    return summary


def unknown_character_rate(inputs: Mapping[str, Any]) -> float:
    """Returns the share of the corpus' characters in words that became [UNK].

    A long word is one unknown token, however much text it is: where scripts write no
    spaces, this share tells what `unknown_rate` doesn't.

    Args:
        inputs: what reading and tokenizing the corpus counted.
    """
    return _share(
        inputs.get("num_unknown_characters", 0), inputs.get("num_characters", 0)
    )


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0
