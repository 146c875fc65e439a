"""What exported files take: bytes, milliseconds, memory."""

import json

import pytest
from toy_checkpoint import S

from bert_tf.errors import InputError
from export.check import measurement

pytestmark = pytest.mark.slow


def check(found, path, lengths, threads):
    pairs = [(each.length, each.num_threads) for each in found.timings]
    assert pairs == [(length, number) for length in lengths for number in threads]
    assert found.path == str(path)
    for each in found.timings:
        assert 0 < each.best_ms <= each.median_ms
        assert each.best_ms < each.first_ms
        assert 0 < each.memory_mb < 4000
        assert found.timing(each.length, each.num_threads) is each


def test_tflite_files(tflite_files):
    path = tflite_files["dynamic_int8"]
    found = measurement.measure_tflite(path, threads=(1, 2), calls=12)
    check(found, path, [S], [1, 2])
    assert found.num_bytes == path.stat().st_size
    given = measurement.measure_tflite(path, [S], [2], calls=1)
    check(given, path, [S], [2])
    with pytest.raises(InputError, match="16 tokens. Received: 64"):
        measurement.measure_tflite(path, [64])
    path.with_name("no.tflite").write_bytes(b"TFL3")
    with pytest.raises(InputError, match="not a TFLite file"):
        measurement.measure_tflite(path.with_name("no.tflite"))


def test_saved_models(saved_model_dir, tmp_path):
    found = measurement.measure_saved_model(saved_model_dir, [S // 2, S], [2], calls=2)
    check(found, saved_model_dir, [S // 2, S], [2])
    files = [path for path in saved_model_dir.rglob("*") if path.is_file()]
    assert found.num_bytes == sum(path.stat().st_size for path in files)
    with pytest.raises(InputError, match="serve_ids with 17 tokens"):
        measurement.measure_saved_model(saved_model_dir, [S + 1], [2], calls=1)
    with pytest.raises(InputError, match="no SavedModel here"):
        measurement.measure_saved_model(tmp_path, [S])


def test_files_take_turns(tflite_files, saved_model_dir, tmp_path, run_job):
    paths = [tflite_files["none"], tflite_files["dynamic_int8"], saved_model_dir]
    done = run_job(
        "measure_export",
        tflite_file=paths[:2],
        saved_model_dir=paths[2],
        max_seq_length=S,
        num_threads=1,
        rounds=2,
        calls=2,
        output_file=tmp_path / "latency.json",
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "latency.json").read_text())
    assert (found["length"], found["num_threads"], found["calls"]) == (S, 1, 4)
    assert [each["path"] for each in found["files"]] == [str(path) for path in paths]
    for each in found["files"]:
        assert each["num_bytes"] == measurement.num_bytes(each["path"])
        assert 0 < each["best_ms"] <= each["median_ms"]


def test_the_fastest_round_counts(monkeypatch):
    times = iter([5.0, 9.0, 3.0, 7.0, 4.0, 8.0])

    def measure(path, lengths, threads, *, calls):
        assert (lengths, threads, calls) == ([8], [2], 1)
        best = next(times)
        timing = measurement.Timing(8, 2, best, 2 * best, 100.0, 1.0)
        return measurement.Measurement(path, 10, (timing,))

    monkeypatch.setattr(measurement, "measure_tflite", measure)
    found = measurement.measure_in_turns(
        tflite_files=["a", "b"],
        saved_model_dirs=[],
        length=8,
        num_threads=2,
        rounds=3,
        calls=1,
    )
    assert [(each.path, each.timings[0].best_ms) for each in found] == [
        *(("a", 3.0), ("b", 7.0))
    ]


def test_what_to_measure_must_be_named(run_job, tmp_path, without_tensorflow):
    flags = {"max_seq_length": S, "output_file": tmp_path / "latency.json"}
    done = run_job("measure_export", env=without_tensorflow, **flags)
    assert done.returncode == 1
    assert "Name a --tflite_file, a --saved_model_dir, or several." in done.stderr
    done = run_job("measure_export", tflite_file="none.tflite", **flags)
    assert "none.tflite" in done.stderr and "Traceback" not in done.stderr
