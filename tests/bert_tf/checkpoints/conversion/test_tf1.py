"""TF1 checkpoints, and SavedModels that carry their names."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
from numpy_bert import encode

from bert_tf.checkpoints import conversion
from bert_tf.checkpoints.conversion import names
from bert_tf.checkpoints.conversion.tf_checkpoint import write_arrays
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.errors import InputError
from bert_tf.text.special_tokens import SPECIAL_TOKENS

INPUT_IDS = np.array([[2, 5, 6, 4, 3, 7, 3], [2, 8, 3, 0, 0, 0, 0]], np.int32)
INPUT_MASK = np.int32(INPUT_IDS != 0)
SEGMENT_IDS = np.array([[0, 0, 0, 0, 0, 1, 1], [0] * 7], np.int32)


@pytest.fixture
def released(tmp_path, make_weights):
    """Writes a folder as google-research/bert released them."""
    weights = make_weights(format="tf1")
    conversion.save(weights, tmp_path / "released", "tf1")
    (tmp_path / "released" / "tokenizer_config.json").unlink()
    (tmp_path / "released" / "checkpoint").unlink()
    return tmp_path / "released"


@pytest.fixture
def expected(make_weights, make_vocabulary):
    """What `released` holds: its vocabulary has an accent, so accents were kept."""
    entries = make_weights().vocabulary.entries[len(SPECIAL_TOKENS) :]
    return make_weights(vocabulary=make_vocabulary(*entries, strip_accents=False))


def test_tensorflow_reads_what_we_write(tmp_path, make_weights):
    weights = make_weights()
    conversion.save(weights, tmp_path / "model", "tf1")

    for path in ("model", "model/bert_model.ckpt"):
        reader = tf.train.load_checkpoint(str(tmp_path / path))
        assert reader.get_variable_to_shape_map() == {
            name: list(array.shape) for name, array in weights.variables.items()
        }
    name = "bert/encoder/layer_0/attention/self/query/kernel"
    np.testing.assert_array_equal(reader.get_tensor(name), weights.variables[name])
    assert tf.train.latest_checkpoint(str(tmp_path / "model"))


@pytest.mark.parametrize("suffix", ["", "/bert_model.ckpt", "/bert_model.ckpt.index"])
def test_a_released_folder_is_found_by_any_of_its_names(
    released, expected, assert_same, suffix
):
    assert_same(conversion.load_any(f"{released}{suffix}"), expected)


def test_a_path_with_wildcards_is_read(released, expected, assert_same):
    folder = released.rename(released.parent / "v[1]*, a b")
    assert_same(conversion.load_any(folder), expected)
    for path in list(folder.glob("bert_model.ckpt.*")):
        path.rename(folder / path.name.replace("model", "model[?]"))
    assert_same(conversion.load_any(folder / "bert_model[?].ckpt"), expected)


def test_our_model_computes_what_numpy_does(released):
    from bert_tf.models import BertPretrainer
    from bert_tf.models.variables import assign_variables

    weights = conversion.load_any(released)
    model = BertPretrainer(weights.config)
    assign_variables(model, weights.variables)

    encoded = model.bert(
        {
            "input_ids": INPUT_IDS,
            "input_mask": INPUT_MASK,
            "segment_ids": SEGMENT_IDS,
        }
    )
    sequence_output = encoded["sequence_output"]

    expected = encode(weights.variables, INPUT_IDS, INPUT_MASK, SEGMENT_IDS, 2)
    real = INPUT_MASK == 1
    np.testing.assert_allclose(
        sequence_output.numpy()[real], expected[real], rtol=1e-5, atol=1e-5
    )


def test_optimizer_slots_and_counters_are_no_gap(released, expected, assert_same):
    variables = expected.variables
    slots = {
        f"{name}/adam_{slot}": array
        for name, array in variables.items()
        for slot in "mv"
    }
    write_arrays(
        released / "bert_model.ckpt",
        variables | slots | {"global_step": np.array(7, np.int64)},
    )

    assert_same(conversion.load_any(released), expected)


def test_a_scope_around_the_model_is_seen_through(released, expected, assert_same):
    variables = expected.variables
    write_arrays(
        released / "bert_model.ckpt", {f"module/{n}": a for n, a in variables.items()}
    )

    weights = conversion.load_any(released)

    assert_same(weights, expected)
    assert weights.source_names[names.WORD_EMBEDDINGS] == (
        "module/bert/embeddings/word_embeddings"
    )


@pytest.mark.parametrize("task", ["classification", "question_answering"])
def test_fine_tuned_heads_are_told_by_their_names(released, make_weights, task):
    def shapes(config):
        return names.encoder(config) | names.task_head(task, 2, config)

    weights = make_weights(shapes=shapes)
    write_arrays(
        released / "bert_model.ckpt",
        weights.variables | {"dense/kernel": np.zeros((8, 1), np.float32)},
    )

    received = conversion.load_any(released)

    labels = ("LABEL_0", "LABEL_1") if task == "classification" else ()
    assert received.task == TaskDescription(task, labels=labels)
    assert set(received.variables) == set(weights.variables)
    assert received.left_over == {"dense/kernel": (8, 1)}


@pytest.mark.parametrize("place", ["", "assets/"])
def test_a_saved_model_with_those_names_is_read(
    tmp_path, released, expected, assert_same, place
):
    module = tf.Module()
    module.all = [
        tf.Variable(array, name=name) for name, array in expected.variables.items()
    ]
    tf.saved_model.save(module, str(tmp_path / "saved_model"))
    for name in ("bert_config.json", "vocab.txt"):
        shutil.copy(released / name, tmp_path / "saved_model" / place / name)

    assert_same(conversion.load_any(tmp_path / "saved_model"), expected)


def test_case_is_told_from_the_vocabulary(released):
    path = released / "vocab.txt"
    path.write_text(path.read_text().replace("heart", "Heart") + "[unused0]\n")
    config = released / "bert_config.json"
    config.write_text(config.read_text().replace("17", "18"))
    with pytest.raises(ValueError, match=r"word_embeddings.*\(18, 8\).*\(17, 8\)"):
        conversion.load_any(released)

    path.write_text(path.read_text().removesuffix("[unused0]\n"))
    config.write_text(config.read_text().replace("18", "17"))

    assert conversion.load_any(released).vocabulary.config.do_lower_case is False


def test_damage_is_refused(released):
    index = released / "bert_model.ckpt.index"
    data = released / "bert_model.ckpt.data-00000-of-00001"
    whole = index.read_bytes(), data.read_bytes()

    (released / "bert_config.json").rename(released / "elsewhere.json")
    with pytest.raises(ValueError, match="holds no 'bert_config.json', without which"):
        conversion.load_any(released)
    (released / "elsewhere.json").rename(released / "bert_config.json")

    data.write_bytes(whole[1][:-100])
    with pytest.raises(ValueError, match="bert_model.ckpt.data-.*damaged at"):
        conversion.load_any(released)

    flipped = bytearray(whole[1])
    flipped[len(flipped) // 2] ^= 1
    data.write_bytes(flipped)
    with pytest.raises(ValueError, match="bert_model.ckpt.data-.*damaged at"):
        conversion.load_any(released)

    index.write_bytes(whole[0][:-10])
    with pytest.raises(ValueError, match="ckpt.index: not a whole TensorFlow checkp"):
        conversion.load_any(released)

    index.write_bytes(whole[0][-48:])  # The footer alone.
    with pytest.raises(ValueError, match="ckpt.index: not a whole TensorFlow checkp"):
        conversion.load_any(released)


def test_a_damaged_state_file_is_named(released):
    (released / "checkpoint").write_bytes(b"\xff")
    with pytest.raises(InputError, match=f"{released}/checkpoint: damaged .*Delete it"):
        conversion.load_any(released)


def test_checkpoints_of_other_models_are_refused(tmp_path, released):
    write_arrays(tmp_path / "other.ckpt", {"dense/kernel": np.zeros((2, 2))})
    with pytest.raises(ValueError, match=r"of no BERT .*begin with \['dense/kernel'\]"):
        conversion.load_any(tmp_path / "other.ckpt")

    write_arrays(released / "second.ckpt", {"dense/kernel": np.zeros((2, 2))})
    with pytest.raises(ValueError, match="must hold one .*'bert_model.ckpt', 'second"):
        conversion.load_any(released)
