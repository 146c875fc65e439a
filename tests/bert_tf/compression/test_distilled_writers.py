"""Students that write: what comes next is compared, and what the blocks make of it."""

import dataclasses

import numpy as np
import pytest
from distilled_rows import (
    ROWS,
    SHAPE,
    SOFT_LABELS_ALONE,
    WRITERS,
    means,
    open_task,
    read,
)

from bert_tf.checkpoints.decoder_description import describe_vocabulary
from bert_tf.compression.teacher import Teacher
from bert_tf.errors import InputError
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

TEMPERATURE = 2.0


@pytest.fixture
def open_writer(configure, write_teacher, tmp_path):
    """Opens a task whose student has fewer layers and another width."""

    def open_one(name, **changes):
        config = configure(WRITERS[name], unlabelled="", **SOFT_LABELS_ALONE | changes)
        shape = dataclasses.replace(SHAPE, hidden_size=12, num_hidden_layers=1)
        student = write_teacher(tmp_path / "student", name, (), 1, shape)
        return open_task(dataclasses.replace(config, init_from=str(student)))

    return open_one


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def divergence(student, teacher):
    student, teacher = softmax(student), softmax(teacher)
    return (teacher * np.log(teacher / student)).sum(-1)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_the_next_tokens_probabilities_are_compared(name, open_writer, eagerly):
    inputs, task, model = open_writer(name)
    count = inputs.train.num_examples
    found, weights = means(task, model, inputs.train, count, pack=False)
    (batch,) = read(inputs.train, count, pack=False)
    logits = [
        writer({n: v for n, v in batch.items() if "labels" not in n})["logits"].numpy()
        for writer in (model, task._lessons._model)
    ]
    real = batch[inputs.task.labels].numpy() >= 0
    each = divergence(*(x.astype(float) / TEMPERATURE for x in logits))
    expected = 0.5 * TEMPERATURE**2 * each[real].mean()
    assert found["soft_label"] == pytest.approx(expected, rel=1e-4)
    assert weights["soft_label"] == weights["token"] == real.sum()

    # The task's own loss is as without a teacher, label smoothing and all.
    outputs = inputs.task.apply(model, batch, training=True)
    own = float(inputs.task.sums(outputs, batch, training=True)["token_loss"])
    assert found["token"] == pytest.approx(0.5 * own / real.sum(), rel=1e-5)
    # Logits of all tokens never exist.
    assert "logits" not in task.apply(model, batch, training=True)

    packed, _ = means(task, model, inputs.train, count, pack=True)
    assert packed == pytest.approx(found, rel=1e-4)
    halves, halves_weights = means(
        task, model, inputs.train, count, pack=True, micro_batches=2
    )
    assert halves_weights == pytest.approx(weights)
    assert halves == pytest.approx(found, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_a_writer_that_is_its_teacher_has_nothing_to_learn_of_it(
    name, configure, eagerly
):
    inside = {} if name == "causal_lm" else SOFT_LABELS_ALONE
    inputs, task, model = open_task(configure(WRITERS[name], unlabelled="", **inside))
    found, _ = means(task, model, inputs.train, inputs.train.num_examples, pack=True)
    assert len(task.added_losses) == (5 if name == "causal_lm" else 1)
    for loss in task.added_losses:
        assert found[loss] == pytest.approx(0.0, abs=1e-5), loss


@pytest.mark.slow
def test_a_causal_model_attends_to_what_came_before_alone(configure, eagerly):
    """What is compared inside, by the formulas."""
    inputs, task, model = open_task(
        configure(WRITERS["causal_lm"], unlabelled="", student_layers=(0, 2))
    )
    count = inputs.train.num_examples
    (batch,) = read(inputs.train, count, pack=False)
    found, _ = means(task, model, inputs.train, count, pack=False)
    packed, _ = means(task, model, inputs.train, count, pack=True)
    assert packed == pytest.approx(found, rel=1e-4)
    outputs = task.apply(model, batch, training=True)
    real = batch["input_mask"].numpy() == 1

    def states(name):
        return [outputs[root + name].numpy() for root in ("learned/", "taught/")]

    def scores(queries, keys):
        queries, keys = (
            x.reshape(*x.shape[:2], 2, -1).swapaxes(1, 2) for x in (queries, keys)
        )
        return queries @ keys.swapaxes(-1, -2) / np.sqrt(queries.shape[-1])

    relations = errors = 0.0
    for place in range(real.shape[1]):
        seen = slice(0, place + 1)
        for part in ("query", "key", "value"):
            rows = [scores(x, x)[:, :, place, seen] for x in states(f"relation_{part}")]
            values = divergence(*rows).mean(1)
            relations += values[real[:, place]].sum() / 3
        for layer in (0, 1):
            queries, keys = states(f"query_{layer}"), states(f"key_{layer}")
            ours, theirs = (
                scores(q, k)[:, :, place, seen]
                for q, k in zip(queries, keys, strict=True)
            )
            values = ((ours - theirs) ** 2).mean((1, 2))
            errors += values[real[:, place]].sum()
    assert found["relation"] == pytest.approx(relations / real.sum(), rel=1e-3)
    assert found["attention"] == pytest.approx(errors / real.sum(), rel=1e-3)
    student, teacher = states("last_hidden_state")
    products = (student * teacher).sum(-1)
    sizes = np.linalg.norm(student, axis=-1) * np.linalg.norm(teacher, axis=-1)
    assert found["cosine"] == pytest.approx((1 - products / sizes)[real].mean(), 1e-3)


def test_a_teacher_like_gpt_2_teaches_language_models(tmp_path, write_teacher):
    folder = write_teacher(
        tmp_path / "teacher", "causal_lm", (), 1, SHAPE, settings={"norm_first": True}
    )
    loaded = Teacher.load(str(folder), student="causal_lm")
    assert loaded.weights.task.settings["norm_first"]


ERRORS = {
    "text": ("causal_lm", {}, "unlabelled` must be empty for 'causal_lm'"),
    "sources": (
        "sequence_to_sequence",
        SOFT_LABELS_ALONE,
        "unlabelled` must be empty for 'sequence_to_sequence'",
    ),
    "inside": (
        "sequence_to_sequence",
        {**SOFT_LABELS_ALONE, "unlabelled": "", "cosine_weight": 1.0},
        "learns soft labels alone; .* Received: a cosine weight",
    ),
    "kept": (
        "causal_lm",
        {"unlabelled": "", "cache_dir": "taught"},
        "cache_dir` must be empty for 'causal_lm': .* are 17 numbers",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_what_cannot_be_is_refused(case, configure):
    name, changes, message = ERRORS[case]
    texts = ROWS["classification"].unlabelled
    row = dataclasses.replace(WRITERS[name], unlabelled=texts)
    with pytest.raises(InputError, match=message):
        open_task(configure(row, **changes))


OTHER_WORDS = Vocabulary.from_entries(
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijkl"], TokenizerConfig()
)
TEACHERS = {
    "vocabulary": (
        {"decoder_vocabulary": describe_vocabulary(OTHER_WORDS)},
        "what it writes has another vocabulary",
    ),
    "positions": (
        {
            "decoder_config": dataclasses.replace(
                SHAPE, max_position_embeddings=6
            ).to_dict()
        },
        "max_target_length` must be at most 7, one more than .*Received: 8",
    ),
}


@pytest.mark.parametrize("case", TEACHERS)
def test_both_must_write_the_same_words_as_long(
    case, configure, write_teacher, tmp_path
):
    theirs, message = TEACHERS[case]
    name = "sequence_to_sequence"
    config = configure(WRITERS[name], unlabelled="", **SOFT_LABELS_ALONE)
    config.init_from = str(tmp_path / "student")
    (tmp_path / "teacher").rename(tmp_path / "student")
    write_teacher(tmp_path / "teacher", name, (), 1, SHAPE, settings=theirs)
    with pytest.raises(InputError, match=message):
        open_task(config)
