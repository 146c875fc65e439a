"""What an application has to know of a TFLite file: a JSON file beside it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from bert_tf.tasks.catalog import LABELLED_TASKS
from bert_tf.text.tokenization import MAX_BYTES_PER_WORD
from export.check.litert import TEXT_SIGNATURE
from export.checkpoint.pretrained import TrainedModel

SUFFIX = ".json"
"""What the file's name ends in, behind the TFLite file's."""


def describe(
    trained: TrainedModel, texts: Sequence[str] = (), operations: Sequence[str] = ()
) -> dict[str, Any]:
    """Returns task, labels, settings, tokenizer and vocabulary, to be written as JSON.

    Args:
        trained: what the TFLite file was made of.
        texts: names of the texts that the file takes; none if it takes ids only.
        operations: those that it needs registered for that.
    """
    description, vocabulary = trained.task.description, trained.folder.vocabulary
    settings: dict[str, Any] = {}
    if description.name in LABELLED_TASKS:
        settings = dataclasses.asdict(LABELLED_TASKS[description.name].settings_type())
    signature = {
        "name": TEXT_SIGNATURE,
        "inputs": list(texts),
        "custom_operations": list(operations),
    }
    return {
        "task": description.name,
        "labels": list(description.labels),
        "settings": {**settings, **description.settings},
        "max_seq_length": trained.max_seq_length,
        "tokenizer": {
            "do_lower_case": vocabulary.config.do_lower_case,
            "strip_accents": vocabulary.config.strips_accents,
            "max_bytes_per_word": MAX_BYTES_PER_WORD,
        },
        "vocabulary": list(vocabulary.entries),
        **({"text_signature": signature} if texts else {}),
    }
