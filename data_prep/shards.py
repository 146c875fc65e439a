"""Turns one shard of a tokenized corpus into one record file."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np

from bert_tf.data.dataset_info import DataParameters, Shard, check_sha256
from bert_tf.data.masking import MaskingVocabulary
from bert_tf.data.schema import check_batch
from bert_tf.storage import files
from bert_tf.storage.example_codec import encode_examples
from bert_tf.storage.json_files import from_dict, read_json, write_json
from bert_tf.storage.tfrecord import RecordWriter
from bert_tf.text.vocabulary import Vocabulary
from data_prep.documents import Documents
from data_prep.instances import make_instances
from data_prep.statistics import Counts, add_counts, count_batch, count_documents
from data_prep.tokenized_corpus import TokenizedCorpus


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """What a worker needs to write a record file.

    Attributes:
        corpus_dir: of the tokenized corpus; None if the documents come otherwise.
        corpus_shard: which of its shards.
        vocabulary_dir: holds the vocabulary.
        parameters: of the data set.
        path: the record file.
        receipt: the JSON file that says that the record file is done, and what is
            in it.
    """

    corpus_dir: Path | None
    corpus_shard: int
    vocabulary_dir: Path
    parameters: DataParameters
    path: Path
    receipt: Path


@dataclasses.dataclass(frozen=True)
class _Receipt:
    """A record file that is done: its description, and counts by name."""

    shard: Shard
    counts: dict[str, Any]


def min_documents(parameters: DataParameters) -> int:
    """Returns how many documents a shard must have."""
    # A random segment comes from another document of the shard.
    return 2 if parameters.objective == "next_sentence" else 1


def write_shard(task: ShardTask) -> ShardTask:
    """Writes a shard of a tokenized corpus. Returns the task.

    Raises:
        InputError: the tokenized corpus is damaged.
        OSError: a file cannot be written.
    """
    assert task.corpus_dir is not None
    documents = TokenizedCorpus(task.corpus_dir).read_shard(task.corpus_shard)
    write_documents(task, documents)
    return task


def write_documents(task: ShardTask, documents: Documents) -> None:
    """Writes documents as a record file, then the file's receipt.

    Raises:
        OSError: a file cannot be written.
    """
    vocabulary = _masking_vocabulary(task.vocabulary_dir)
    features = task.parameters.features()
    counts: Counts = {}
    with files.atomic_path(task.path) as temporary:
        with RecordWriter(temporary) as writer:
            for batch in make_instances(
                documents, vocabulary, task.parameters, task.corpus_shard
            ):
                check_batch(batch, features)
                writer.write(encode_examples(batch))
                counts = add_counts(counts, count_batch(batch, vocabulary))
    shard = Shard(task.path.name, writer.num_records, writer.num_bytes, writer.sha256)
    counts |= count_documents(documents)
    receipt = _Receipt(shard, {name: v.tolist() for name, v in counts.items()})
    write_json(task.receipt, dataclasses.asdict(receipt))


def read_receipt(task: ShardTask) -> tuple[Shard, Counts]:
    """Returns what a finished shard's receipt says."""
    receipt = from_dict(_Receipt, read_json(task.receipt), str(task.receipt))
    counts = {name: np.array(value) for name, value in receipt.counts.items()}
    return receipt.shard, counts


def is_done(task: ShardTask) -> bool:
    """Whether an earlier run wrote the shard.

    Raises:
        InputError: it did, but the file is damaged.
    """
    if not task.receipt.is_file() or not task.path.is_file():
        return False
    check_sha256(task.path, read_receipt(task)[0].sha256)
    return True


@functools.lru_cache(maxsize=1)
def _masking_vocabulary(directory: Path) -> MaskingVocabulary:
    return MaskingVocabulary.of(Vocabulary.load(directory))
