"""The SavedModel, run where only TensorFlow and TensorFlow Text are imported."""

import json
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text  # noqa: F401  (registers its operations)
from tensorflow.core.protobuf import saved_model_pb2
from toy_checkpoint import VOCABULARY, S, read_examples

from bert_tf.checkpoints import conversion
from bert_tf.errors import InputError
from export.check.backends import KerasBackend, SavedModelBackend
from export.saved_model import sample_requests, usage

MODEL_INPUTS = ("input_ids", "input_mask", "segment_ids", "masked_lm_positions")


@pytest.fixture(scope="module")
def served(saved_model_dir):
    with SavedModelBackend(saved_model_dir, num_threads=2) as backend:
        yield backend


def fill(served, texts):
    return served.call("serving_default", {"text": np.array(texts, object)})[0]


def test_ids_agree_with_keras(served, model, records_dir):
    examples = read_examples(records_dir)
    inputs = {name: examples[name] for name in MODEL_INPUTS}
    expected = KerasBackend(model).predict(inputs)
    found = served.predict(inputs)
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-4)


@pytest.mark.parametrize("batch_size", [1, 2, 7])
def test_ids_take_any_batch_length_and_number_of_positions(served, model, batch_size):
    rng = np.random.default_rng(batch_size)
    length, positions = 3 + batch_size, 1 + batch_size
    inputs = {
        "input_ids": rng.integers(5, len(VOCABULARY), [batch_size, length]),
        "input_mask": np.ones([batch_size, length]),
        "segment_ids": np.zeros([batch_size, length]),
        "masked_lm_positions": rng.integers(0, length, [batch_size, positions]),
    }
    inputs = {name: value.astype(np.int32) for name, value in inputs.items()}
    expected = KerasBackend(model).predict(inputs)["masked_lm_logits"]
    found = served.predict(inputs)["masked_lm_logits"]
    assert found.shape == (batch_size, positions, len(VOCABULARY))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.fixture(scope="module")
def ids(saved_model_dir):
    """The signature in this process."""
    return tf.saved_model.load(str(saved_model_dir)).signatures["serve_ids"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("input_ids", len(VOCABULARY), "input_ids must be at least 0 and less than"),
        ("input_ids", -1, "input_ids must be at least 0 and less than"),
        ("segment_ids", 7, "segment_ids must be at least 0 and less than. .2."),
        ("input_mask", 2, "input_mask must be at least 0 and less than. .2."),
        ("masked_lm_positions", 4, "masked_lm_positions must be at least 0 and less"),
    ],
)
def test_ids_outside_of_their_tables_are_refused(ids, name, value, message):
    inputs = {n: np.ones([2, 4], np.int32) for n in MODEL_INPUTS}
    ids(**{n: tf.constant(v) for n, v in inputs.items()})
    inputs[name][1, 2] = value
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        ids(**{n: tf.constant(v) for n, v in inputs.items()})


@pytest.mark.parametrize("name", ["input_mask", "segment_ids"])
@pytest.mark.parametrize("shape", [[1, 4], [3, 4], [2, 1]])
def test_inputs_of_another_shape_are_refused(ids, name, shape):
    inputs = {n: np.ones([2, 4], np.int32) for n in MODEL_INPUTS}
    inputs[name] = np.ones(shape, np.int32)
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{name} must have the"):
        ids(**{n: tf.constant(v) for n, v in inputs.items()})


def test_an_example_of_nothing_but_padding_is_refused(ids):
    inputs = {n: np.ones([2, 4], np.int32) for n in MODEL_INPUTS}
    inputs["input_mask"][1] = 0
    with pytest.raises(tf.errors.InvalidArgumentError, match="one is padding only"):
        ids(**{n: tf.constant(v) for n, v in inputs.items()})


