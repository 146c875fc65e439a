import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_tf.data.schema import pretraining_features
from bert_tf.storage.example_codec import decode_example, encode_examples

FEATURES = pretraining_features(max_seq_length=8, max_predictions_per_seq=2)

# Both sides of every varint length up to int64's.
EDGES = [0, 1] + [2 ** (7 * k) + d for k in range(1, 9) for d in (-1, 0)] + [2**63 - 1]


def make_batch(size=3):
    rng = np.random.default_rng(0)
    return {
        name: rng.integers(0, 30000, (size, *feature.shape))
        if feature.dtype == "int64"
        else rng.random((size, *feature.shape), np.float32)
        for name, feature in FEATURES.items()
    }


def tf_example(values):
    features = {}
    for name, array in values.items():
        if array.dtype.kind == "f":
            kind = {"float_list": tf.train.FloatList(value=array)}
        else:
            kind = {"int64_list": tf.train.Int64List(value=array)}
        features[name] = tf.train.Feature(**kind)
    return tf.train.Example(features=tf.train.Features(feature=features))


def test_tensorflow_parses_what_is_encoded():
    batch = make_batch()
    parsed = tf.io.parse_example(
        encode_examples(batch),
        {
            name: tf.io.FixedLenFeature(feature.shape, feature.dtype)
            for name, feature in FEATURES.items()
        },
    )
    for name, values in batch.items():
        np.testing.assert_array_equal(parsed[name], values)


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(EDGES), min_size=4, max_size=4), min_size=1, max_size=5
    ),
    st.sampled_from([np.int64, np.uint64]),
)
def test_any_number_is_encoded_as_protobuf_does(rows, dtype):
    encoded = encode_examples({"x": np.array(rows, dtype)})
    for row, message in zip(rows, encoded, strict=True):
        expected = tf_example({"x": np.array(row)}).SerializeToString()
        assert message == expected


def test_integers_of_any_width_encode_alike():
    values = np.array([[0, 1, 127], [128, 300, 30000]])
    expected = encode_examples({"x": values})
    for dtype in (np.int16, np.uint16, np.int32, np.uint32):
        assert encode_examples({"x": values.astype(dtype)}) == expected


def test_encoding_refuses_negative_numbers():
    batch = make_batch()
    with pytest.raises(ValueError, match="`input_ids` must not be negative"):
        encode_examples(batch | {"input_ids": -batch["input_ids"]})


def test_decodes_what_tensorflow_wrote():
    batch = make_batch(size=2)
    for row in range(2):
        values = {name: array[row] for name, array in batch.items()}
        message = tf_example({**values, "unknown": np.array([7])}).SerializeToString()
        decoded = decode_example(message, FEATURES)
        assert list(decoded) == list(FEATURES)
        for name, array in values.items():
            np.testing.assert_array_equal(decoded[name], array)
            assert decoded[name].dtype == FEATURES[name].dtype


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input_ids": np.ones(9, int)}, "`input_ids` must hold 8 values of int64"),
        ({"input_ids": np.ones(8)}, "`input_ids` must hold .* of float32"),
        ({"segment_ids": None}, "`segment_ids` is missing"),
    ],
)
def test_decoding_names_the_field_that_does_not_fit(change, message):
    values = {name: array[0] for name, array in make_batch().items()} | change
    values = {name: array for name, array in values.items() if array is not None}
    with pytest.raises(ValueError, match=message):
        decode_example(tf_example(values).SerializeToString(), FEATURES)


def test_decoding_refuses_damaged_messages():
    message = encode_examples(make_batch())[0]
    for damaged in (message[:-1], message[:20], b"\x07" + message, b"\xff" * 30):
        with pytest.raises(ValueError, match="Not a tf.train.Example"):
            decode_example(damaged, FEATURES)
