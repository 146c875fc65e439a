"""A data set of pretraining examples."""

import json
import random
from pathlib import Path

import numpy as np
from mutators import Mutation

from bert_tf.data.dataset import Dataset
from bert_tf.data.dataset_info import DataParameters, DatasetInfo, Shard
from bert_tf.storage.example_codec import encode_examples
from bert_tf.storage.tfrecord import RecordWriter, read_records
from readers.reader import Parts, Reader
from readers.vocabulary import VOCABULARY

S, P = 8, 2
SHARD_SIZES = (6, 5)  # Files of one size could be swapped unseen.


def write_dataset(folder: Path) -> None:
    rng, shards = np.random.default_rng(1), []
    VOCABULARY.save(folder)
    for number, n in enumerate(SHARD_SIZES):
        name = f"a.tfrecord-{number:05}-of-{len(SHARD_SIZES):05}"
        examples = {
            "input_ids": rng.integers(5, len(VOCABULARY), [n, S]),
            "input_mask": np.ones([n, S], int),
            "segment_ids": np.zeros([n, S], int),
            "masked_lm_positions": rng.integers(1, S, [n, P]),
            "masked_lm_ids": rng.integers(5, len(VOCABULARY), [n, P]),
            "masked_lm_weights": np.ones([n, P], np.float32),
            "next_sentence_labels": rng.integers(0, 2, [n, 1]),
        }
        with RecordWriter(folder / name) as writer:
            writer.write(encode_examples(examples))
        shards.append(Shard(name, n, writer.num_bytes, writer.sha256))
    DatasetInfo(
        parameters=DataParameters(max_seq_length=S, max_predictions_per_seq=P),
        vocab_size=len(VOCABULARY),
        vocab_hash=VOCABULARY.hash,
        shards=shards,
        statistics={"num_examples": sum(SHARD_SIZES), "fill_rate": 1.0},
    ).save(folder)


def read_dataset(folder: Path) -> Parts:
    """Reads as training does."""
    from bert_tf.data.input_pipeline import pretraining_reader

    dataset = Dataset.open(folder)
    dataset.check_matches(
        max_seq_length=S, max_predictions_per_seq=P, vocabulary=VOCABULARY
    )
    stream = dataset.examples(seed=None)
    reader = pretraining_reader(dataset, stream, replica_batch_size=stream.num_records)
    batch = reader.read(0, 1)
    return {
        "examples": {name: values.tolist() for name, values in batch.items()},
        "vocabulary": dataset.vocabulary.entries,
    }


def damage_a_record(folder: Path, rng: random.Random) -> Mutation:
    """Changes what a record says, and renews every checksum over it."""
    path = rng.choice(sorted(folder.glob("*.tfrecord-*")))
    records = [bytearray(record) for record in read_records(path)]
    record = rng.choice(records)
    for _ in range(rng.choice([1, 3, 10])):
        record[rng.randrange(len(record))] = rng.randrange(256)
    if rng.random() < 0.3:
        del record[rng.randrange(len(record)) :]
    path.unlink()
    with RecordWriter(path) as writer:
        writer.write(map(bytes, records))
    info_path = folder / "dataset_info.json"
    info = json.loads(info_path.read_text())
    for shard in info["shards"]:
        if shard["name"] == path.name:
            shard |= {"num_bytes": writer.num_bytes, "sha256": writer.sha256}
    info_path.write_text(json.dumps(info))
    return Mutation("changed inside", (path.name,))


READERS = [
    Reader("records", write_dataset, read_dataset, num_cases=60),
    Reader(
        "records with new checksums",
        write_dataset,
        read_dataset,
        damage=damage_a_record,
        free_parts={".": ("examples",)},
        num_cases=60,
    ),
]
