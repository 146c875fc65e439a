"""What exported files take: bytes, milliseconds, memory."""

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
