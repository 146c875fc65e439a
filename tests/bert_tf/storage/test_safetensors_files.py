import numpy as np
import pytest
from safetensors.numpy import load_file

from bert_tf.storage.safetensors_files import TensorFile, write_tensors

ARRAYS = {
    "matrix": np.arange(6, dtype=np.float32).reshape(2, 3),
    "scalar": np.int64(7).reshape(()),
}


def test_arrays_come_back_one_at_a_time(tmp_path):
    path = tmp_path / "a.safetensors"
    write_tensors(path, ARRAYS)

    arrays = TensorFile(path)

    assert dict(arrays).keys() == ARRAYS.keys() and len(arrays) == 2
    for name, expected in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], expected)
        assert arrays.shape(name) == expected.shape == load_file(path)[name].shape
    with pytest.raises(KeyError, match="absent"):
        arrays["absent"]


def test_order_and_memory_layout_do_not_change_the_bytes(tmp_path):
    transposed = np.asarray(ARRAYS["matrix"], order="F")
    write_tensors(tmp_path / "a", ARRAYS)
    write_tensors(tmp_path / "b", dict(reversed(list(ARRAYS.items()))))
    write_tensors(tmp_path / "c", ARRAYS | {"matrix": transposed})

    expected = (tmp_path / "a").read_bytes()

    assert (tmp_path / "b").read_bytes() == expected
    assert (tmp_path / "c").read_bytes() == expected


@pytest.mark.parametrize("size", [0, 4, 100, -1])
def test_truncated_file_is_refused(tmp_path, size):
    path = tmp_path / "a.safetensors"
    write_tensors(path, ARRAYS)
    path.write_bytes(path.read_bytes()[:size])

    with pytest.raises(ValueError, match="a.safetensors: not a whole safetensors"):
        TensorFile(path)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent.safetensors"):
        TensorFile(tmp_path / "absent.safetensors")
