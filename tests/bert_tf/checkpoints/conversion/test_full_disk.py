"""A disk that fills up while a model is written costs one line, whatever the format.

The largest size of a file stands in for the disk's: the write fails half-way.
"""

import contextlib
import errno
import resource

import pytest

from bert_tf.checkpoints import conversion

pytestmark = pytest.mark.filterwarnings(
    # Keras 3.15 reads TensorFlow variables the way that NumPy 2 deprecates.
    "ignore:__array__ implementation:DeprecationWarning"
)


@contextlib.contextmanager
def largest_file(num_bytes):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("format", list(conversion.WRITERS))
def test_a_full_disk_is_told_with_the_path(make_weights, tmp_path, format):
    weights = make_weights()
    target = tmp_path / "model"
    with largest_file(4000), pytest.raises(OSError) as raised:
        conversion.save(weights, target, format)
    assert raised.value.errno == errno.EFBIG
    assert raised.value.filename.startswith(str(target))
    assert ".tmp-" not in raised.value.filename
    assert not list(tmp_path.iterdir())
