"""`compile`, `fit` and `save` on our model and our examples."""

import dataclasses
import json

import keras
import numpy as np
import pytest

import bert_tf
from bert_tf.checkpoints.model_folder import load_model_folder, save_model_folder
from bert_tf.errors import InputError
from bert_tf.labelled.encoded import IGNORED
from bert_tf.models import BertPretrainer, named_variables

WORDS = ("heart", "card", "the", "of")
SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
LOSSES = {
    "classification": SPARSE,
    "multi_label": keras.losses.BinaryCrossentropy(from_logits=True),
    "regression": keras.losses.MeanSquaredError(),
    "token_classification": keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=IGNORED
    ),
}


def example(task, i):
    word = WORDS[i % 4]
    text = f"{word} the {WORDS[i * i % 3]}"
    return {
        "classification": {"text": text, "label": word},
        "multi_label": {"text": text, "labels": [word, "all"]},
        "regression": {"text": text, "value": i % 4 / 3},
        "token_classification": {"tokens": text.split(), "tags": text.split()},
    }[task]


@pytest.fixture
def opened(request, tmp_path, make_weights):
    task = getattr(request, "param", "classification")
    config = dataclasses.replace(make_weights().config, hidden_size=32)
    save_model_folder(
        tmp_path / "model",
        config=config,
        variables={
            name: variable.numpy()
            for name, variable in named_variables(BertPretrainer(config)).items()
        },
        vocabulary=make_weights().vocabulary,
    )
    for name, count in (("train", 160), ("eval", 11)):
        lines = [json.dumps(example(task, i)) + "\n" for i in range(count)]
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
    return lambda **data: bert_tf.for_keras(
        str(tmp_path / "model"),
        str(tmp_path / "train.jsonl"),
        task,
        **{"eval": str(tmp_path / "eval.jsonl"), "max_seq_length": 10},
        **{"global_batch_size": 8, "cache_dir": "none", **data},
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("default:__array__ impl")  # Keras saves its optimizer so.
@pytest.mark.parametrize("opened", list(LOSSES), indirect=True)
def test_it_learns(opened, request, tmp_path):
    task = request.node.callspec.params["opened"]
    finetuning = opened()
    model = finetuning.model
    model.compile(keras.optimizers.Adam(5e-3), loss={"logits": LOSSES[task]})
    history = model.fit(
        finetuning.train,
        validation_data=finetuning.held_out,
        epochs=8,
        shuffle=False,  # Of batches that come shuffled.
        verbose=0,
    ).history
    assert history["val_loss"][-1] < 0.9 * history["val_loss"][0]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    inputs, _ = next(iter(finetuning.held_out))
    found, expected = (each(inputs)["logits"].numpy() for each in (loaded, model))
    np.testing.assert_array_equal(found, expected)


def rows(dataset):
    return [
        (row["input_ids"].tolist(), target)
        for inputs, targets in dataset.as_numpy_iterator()
        for row, target in zip(
            [{n: v[i] for n, v in inputs.items()} for i in range(len(targets))],
            targets.tolist(),
            strict=True,
        )
    ]


def test_examples_come_once_an_epoch_with_their_labels(opened):
    finetuning = opened()
    assert finetuning.labels == tuple(sorted(WORDS))
    assert len(finetuning.train) == 20 and len(finetuning.held_out) == 2
    first, second, again = (
        rows(finetuning.train),
        rows(finetuning.train),
        rows(opened().train),
    )
    assert first == again != second
    assert sorted(first) == sorted(second)
    held_out = rows(finetuning.held_out)
    assert len(held_out) == 11
    label_of_word = {}
    for ids, label in first + held_out:
        assert label_of_word.setdefault(ids[1], label) == label
    assert len(label_of_word) == 4


def test_the_model_starts_from_the_checkpoint(opened, tmp_path):
    expected = load_model_folder(tmp_path / "model").variables
    found = named_variables(opened().model)
    names = [name for name in found if name.startswith("bert/")]
    assert len(names) > 40
    for name in names:
        np.testing.assert_array_equal(found[name].numpy(), expected[name])


def test_what_does_not_fit_is_named(opened):
    with pytest.raises(InputError, match="question_answering"):
        bert_tf.for_keras("model", "train.json", "question_answering")
    with pytest.raises(InputError, match=r"No such field .*\['batch_size'\]"):
        opened(batch_size=8)
