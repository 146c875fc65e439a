import dataclasses
import itertools
import time

import numpy as np
import pytest

from bert_tf.data.dataset_info import DatasetInfo
from bert_tf.data.input_pipeline import (
    BatchReader,
    Prefetcher,
    open_examples,
    pretraining_reader,
)
from bert_tf.storage.example_codec import decode_example


@pytest.fixture(scope="module")
def folder(tmp_path_factory, dataset_writer):
    return dataset_writer(tmp_path_factory.mktemp("data") / "toy", num_records=60)


@pytest.fixture(scope="module")
def info(folder):
    return DatasetInfo.load(folder)


def reader(stream, info, **topology):
    return BatchReader(stream, info.features, **topology)


def test_batches_hold_the_streams_examples(folder, info):
    stream = open_examples(folder, info, seed=5)
    batches = reader(stream, info, replica_batch_size=4).read(8, 3)
    expected = [decode_example(r, info.features) for r in stream.read(range(8, 8 + 12))]
    assert set(batches) == set(info.features)
    for name, values in batches.items():
        assert values.dtype in (np.int32, np.float32)
        assert values.shape[:3] == (1, 3, 4)
        flat = values.reshape(12, *values.shape[3:])
        np.testing.assert_array_equal(flat, [e[name] for e in expected])


def test_replicas_share_the_global_batch(folder, info):
    stream = open_examples(folder, info, seed=5)
    one = reader(stream, info, replica_batch_size=8).read(16, 2)
    parts = [
        reader(
            stream, info, num_replicas=4, local_replicas=local, replica_batch_size=2
        ).read(16, 2)
        for local in (range(0, 2), range(2, 4))
    ]
    for name, whole in one.items():
        joined = np.concatenate([part[name] for part in parts])  # [4, 2, 2, ...]
        joined = np.swapaxes(joined, 0, 1).reshape(whole.shape)
        np.testing.assert_array_equal(joined, whole)


def test_an_example_of_another_schema_is_refused(folder, info):
    parameters = dataclasses.replace(info.parameters, max_seq_length=17)
    other = dataclasses.replace(info, parameters=parameters)
    with pytest.raises(ValueError, match="Feature `input_ids` must hold 17 values"):
        open_examples(folder, other, seed=5)


def test_an_empty_data_set_is_refused(folder, info):
    empty = dataclasses.replace(info, shards=[])
    with pytest.raises(ValueError, match="holds no examples"):
        open_examples(folder, empty, seed=5)


def test_dynamic_masks_differ_by_epoch_and_repeat_after_a_restart(folder, info):
    # The toy's records have masks; masking them again is all that matters here.
    parameters = dataclasses.replace(info.parameters, dynamic_masking=True)
    dynamic = dataclasses.replace(info, parameters=parameters)

    def batch(position):
        stream = open_examples(folder, dynamic, seed=None)
        return pretraining_reader(
            folder,
            stream,
            dynamic,
            replica_batch_size=30,
        ).read(position, 1)

    first, again, next_epoch = batch(0), batch(0), batch(60)
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    np.testing.assert_array_equal(first["segment_ids"], next_epoch["segment_ids"])
    assert (first["masked_lm_positions"] != next_epoch["masked_lm_positions"]).any()
    assert first["masked_lm_weights"].sum() > 0
    assert first["masked_lm_positions"].dtype == np.int32


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
