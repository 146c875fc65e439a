"""Records whose checksum is wrong: what is counted, and what stops a run when."""

import dataclasses
import json
import random
import shutil

import numpy as np
import pytest

from bert_tf.checkpoints.workdir import newest_checkpoint
from bert_tf.data.dataset import Dataset
from bert_tf.data.dataset_info import DatasetInfo
from bert_tf.data.example_stream import ExampleStream
from bert_tf.errors import InputError
from bert_tf.storage.tfrecord import HEADER_SIZE, read_records
from bert_tf.training.config import PhaseConfig
from bert_tf.training.preparation import prepare

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
    (path,) = Dataset.open(folder).record_paths
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
    toy.run_workers("counted-workers", config)
    found = counts(losses(toy.folder / "counted-workers"))
    assert found == expected(train_dir, config.data.global_batch_size)


@pytest.fixture
def held_out(toy, dataset_writer, tmp_path):
    """Held-out records, one of them damaged far from the first."""
    folder = dataset_writer(tmp_path / "held-out", num_records=40, num_shards=2, seed=1)
    path = Dataset.open(folder).record_paths[1]
    damage(path, {11})
    return folder, path


@pytest.mark.parametrize("phase", [1, 2])
def test_a_damaged_held_out_record_shows_before_anything_is_done(
    toy, held_out, tmp_path, phase
):
    folder, path = held_out
    data = dataclasses.replace(toy.config().data, skip_damaged_records=True)
    damaged = dataclasses.replace(data, eval_dir=str(folder))
    config = toy.config(data=damaged if phase == 1 else data)
    if phase == 2:
        config.phase_2 = PhaseConfig(damaged, num_train_steps=2)
    with pytest.raises(InputError) as error:
        prepare(config.validate(), tmp_path / "workdir")
    assert f"{path}: damaged" in str(error.value)
    assert "write the data set again" in str(error.value)
    assert "skip_damaged_records" not in str(error.value)
    assert not (tmp_path / "workdir").exists()


def test_held_out_damage_that_comes_later_has_its_own_advice(held_out):
    folder, path = held_out
    info = DatasetInfo.load(folder)
    stream = ExampleStream([(path, info.shards[1].num_records)], seed=None)
    with pytest.raises(InputError) as error:
        stream.read(range(20))
    assert str(error.value).endswith(
        "does not match its checksum. Restore the file, or write the data set again."
    )


def test_a_missing_file_of_a_later_phase_shows_at_once(toy, dataset_writer, tmp_path):
    folder = dataset_writer(tmp_path / "second", num_records=20)
    path = Dataset.open(folder).record_paths[2]
    path.unlink()
    second = dataclasses.replace(toy.config().data, train_dir=str(folder))
    config = toy.config(phase_2=PhaseConfig(second, num_train_steps=2)).validate()
    with pytest.raises(InputError, match=f"{path}: expected .* Received: no file"):
        prepare(config, tmp_path / "workdir")


def test_a_run_that_damage_stopped_goes_on_as_the_message_says(
    toy, losses, dataset_writer
):
    folder = dataset_writer(toy.folder / "damaged-later", num_records=64, num_shards=1)
    (path,) = Dataset.open(folder).record_paths
    stream = ExampleStream([(path, 64)], seed=toy.config().seed)
    (late,) = stream.read([63])  # The last of the first epoch, in the fourth step.
    damage(path, {list(read_records(path)).index(late)})
    data = dataclasses.replace(toy.config().data, train_dir=str(folder))
    config = toy.config(
        data=data, num_train_steps=6, steps_per_call=1, checkpoint_interval=2
    )
    with pytest.raises(InputError, match="`data.skip_damaged_records` goes on"):
        toy.train("damaged-later-run", config)
    assert newest_checkpoint(toy.folder / "damaged-later-run").step == 2

    skipping = dataclasses.replace(data, skip_damaged_records=True)
    workdir = toy.train("damaged-later-run", dataclasses.replace(config, data=skipping))
    assert counts(losses(workdir)) == [0, 0, 0, 1, 1, 1]