def test_serialized_examples_are_answered_as_their_ids(saved_model_dir, ids, model):
    signatures = tf.saved_model.load(str(saved_model_dir)).signatures
    rows = [([2, 6, 4, 3], [1, 2]), ([2, 5, 4, 7, 6, 3], [2])]

    def serialized(input_ids, positions, **others):
        features = {
            "input_ids": input_ids,
            "input_mask": [1] * len(input_ids),
            "segment_ids": [0] * len(input_ids),
            "masked_lm_positions": positions,
            **others,
        }
        lists = {
            name: tf.train.Feature(int64_list=tf.train.Int64List(value=values))
            for name, values in features.items()
        }
        example = tf.train.Example(features=tf.train.Features(feature=lists))
        return example.SerializeToString()

    examples = signatures["serve_examples"]
    found = examples(examples=tf.constant([serialized(*row) for row in rows]))

    for index, (input_ids, positions) in enumerate(rows):
        alone = ids(
            input_ids=tf.constant([input_ids]),
            input_mask=tf.ones([1, len(input_ids)], tf.int32),
            segment_ids=tf.zeros([1, len(input_ids)], tf.int32),
            masked_lm_positions=tf.constant([positions]),
        )
        np.testing.assert_allclose(
            found["masked_lm_logits"][index, : len(positions)],
            alone["masked_lm_logits"][0],
            atol=1e-5,
        )
    for fault, message in (
        ({"segment_ids": []}, "segment_ids must be as long as input_ids"),
        ({"segment_ids": [2**32] * 4}, "segment_ids must be at least 0 and less"),
        ({"input_mask": [0] * 4}, "one is padding only"),
    ):
        damaged = serialized(*rows[0], **fault)
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            examples(examples=tf.constant([damaged]))


@pytest.mark.slow
def test_a_folder_that_does_not_load_shows_why(tmp_path, capfd):
    (tmp_path / "saved_model.pb").write_bytes(b"damaged")
    with SavedModelBackend(tmp_path, num_threads=1) as backend:
        with pytest.raises(InputError, match="could not be loaded or run.*status: 1"):
            backend.call("serve_ids", {})
    assert "Cannot parse file" in capfd.readouterr().err


def test_a_folder_whose_name_has_wildcards_is_run(saved_model_dir, tmp_path):
    folder = shutil.copytree(saved_model_dir, tmp_path / "v[1]*, a b" / "1")
    inputs = {n: np.ones([1, 4], np.int32) for n in MODEL_INPUTS}
    with SavedModelBackend(folder, num_threads=1) as backend:
        outputs = backend.predict(inputs)
    assert np.isfinite(outputs["masked_lm_logits"]).all()


def test_a_readme_calls_a_model_by_its_name_whatever_that_is(
    saved_model_dir, trained, tmp_path
):
    folder = shutil.copytree(saved_model_dir, tmp_path / "a [1] b's" / "1")
    lines = usage.describe(folder, trained, model_name="a [1] b's").splitlines()
    (docker,) = (line for line in lines if line.startswith("docker run"))
    name = "a [1] b's"
    assert shlex.split(docker)[6:10] == [
        "-v",
        f"$PWD/{name}:/models/{name}",
        "-e",
        f"MODEL_NAME={name}",
    ]
    assert "    localhost:8501/v1/models/a%20%5B1%5D%20b%27s:predict" in lines
    assert 'request.model_spec.name = "a [1] b\'s"' in lines


def test_a_length_without_room_for_a_mask_has_an_example_still(folder):
    names = ["text", "input_ids", "masked_lm_positions"]
    made = sample_requests.example(names, folder.vocabulary, 3, masked=True)
    assert len(made["input_ids"][0]) == 3 and made["masked_lm_positions"] == [[0]]


def test_fillings_are_the_keras_models_best(served, model, folder):
    text = "The [MASK] of the union is strong, we [MASK] work."
    words = "[CLS] the [MASK] of the union is strong , we [MASK] work . [SEP]".split()
    ids = np.array([[VOCABULARY.index(word) for word in words]], np.int32)
    assert folder.vocabulary.mask_id == ids[0, 2] == ids[0, 10]
    logits = model(
        {
            "input_ids": ids,
            "input_mask": np.ones_like(ids),
            "segment_ids": np.zeros_like(ids),
            "masked_lm_positions": np.array([[2, 10]], np.int32),
        }
    )["masked_lm_logits"].numpy()
    best = np.argsort(-logits, axis=-1)[..., :5]
    expected = np.array(VOCABULARY)[best].tolist()

    found = fill(served, [text])
    assert [[[t.decode() for t in m] for m in r] for r in found["tokens"]] == expected
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    probabilities = weights / weights.sum(-1, keepdims=True)
    np.testing.assert_allclose(
        found["probabilities"],
        np.take_along_axis(probabilities, best, -1),
        atol=1e-5,
    )


