"""Presets that KerasHub wrote, and presets of ours that it opens."""

import json

import keras_hub
import numpy as np
import pytest

from bert_tf.checkpoints import conversion
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.errors import InputError
from bert_tf.models.variables import assign_variables
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

pytestmark = pytest.mark.filterwarnings(
    # Keras 3.15 reads TensorFlow variables the way that NumPy 2 deprecates.
    "ignore:__array__ implementation:DeprecationWarning"
)

INPUT_IDS = np.array([[2, 5, 6, 4, 3, 7, 3], [2, 8, 3, 0, 0, 0, 0]], np.int32)
INPUT_MASK = np.int32(INPUT_IDS != 0)
SEGMENT_IDS = np.array([[0, 0, 0, 0, 0, 1, 1], [0] * 7], np.int32)


@pytest.fixture
def backbone():
    """A backbone of random weights, biases and scales included."""
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=17,
        num_layers=2,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=12,
        max_sequence_length=10,
        dropout=0.2,
    )
    randomize(backbone)
    return backbone


def randomize(model):
    generator = np.random.default_rng(2)
    for variable in model.variables:
        if variable.dtype == "float32":
            variable.assign(generator.normal(size=variable.shape, scale=0.5))


def run_theirs(backbone):
    return backbone(
        {
            "token_ids": INPUT_IDS,
            "padding_mask": INPUT_MASK,
            "segment_ids": SEGMENT_IDS,
        }
    )


def assert_computes(weights, backbone):
    from bert_tf.models import BertPretrainer

    model = BertPretrainer(weights.config)
    assign_variables(model, weights.variables, strict=False)
    encoded = model.bert(
        {
            "input_ids": INPUT_IDS,
            "input_mask": INPUT_MASK,
            "segment_ids": SEGMENT_IDS,
        }
    )
    expected = run_theirs(backbone)
    real = INPUT_MASK == 1
    np.testing.assert_allclose(
        encoded["sequence_output"].numpy()[real],
        expected["sequence_output"].numpy()[real],
        rtol=1e-5,
        atol=1e-5,
    )
    np.testing.assert_allclose(
        encoded["pooled_output"], expected["pooled_output"], rtol=1e-5, atol=1e-5
    )


def test_a_preset_of_theirs_is_read(tmp_path, backbone, make_weights):
    backbone.save_to_preset(str(tmp_path))
    vocabulary = make_weights().vocabulary
    keras_hub.models.BertTokenizer(
        list(vocabulary.entries), lowercase=False
    ).save_to_preset(str(tmp_path))

    weights = conversion.load_any(tmp_path)

    assert weights.format == "keras_hub" and weights.left_over == {}
    assert weights.vocabulary.entries == vocabulary.entries
    assert weights.vocabulary.config == TokenizerConfig(False, False)
    assert weights.config.hidden_act == "gelu"
    assert weights.config.hidden_dropout_prob == 0.2
    assert_computes(weights, backbone)


@pytest.mark.parametrize("strip_accents", [None, False])
def test_they_open_ours(tmp_path, make_weights, strip_accents):
    weights = make_weights()
    settings = TokenizerConfig(do_lower_case=True, strip_accents=strip_accents)
    entries = weights.vocabulary.entries
    weights.vocabulary = Vocabulary.from_entries(entries, settings)
    conversion.save(weights, tmp_path / "preset", "keras_hub")

    backbone = keras_hub.models.BertBackbone.from_preset(str(tmp_path / "preset"))
    tokenizer = keras_hub.models.BertTokenizer.from_preset(str(tmp_path / "preset"))

    assert_computes(weights, backbone)
    ids = tokenizer("The heartache of CAFÉ")
    assert [tokenizer.id_to_token(i) for i in ids] == [
        "the",
        "heart",
        "##ache",
        "of",
        *(["[UNK]"] if strip_accents is None else ["caf", "##é"]),
    ]


def test_a_masked_lm_head_comes_along(tmp_path, backbone, make_weights):
    theirs = keras_hub.models.BertMaskedLM(backbone, preprocessor=None)
    randomize(theirs)
    theirs.save_to_preset(str(tmp_path / "theirs"))

    weights = conversion.load_any(tmp_path / "theirs")
    weights.vocabulary = make_weights().vocabulary
    conversion.save(weights, tmp_path / "ours", "keras_hub", strict=True)
    again = keras_hub.models.BertMaskedLM.from_preset(
        str(tmp_path / "ours"), preprocessor=None
    )

    np.testing.assert_array_equal(
        weights.variables["cls/predictions/output_bias"],
        theirs.masked_lm_head._bias.numpy(),
    )
    for ours, variable in zip(
        again.trainable_variables, theirs.trainable_variables, strict=True
    ):
        np.testing.assert_array_equal(ours.numpy(), variable.numpy())
    assert any("masked-LM head has layer_norm_eps 1e-5" in n for n in weights.notes)


