"""Every format into every other one, to the bit."""

import numpy as np
import pytest

from bert_tf.checkpoints import conversion
from bert_tf.checkpoints.conversion import names
from bert_tf.checkpoints.task_description import TaskDescription

pytestmark = pytest.mark.filterwarnings(
    # Keras 3.15 reads TensorFlow variables the way that NumPy 2 deprecates.
    "ignore:__array__ implementation:DeprecationWarning"
)

TASKS = (
    "classification",
    "multi_label",
    "regression",
    "token_classification",
    "question_answering",
    "multiple_choice",
    "extractive_summarization",
    "embedding",
)
FORMATS = list(conversion.WRITERS)


def test_formats_are_all_known():
    assert FORMATS == ["native", "hugging_face", "tf1", "model_garden", "keras_hub"]


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_every_pair_keeps_every_bit(
    tmp_path, make_weights, assert_same, source, target
):
    expected = make_weights()
    assert conversion.save(expected, tmp_path / "source", source) == []

    first = conversion.load_any(tmp_path / "source")
    assert first.format == source
    assert_same(first, expected)
    assert conversion.save(first, tmp_path / "target", target, strict=True) == []
    second = conversion.load_any(tmp_path / "target")

    assert second.format == target
    assert_same(second, expected)


@pytest.mark.parametrize("format", FORMATS)
def test_what_a_source_lacks_stays_lacking(tmp_path, make_weights, assert_same, format):
    """A masked-LM model has no pooler: formats that need one must not invent it."""

    def encoder_and_masked_lm(config):
        return names.encoder(config) | names.masked_lm_head(config)

    expected = make_weights(shapes=encoder_and_masked_lm)
    new = conversion.save(expected, tmp_path / "model", format)

    received = conversion.load_any(tmp_path / "model")

    assert_same(received, expected)
    needs_pooler = format not in ("hugging_face", "tf1")
    assert ("bert/pooler/dense/kernel" in new) == needs_pooler
    assert ("cls/seq_relationship/output_bias" in new) == (format == "native")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("task", TASKS)
def test_task_heads_labels_and_settings_travel(
    tmp_path, make_weights, make_vocabulary, assert_same, format, task
):
    config = make_weights().config
    config.hidden_act = "gelu_erf"
    config.layer_norm_eps = 1e-5
    num_labels = {"question_answering": 2, "classification": 3}.get(task, 1)
    labelled = task in ("classification", "multi_label", "token_classification")
    labels = ("bad", "good", "ugly")[: num_labels * labelled]

    def shapes(config):
        head = names.task_head(task, num_labels, config)
        if task == "embedding":
            return names.encoder(config) | names.pooler(config)
        if task == "extractive_summarization":
            head["summarizer/layer_0/kernel"] = (2, 3)
        return names.encoder(config) | names.pooler(config) | head

    expected = make_weights(
        config=config,
        shapes=shapes,
        task=TaskDescription(
            task,
            max_seq_length=9,
            labels=labels,
            settings={
                "pairs": True,
                "threshold": 0.25,
                "classifier_dropout": 0.125,
                "reading": {"language": "de"},
            },
        ),
        vocabulary=make_vocabulary("a", "B", do_lower_case=False, strip_accents=True),
    )
    assert conversion.save(expected, tmp_path / "model", format, strict=True) == []

    assert_same(conversion.load_any(tmp_path / "model"), expected)


def test_the_same_weights_give_the_same_bytes(tmp_path, make_weights):
    for format in ("native", "hugging_face", "tf1"):
        for copy in "ab":
            conversion.save(make_weights(), tmp_path / copy / format, format)
        first, second = (
            {
                path.name: path.read_bytes()
                for path in (tmp_path / copy / format).iterdir()
            }
            for copy in "ab"
        )
        assert first == second


def test_new_variables_look_like_berts_initial_ones(tmp_path, make_weights):
    encoder = make_weights(shapes=names.encoder)
    new = conversion.save(encoder, tmp_path / "model", "native")

    folder = conversion.load_any(tmp_path / "model")
    assert set(new) == set(folder.missing) == set(encoder.missing)

    from bert_tf.checkpoints.model_folder import load_model_folder

    values = load_model_folder(tmp_path / "model").variables
    kernel = values["bert/pooler/dense/kernel"]
    assert np.abs(kernel).max() <= 2 * encoder.config.initializer_range
    assert 0.5 < kernel.std() / encoder.config.initializer_range < 1.5
    assert (values["cls/predictions/transform/LayerNorm/gamma"] == 1).all()
    assert (values["cls/predictions/output_bias"] == 0).all()


def test_a_workdir_means_its_newest_checkpoint(tmp_path, make_weights, assert_same):
    from bert_tf.checkpoints.workdir import checkpoint_path

    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="no checkpoint here. Looked for"):
        conversion.load_any(tmp_path)
    (tmp_path / "checkpoints").rmdir()
    (tmp_path / "config.json").write_text('{"data": {}, "optimizer": {}}')
    with pytest.raises(ValueError, match="workdir that has no checkpoint yet"):
        conversion.load_any(tmp_path)

    conversion.save(make_weights(), checkpoint_path(tmp_path, 3), "native")

    assert_same(conversion.load_any(tmp_path), make_weights())