def test_fillings_do_not_depend_on_the_rest_of_the_batch(served):
    texts = ["the [MASK]", "we must work for [MASK] , [MASK] and peace .", "no mask"]
    together = fill(served, texts)
    assert together["tokens"].shape == (3, 2, 5)
    for row, (text, masks) in enumerate(zip(texts, [1, 2, 0], strict=True)):
        alone = fill(served, [text])
        assert alone["tokens"].shape == (1, masks, 5)
        np.testing.assert_array_equal(
            together["tokens"][row, :masks], alone["tokens"][0]
        )
        np.testing.assert_allclose(
            together["probabilities"][row, :masks],
            alone["probabilities"][0],
            atol=1e-5,
        )
        assert set(together["tokens"][row, masks:].flat) <= {b""}
        assert not together["probabilities"][row, masks:].any()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "漢字 \U0001f600 zzz",
        b"\xff\xfe bad",
        "the " * 10_000,
        "\x00",
        "[MASK]",
    ],
    ids=["empty", "blank", "unknown", "not UTF-8", "long", "NUL", "only a mask"],
)
def test_any_text_gets_an_answer(served, text):
    vectors, _ = served.call("embed", {"text": np.array([text, "the union"], object)})
    for values in vectors.values():
        assert values.shape == (2, 64)
        assert np.isfinite(values).all()
    assert np.isfinite(fill(served, [text])["probabilities"]).all()


def test_a_batch_of_no_texts(served):
    assert fill(served, [])["tokens"].shape == (0, 0, 5)
    vectors, _ = served.call("embed", {"text": np.array([], object)})
    assert vectors["pooled_output"].shape == (0, 64)


def test_what_lies_beyond_the_longest_sequence_is_cut(served):
    room = S - 2
    texts = ["the " * room, "the " * (room + 1), "the " * 400 + "[MASK]"]
    vectors, _ = served.call("embed", {"text": np.array(texts, object)})
    for values in vectors.values():
        np.testing.assert_allclose(values[1:], values[[0, 0]], atol=1e-5)
    assert fill(served, texts)["tokens"].shape == (3, 0, 5)


def test_mean_output_leaves_padding_out(served, model):
    words = ["[CLS]", "the", "union", "[SEP]"]
    ids = np.array([[VOCABULARY.index(word) for word in words]], np.int32)
    encoded = model.bert(
        {
            "input_ids": ids,
            "input_mask": np.ones_like(ids),
            "segment_ids": np.zeros_like(ids),
        }
    )
    texts = np.array(["the union", "we must work for peace"], object)
    vectors, _ = served.call("embed", {"text": texts})
    for name, expected in (
        ("mean_output", encoded["sequence_output"].numpy()[0].mean(0)),
        ("pooled_output", encoded["pooled_output"][0]),
    ):
        np.testing.assert_allclose(vectors[name][0], expected, atol=1e-5)


def test_loads_where_only_tensorflow_is_imported(saved_model_dir):
    code = f"""
import sys
import tensorflow as tf
import tensorflow_text
served = tf.saved_model.load({str(saved_model_dir)!r}).signatures["serving_default"]
print(served(text=tf.constant(["the [MASK]"]))["tokens"].shape)
assert not any(name.split(".")[0] in ("bert_tf", "export") for name in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, cwd="/"
    )
    assert done.stdout.strip() == "(1, 1, 5)", done.stderr


def test_holds_only_operations_that_servers_link(saved_model_dir):
    """No XLA, no Python, and of TensorFlow Text only the BERT tokenizer."""
    content = (saved_model_dir / "saved_model.pb").read_bytes()
    graph = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0].graph_def
    functions = graph.library.function
    assert not any(function.attr["_XlaMustCompile"].b for function in functions)
    operations = {node.op for function in functions for node in function.node_def}
    operations |= {node.op for node in graph.node}
    foreign = {
        name
        for name in operations
        if re.search("Text|Fast|Wordpiece|Xla|PyFunc|RoundRobin", name)
    }
    assert foreign == {"FastBertNormalize", "FastWordpieceTokenizeWithOffsets"}


def test_it_can_be_converted_back(saved_model_dir, folder):
    weights = conversion.load_any(saved_model_dir)

    assert weights.config == folder.config
    assert weights.vocabulary == folder.vocabulary
    assert weights.left_over == {} and weights.missing == {}
    for name, array in folder.variables.items():
        np.testing.assert_array_equal(weights.variables[name], array)


def test_settings_travel_along(saved_model_dir, checkpoint_dir):
    extra = saved_model_dir / "assets.extra"
    for name in ("vocab.txt", "tokenizer_config.json", "bert_config.json"):
        assert (extra / name).read_bytes() == (checkpoint_dir / name).read_bytes()
    description = json.loads((extra / "export.json").read_text())
    assert description["step"] == 7
    assert description["max_seq_length"] == S
    assert description["signatures"] == [
        *("serving_default", "embed", "serve_ids", "serve_examples")
    ]
