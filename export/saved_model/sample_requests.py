"""Requests to an exported model that need no data: for its README, and warm-up."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary

_SENTENCES = ("The state of the union is strong.", "We must work for peace.")
# Parameters of a search that change little or nothing.
_SEARCH = {
    "length_penalty": 1.0,
    "repetition_penalty": 1.0,
    "temperature": 1.0,
    "seed": 0,
    "top_p": 0.9,
    "min_p": 0.1,
    "penalty_alpha": 0.6,
}
# Samples of a language that the vocabulary does not know would say nothing.
_MAX_UNKNOWN = 0.3


def example(
    names: Iterable[str], vocabulary: Vocabulary, max_seq_length: int, masked: bool
) -> dict[str, Any]:
    """Returns a request of one row that people can read.

    Args:
        names: of a signature's inputs.
        vocabulary: the model's; its words stand for ours where it lacks these.
        max_seq_length: ids are cut to it.
        masked: whether the text holds a [MASK].

    Returns:
        input -> a batch of one.
    """
    tokenizer = BertTokenizer(vocabulary)
    first, second = _SENTENCES
    words = first.split()
    known = tokenizer.tokenize([" ".join(_SENTENCES)])[0].numpy()
    if np.mean(known == vocabulary.unk_id) > _MAX_UNKNOWN:
        found = whole_words(vocabulary)
        words = [found[i % len(found)] for i in range(6)]
        first, second = " ".join(words), " ".join(words[::-1])
    if masked:
        first = " ".join([words[0], "[MASK]", *words[2:]])
    pieces = tokenizer.tokenize([first], literal_mask=masked)[0].numpy().tolist()
    pieces = pieces[: max_seq_length - 2]
    ids = [vocabulary.cls_id, *pieces, vocabulary.sep_id]
    samples: dict[str, Any] = {
        "text": first,
        "text_pair": second,
        "question": second.rstrip(".") + "?",
        "context": f"{first} {second}",
        "choices": [first, second],
        "sentences": [first, second],
        "input_ids": ids,
        "input_mask": [1] * len(ids),
        "segment_ids": [0] * len(ids),
        # What is short may have cut it off.
        "masked_lm_positions": [
            ids.index(vocabulary.mask_id) if vocabulary.mask_id in ids else 0
        ],
        "cls_positions": [0],
        # Of a vocabulary that may be another: an id that every one has.
        "decoder_input_ids": [0],
        **_SEARCH,
    }
    return {name: [samples[name]] for name in names}


def of_size(
    names: Iterable[str],
    vocabulary: Vocabulary,
    batch: int,
    length: int,
    masked: bool,
) -> dict[str, Any]:
    """Returns a request of a size.

    Args:
        names: of a signature's inputs.
        vocabulary: the model's.
        batch: rows.
        length: tokens of each, with [CLS] and [SEP]; less is as good as this where a
            row is a pair.
        masked: whether each text holds a [MASK].
    """
    word = whole_words(vocabulary)[0]
    word_id = vocabulary.entries.index(word)

    def words(count: int) -> str:
        return " ".join([word] * max(1, count))

    half = (length - 3) // 2
    ids = [vocabulary.cls_id, *[word_id] * (length - 2), vocabulary.sep_id]
    samples: dict[str, Any] = {
        "text": f"[MASK] {words(length - 3)}" if masked else words(length - 2),
        "question": words(4),
        "context": words(length - 7),
        "choices": [words(half)] * 2,
        "sentences": [words(length // 2 - 2)] * 2,
        "input_ids": ids,
        "input_mask": [1] * length,
        "segment_ids": [0] * length,
        "masked_lm_positions": [1],
        "cls_positions": [0],
        "decoder_input_ids": [0],
        **_SEARCH,
    }
    names = list(names)
    if "text_pair" in names or "choices" in names:
        samples["text"] = samples["text_pair"] = words(half)
    return {name: [samples[name]] * batch for name in names}


def fit(
    request: Mapping[str, Any], shapes: Mapping[str, Sequence[int | None]]
) -> dict[str, Any]:
    """Makes a request of the size that a signature of static shapes takes.

    Args:
        request: input -> rows.
        shapes: input -> its shape, None where any size will do.

    Returns:
        As many rows, the first ones repeated, filled up with 0.
    """
    fitted = dict(request)
    for name, rows in request.items():
        batch, *sizes = shapes[name]
        if batch is not None:
            rows = [rows[i % len(rows)] for i in range(batch)]
        if sizes and sizes[0] is not None:
            rows = [row + [0] * (sizes[0] - len(row)) for row in rows]
        fitted[name] = rows
    return fitted


def whole_words(vocabulary: Vocabulary) -> list[str]:
    """Returns entries that stand for a word, each of which is one token.

    Where a vocabulary has none, the unknown token: whatever it is, it is one.
    """
    words = [
        entry
        for entry in vocabulary.entries
        if entry.isalpha() and entry == entry.lower() and len(entry) > 1
    ]
    return words or [vocabulary.entries[vocabulary.unk_id]]


def serialized(ids: Mapping[str, Any]) -> list[bytes]:
    """Returns rows of ids as `tf.train.Example`s, for `serve_examples`."""
    import tensorflow as tf

    rows: list[bytes] = []
    for row in zip(*ids.values(), strict=True):
        lists = {
            name: tf.train.Feature(int64_list=tf.train.Int64List(value=values))
            for name, values in zip(ids, row, strict=True)
        }
        example = tf.train.Example(features=tf.train.Features(feature=lists))
        rows.append(example.SerializeToString(deterministic=True))
    return rows


def for_signatures(
    inputs: Mapping[str, Iterable[str]],
    make: Callable[[Iterable[str]], dict[str, Any]],
) -> dict[str, dict[str, Any]]:
    """Returns a request to each signature.

    Args:
        inputs: signature -> names of its inputs.
        make: makes a request of the names of its inputs.
    """
    return {
        signature: (
            {"examples": serialized(make(inputs["serve_ids"]))}
            if signature == "serve_examples"
            else make(names)
        )
        for signature, names in inputs.items()
    }
