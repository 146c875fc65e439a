"""Multiple choice: the loss, the scores, and a run from questions to exports."""

import json

import numpy as np
import pytest
import tensorflow as tf
from untrained import (
    check_packing_keeps_the_loss,
    export_and_verify,
    make_config,
    make_vocabulary,
    write_pretrainer,
)

import bert_tf
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.errors import InputError
from bert_tf.labelled.examples import ChoiceExample, Place
from bert_tf.labelled.source import LabelledSource
from bert_tf.tasks.losses import grouped_cross_entropy
from bert_tf.tasks.multiple_choice import MultipleChoiceTask
from bert_tf.tasks.settings import MultipleChoiceSettings
from bert_tf.training import finetuning
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig
from export.check import verification

WORDS = "red blue green old new big small cat dog bird tree house runs sleeps".split()
VOCABULARY = make_vocabulary(WORDS)
CONFIG = make_config(VOCABULARY, 32)
CONFIG_48 = make_config(VOCABULARY, 48)
TASK = MultipleChoiceTask(TaskDescription("multiple_choice", 16))


def example(text, *choices, label=None):
    return ChoiceExample(
        text=text, choices=choices, label=label, place=Place("a file", 1)
    )


def questions(count, seed=0):
    """The right choice is the one that says "red"; 2 or 3 choices."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        choices = [
            " ".join(rng.choice(WORDS[1:], n))
            for n in rng.integers(1, 4, rng.integers(2, 4))
        ]
        label = int(rng.integers(len(choices)))
        choices[label] += " red"
        text = " ".join(rng.choice(WORDS[1:], 3))
        rows.append({"text": text, "choices": choices, "label": label})
    return rows


def test_loss_is_the_cross_entropy_of_each_group():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=9)
    ids = np.array([1, 2, 2, 1, 0, 3, 3, 3, 1])
    right = np.array([1, 0, 1, 0, 0, 0, 0, 1, 0], np.float32)
    expected = sum(
        np.log(np.exp(logits[ids == group]).sum())
        - logits[(ids == group) & (right > 0)][0]
        for group in (1, 2, 3)
    )
    found = grouped_cross_entropy(
        tf.constant(logits, tf.float32), tf.constant(ids), tf.constant(right)
    )
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_packed_batches_give_the_same_loss():
    examples = [
        example(row["text"], *row["choices"], label=row["label"])
        for row in questions(8)
    ]
    encoded = TASK.encode(examples, VOCABULARY)
    encoded = encoded.with_targets(**TASK.targets(examples))
    source = LabelledSource(encoded, 48, seed=0)
    model = TASK.create_model(CONFIG_48)
    check_packing_keeps_the_loss(TASK, model, source, batch_size=8, weight=8)


def test_choices_are_scored_where_they_stand():
    examples = [
        example("red", "cat", "dog", label=1),
        example("old house", "cat sleeps", "dog", "bird bird bird", label=0),
        example("new", "cat", "dog", label=0),
    ]
    source = TASK.held_out_source(examples, VOCABULARY)
    scores = np.array([0.0, 1.0, 2.0, -1.0, 3.0, 0.5, 0.0])
    found = TASK.score(source, {"scores": scores[source.order]})
    losses = [
        np.log(np.exp([0.0, 1.0]).sum()) - 1,
        np.log(np.exp([2.0, -1.0, 3.0]).sum()) - 2,
        np.log(np.exp([0.5, 0.0]).sum()) - 0.5,
    ]
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["loss"] == found["nll"] == pytest.approx(np.mean(losses))
    first = TASK.score(source, {"scores": scores[source.order][:3]})
    assert first["accuracy"] == 0.0
    assert first["loss"] == pytest.approx(losses[1])

    decoded = TASK.decode(examples, source.encoded, {"scores": scores})
    assert [row["choice"] for row in decoded] == ["dog", "bird bird bird", "cat"]
    assert [row["index"] for row in decoded] == [1, 2, 0]
    assert decoded[1]["probability"] == pytest.approx(
        np.exp(3) / np.exp([2.0, -1.0, 3.0]).sum()
    )


def test_what_cannot_be_learned_is_refused():
    with pytest.raises(InputError, match="nothing says which choice is right"):
        TASK.targets([example("red", "cat", "dog")])


@pytest.mark.slow
def test_training_answers_and_exports_agree(tmp_path):
    checkpoint = write_pretrainer(tmp_path / "model", CONFIG, VOCABULARY)
    file = tmp_path / "questions.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in questions(120)))
    config = FinetuningConfig(
        task=MultipleChoiceSettings(),
        init_from=str(checkpoint),
        data=LabelledDataConfig(
            train=str(file),
            max_seq_length=16,
            global_batch_size=16,
            cache_dir="none",
            pack_examples=False,
        ),
        num_train_epochs=4.0,
        evaluations_per_epoch=0.1,
    )
    config.optimizer.learning_rate = 1e-2
    workdir = tmp_path / "run"
    finetuning.train_and_evaluate(config.validate(), workdir)
    results = json.loads((workdir / "eval.json").read_text())
    assert results["accuracy"] > results["chance_accuracy"] + 0.2

    rows = [{k: v for k, v in row.items() if k != "label"} for row in questions(5, 1)]
    answers = bert_tf.load(workdir).predict(rows)
    trained, served, report = export_and_verify(tmp_path, workdir, file)
    choices = [row["choices"] + [""] * (3 - len(row["choices"])) for row in rows]
    found = served.signatures["serving_default"](
        text=tf.constant([row["text"] for row in rows]), choices=tf.constant(choices)
    )
    assert found["index"].numpy().tolist() == [row["index"] for row in answers]
    for row, probabilities in zip(answers, found["probabilities"].numpy(), strict=True):
        real = len(row["probabilities"])
        np.testing.assert_allclose(
            probabilities[:real], row["probabilities"], atol=1e-5
        )
        assert not probabilities[real:].any()
    with pytest.raises(InputError, match=r"takes \['text', 'choices'\], which is more"):
        verification.verify(
            trained,
            str(file),
            saved_model_dir=tmp_path / "saved",
            tflite_files=[],
            texts=["red"],
            settings=verification.Settings(max_examples=1, latency_calls=1),
        )
    assert report["keras"]["accuracy"] > 0.5
