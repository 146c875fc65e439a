"""Records whose checksum is wrong: what is counted, and what stops a run when."""

import dataclasses
import json
import random
import shutil

import numpy as np
import pytest

from bert_tf.data.dataset_info import DatasetInfo
from bert_tf.data.example_stream import ExampleStream
from bert_tf.storage.tfrecord import HEADER_SIZE, read_records

RECORDS, DAMAGED, STEPS = 60, 17, 12


def damage(path, numbers):
    """Flips a bit in each of some records of a file."""
    content, offset = bytearray(path.read_bytes()), 0
    for number, record in enumerate(read_records(path)):
        if number in numbers:
            content[offset + HEADER_SIZE + 3] ^= 0xFF
        offset += HEADER_SIZE + len(record) + 4
    path.write_bytes(content)


@pytest.fixture(scope="module")
def train_dir(toy, dataset_writer):
    """A data set, a few of its records damaged, with a list of which these are."""
    folder = dataset_writer(
        toy.folder / "some-damaged", num_records=RECORDS, num_shards=1
    )
    (path,) = DatasetInfo.load(folder).shard_paths(folder)
    intact = list(read_records(path))
    numbers = set(random.Random(7).sample(range(RECORDS), DAMAGED))
    # Which position of the shuffled stream is which record, before any damage.
    config = toy.config()
    stream = ExampleStream([(path, RECORDS)], seed=config.seed)
    positions = range(STEPS * config.data.global_batch_size)
    order = [intact.index(record) for record in stream.read(positions)]
    (folder / "expected.json").write_text(
        json.dumps(np.cumsum([number in numbers for number in order]).tolist())
    )
    damage(path, numbers)
    return folder


def settings(toy, train_dir, **overrides):
    data = dataclasses.replace(
        toy.config().data, train_dir=str(train_dir), skip_damaged_records=True
    )
    return toy.config(
        **{"data": data, "num_train_steps": STEPS, "checkpoint_interval": 5}
        | {"eval_interval": 0}
        | overrides
    )


def counts(lines):
    return [line.get("damaged_records", 0) for line in lines.values()]


def expected(train_dir, batch):
    """How many damaged examples the first, second, ... step has met."""
    met = json.loads((train_dir / "expected.json").read_text())
    return met[batch - 1 :: batch]


@pytest.mark.parametrize("steps_per_call", [1, 4, 12])
def test_what_a_run_consumed_is_counted_not_what_was_read_ahead(
    toy, losses, train_dir, steps_per_call
):
    config = settings(toy, train_dir, steps_per_call=steps_per_call, log_interval=1)
    found = counts(losses(toy.train(f"counted-{steps_per_call}", config)))
    assert found == expected(train_dir, config.data.global_batch_size)
    assert found[-1] > DAMAGED  # More than an epoch.


def test_a_resume_counts_none_twice(toy, losses, train_dir):
    config = settings(toy, train_dir)
    workdir = toy.train("counted-resumed", config)
    before = losses(workdir)
    shutil.rmtree(workdir / "checkpoints" / "step-00000012")
    toy.train("counted-resumed", config)
    assert losses(workdir) == before
    assert counts(before) == expected(train_dir, config.data.global_batch_size)


def test_the_replicas_counts_are_added_up(toy, losses, train_dir):
    """Two processes, each of which reads its share."""
    config = settings(toy, train_dir, strategy="multi_worker")
    launcher = ["-m", "bert_tf.launch_workers", "--num_workers=2"]
    process = toy.start([*launcher, *toy.command("counted-workers", config)])
    output = process.communicate(timeout=200)[0]
    assert process.returncode == 0, output
    found = counts(losses(toy.folder / "counted-workers"))
    assert found == expected(train_dir, config.data.global_batch_size)
