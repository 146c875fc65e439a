import dataclasses
import itertools
import time

import numpy as np
import pytest

from bert_tf.data.dataset import Dataset
from bert_tf.data.input_pipeline import (
    BatchReader,
    Prefetcher,
    pretraining_reader,
)
from bert_tf.data.schema import unmasked_features
from bert_tf.errors import InputError
from bert_tf.storage.example_codec import decode_example


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, dataset_writer):
    folder = tmp_path_factory.mktemp("data") / "toy"
    return Dataset.open(dataset_writer(folder, num_records=60))


def reader(stream, dataset, **topology):
    return BatchReader(stream, dataset.features, **topology)


def test_batches_hold_the_streams_examples(dataset):
    stream = dataset.examples(seed=5)
    batches = reader(stream, dataset, replica_batch_size=4).read(8, 3)
    expected = [
        decode_example(r, dataset.features) for r in stream.read(range(8, 8 + 12))
    ]
    assert set(batches) == set(dataset.features)
    for name, values in batches.items():
        assert values.dtype in (np.int32, np.float32)
        assert values.shape[:3] == (1, 3, 4)
        flat = values.reshape(12, *values.shape[3:])
        np.testing.assert_array_equal(flat, [e[name] for e in expected])


def test_replicas_share_the_global_batch(dataset):
    stream = dataset.examples(seed=5)
    one = reader(stream, dataset, replica_batch_size=8).read(16, 2)
    parts = [
        reader(
            stream, dataset, num_replicas=4, local_replicas=local, replica_batch_size=2
        ).read(16, 2)
        for local in (range(0, 2), range(2, 4))
    ]
    for name, whole in one.items():
        joined = np.concatenate([part[name] for part in parts])  # [4, 2, 2, ...]
        joined = np.swapaxes(joined, 0, 1).reshape(whole.shape)
        np.testing.assert_array_equal(joined, whole)


def test_dynamic_masks_differ_by_epoch_and_repeat_after_a_restart(dataset):
    # The toy's records have masks; masking them again is all that matters here.
    parameters = dataclasses.replace(dataset.parameters, dynamic_masking=True)
    info = dataclasses.replace(dataset.info, parameters=parameters)
    dynamic = dataclasses.replace(dataset, info=info)

    def batch(position):
        stream = dataset.examples(seed=None)
        reader = pretraining_reader(dynamic, stream, replica_batch_size=30)
        return reader.read(position, 1)

    first, again, next_epoch = batch(0), batch(0), batch(60)
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    np.testing.assert_array_equal(first["segment_ids"], next_epoch["segment_ids"])
    assert (first["masked_lm_positions"] != next_epoch["masked_lm_positions"]).any()
    assert first["masked_lm_weights"].sum() > 0
    assert first["masked_lm_positions"].dtype == np.int32


def test_a_value_that_no_embedding_has_is_named_with_its_record(dataset):
    stream = dataset.examples(seed=5)
    rows = [decode_example(r, dataset.features) for r in stream.read(range(8))]
    largest = [int(row["input_ids"].max()) for row in rows]
    info = dataclasses.replace(dataset.info, vocab_size=max(largest))
    smaller = dataclasses.replace(dataset, info=info)
    batches = pretraining_reader(smaller, stream, replica_batch_size=8)
    wrong = largest.index(max(largest))
    expected = f"from 0 to {max(largest) - 1}. Received: {max(largest)}. Write the"
    with pytest.raises(InputError, match=f"`input_ids` must .*{expected}") as error:
        batches.read(0, 1)
    assert str(error.value).startswith(f"{stream.place(wrong)}: ")


def test_an_example_of_another_schema_is_named_with_its_record(dataset):
    stream = dataset.examples(seed=5)
    longer = BatchReader(stream, unmasked_features(17), replica_batch_size=4)
    with pytest.raises(InputError, match="Write the data set again") as error:
        longer.read(8, 1)
    assert str(error.value).startswith(f"{stream.place(8)}: Feature `input_ids` ")


def test_prefetching_keeps_order_and_measures_waiting(monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    with Prefetcher(str, range(5)) as items:
        assert list(items) == ["0", "1", "2", "3", "4"]
        assert items.seconds_waited == 6  # A tick each, and one for the end.


def test_prefetching_passes_errors_on_after_what_came_before():
    def fails_at_two(number):
        if number == 2:
            raise ValueError("two")
        return number

    seen = []
    with (
        Prefetcher(fails_at_two, range(5)) as items,
        pytest.raises(ValueError, match="two"),
    ):
        for item in items:
            seen.append(item)
    assert seen == [0, 1]


def test_closing_stops_a_thread_that_waits():
    prefetcher = Prefetcher(lambda number: number, range(10**9))
    prefetcher.close()