def test_a_classifier_comes_along(tmp_path, backbone):
    theirs = keras_hub.models.BertTextClassifier(
        backbone, num_classes=3, preprocessor=None
    )
    randomize(theirs)
    theirs.save_to_preset(str(tmp_path))

    weights = conversion.load_any(tmp_path)

    labels = ("LABEL_0", "LABEL_1", "LABEL_2")
    assert weights.task.name == "classification" and weights.task.labels == labels
    np.testing.assert_array_equal(
        weights.variables["output_weights"], theirs.output_dense.kernel.numpy().T
    )


def test_a_head_without_weights_is_not_made_up(tmp_path, backbone, make_vocabulary):
    theirs = keras_hub.models.BertMaskedLM(backbone, preprocessor=None)
    theirs.save_to_preset(str(tmp_path / "theirs"))
    (tmp_path / "theirs" / "task.weights.h5").unlink()

    weights = conversion.load_any(tmp_path / "theirs")

    assert "BertMaskedLM, but there is no task.weights.h5" in weights.notes[0]
    assert not any(name.startswith("cls/") for name in weights.variables)
    assert_computes(weights, backbone)
    weights.vocabulary = make_vocabulary("a")
    with pytest.raises(InputError, match="new: cls/predictions/transform/dense/kernel"):
        conversion.save(weights, tmp_path / "ours", "native", strict=True)


def test_a_head_that_is_not_read_is_left_over(tmp_path, backbone):
    theirs = keras_hub.models.BertTextClassifier(
        backbone, num_classes=3, preprocessor=None, dropout=0.4, activation="softmax"
    )
    theirs.save_to_preset(str(tmp_path))

    weights = conversion.load_any(tmp_path)
    assert weights.task.settings == {"classifier_dropout": 0.4}
    assert "ends in an activation, 'softmax'" in weights.notes[0]

    path = tmp_path / "task.json"
    path.write_text(path.read_text().replace("BertTextClassifier", "OwnClassifier"))
    weights = conversion.load_any(tmp_path)
    assert weights.task == TaskDescription() and set(weights.left_over) == {
        "task.weights.h5"
    }
    assert "a 'OwnClassifier': only its backbone is read" in weights.notes[0]


@pytest.mark.parametrize(
    ("setting", "value"),
    [("split", False), ("suffix_indicator", "@@"), ("oov_token", "a")],
)
def test_another_tokenizer_is_refused(
    tmp_path, backbone, make_vocabulary, setting, value
):
    backbone.save_to_preset(str(tmp_path))
    keras_hub.models.BertTokenizer(
        list(make_vocabulary("a").entries), **{setting: value}
    ).save_to_preset(str(tmp_path))
    with pytest.raises(InputError, match=f"tokenizer.json: config: {setting} must be"):
        conversion.load_any(tmp_path)


def test_another_activation_is_pointed_out(tmp_path, make_weights):
    weights = make_weights()
    weights.config.hidden_act = "gelu_erf"

    conversion.save(weights, tmp_path / "preset", "keras_hub")

    assert "computes hidden_act gelu and layer_norm_eps 1e-12" in weights.notes[0]


def test_another_architecture_is_refused(tmp_path):
    keras_hub.models.RobertaBackbone(
        vocabulary_size=17,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=12,
        max_sequence_length=10,
    ).save_to_preset(str(tmp_path))

    with pytest.raises(ValueError, match="Received: 'keras_hub>RobertaBackbone'"):
        conversion.load_any(tmp_path)


def test_a_damaged_preset_is_refused(tmp_path, backbone):
    backbone.save_to_preset(str(tmp_path))
    path = tmp_path / "model.weights.h5"
    path.write_bytes(path.read_bytes()[:1000])

    with pytest.raises(ValueError, match="not a whole KerasHub preset"):
        conversion.load_any(tmp_path)

    config = json.loads((tmp_path / "config.json").read_text())
    del config["config"]["num_layers"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="not a whole KerasHub preset"):
        conversion.load_any(tmp_path)
