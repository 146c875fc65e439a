"""What holds for every task that learns from labelled examples, one suite for all.

A new task needs a row of `ROWS`, and nothing else.
"""

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

import bert_tf
from bert_tf.checkpoints import conversion
from bert_tf.checkpoints.workdir import list_checkpoints, resolve_checkpoint
from bert_tf.config import OptimizerConfig
from bert_tf.storage.json_files import read_json
from bert_tf.storage.tfrecord import read_records
from bert_tf.tasks import settings
from bert_tf.tasks.catalog import LABELLED_TASKS
from bert_tf.tasks.inference import Inference
from bert_tf.training.finetuning import train_and_evaluate
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig
from bert_tf.training.finetuning_preparation import prepare
from export.check import verification
from export.check.backends import RefusedRequestError
from export.checkpoint import pretrained
from export.saved_model import prediction_log, saving, serving_check, usage, warmup
from export.tflite.quantizations import QUANTIZATIONS

pytestmark = pytest.mark.slow

WORDS = ("heart", "ache", "card", "of the", "the heart of", "café")
TEXTS = [f"{WORDS[i % 6]} {WORDS[i * i % 5]} {i % 7}" for i in range(20)]


@dataclasses.dataclass(frozen=True)
class Row:
    """A task's settings, and the n-th example."""

    settings: settings.TaskSettings
    example: Callable[[int], dict[str, Any]]
    # In-batch negatives are those of a micro-batch.
    accumulates: bool = True
    # What a model writes is another job's.
    predicts: bool = True
    on_phones: bool = True


ROWS = {
    "classification": Row(
        settings.ClassificationSettings(),
        lambda i: {"text": TEXTS[i], "label": ("bad", "good")[i % 2]},
    ),
    "multi_label": Row(
        settings.MultiLabelSettings(),
        lambda i: {"text": TEXTS[i], "labels": ["x", "y", "z"][: i % 4]},
    ),
    "regression": Row(
        settings.RegressionSettings(),
        lambda i: {"text": TEXTS[i], "value": i % 5 / 4},
    ),
    "embedding": Row(
        settings.EmbeddingSettings(),
        lambda i: {"text": TEXTS[i], "text_pair": TEXTS[(i + 1) % 20]},
        accumulates=False,
    ),
    "token_classification": Row(
        settings.TokenClassificationSettings(),
        lambda i: {
            "tokens": TEXTS[i].split(),
            "tags": ["B-A", "I-A", "O", "B-B", "O", "O"][: len(TEXTS[i].split())],
        },
    ),
    # Contexts of several windows, one in five without an answer.
    "question_answering": Row(
        settings.QuestionAnsweringSettings(doc_stride=2, max_query_length=3),
        lambda i: {
            "id": str(i),
            "question": WORDS[i % 6],
            "context": f"10 of the hearts {TEXTS[i]} {TEXTS[(i + 7) % 20]}",
            "answers": [{"text": "hearts", "answer_start": 10}][: i % 5],
        },
    ),
    "multiple_choice": Row(
        settings.MultipleChoiceSettings(),
        lambda i: {
            "text": TEXTS[i],
            "choices": [WORDS[i % 6], WORDS[(i + 1) % 6], "7"][: 2 + i % 2],
            "label": i % 2,
        },
    ),
    "extractive_summarization": Row(
        settings.ExtractiveSummarizationSettings(
            max_sentences=1, num_inter_sentence_layers=1
        ),
        lambda i: {
            "sentences": [("card", "heart")[i % 2], f"{i} of the"],
            "labels": [int(i % 2 == 0), int(i % 3 == 0)],
        },
    ),
    "sequence_to_sequence": Row(
        settings.SequenceToSequenceSettings(
            max_target_length=6, max_written_examples=0
        ),
        lambda i: {"text": TEXTS[i], "target": TEXTS[(3 * i) % 20]},
        predicts=False,
        on_phones=False,
    ),
    # Documents of two blocks and more.
    "causal_lm": Row(
        settings.CausalLmSettings(),
        lambda i: {"text": f"{TEXTS[i]} {TEXTS[(i + 7) % 20]} {WORDS[i % 6]}"},
        predicts=False,
        on_phones=False,
    ),
}


def test_every_task_is_here():
    assert set(ROWS) == set(LABELLED_TASKS)


@dataclasses.dataclass
class Runs:
    """Runs of one task, each in a workdir of its own."""

    folder: Path
    config: FinetuningConfig

    def train(self, name, data=None, **overrides):
        config = dataclasses.replace(self.config, **overrides)
        if data:
            config.data = dataclasses.replace(config.data, **data)
        workdir = self.folder / name
        with prepare(config.validate(), workdir):
            train_and_evaluate(config, workdir)
        return workdir

    @property
    def held_out(self):
        return self.config.data.eval


@pytest.fixture(scope="module", params=list(ROWS))
def runs(request, tmp_path_factory, make_weights):
    folder = tmp_path_factory.mktemp(request.param)
    conversion.save(make_weights(), folder / "model", "native")
    row = ROWS[request.param]
    for name, places in (("train", range(20)), ("eval", range(0, 20, 3))):
        lines = [json.dumps(row.example(i)) for i in places]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    return Runs(
        folder,
        FinetuningConfig(
            task=row.settings,
            data=LabelledDataConfig(
                train=str(folder / "train.jsonl"),
                eval=str(folder / "eval.jsonl"),
                max_seq_length=10,
                global_batch_size=8,
                cache_dir="none",
                pack_examples=False,
            ),
            optimizer=OptimizerConfig(learning_rate=1e-2),
            num_train_epochs=2.0,
            checkpoint_interval=2,
            keep_checkpoints=10,
            log_interval=1,
            hidden_dropout_prob=0.0,
            init_from=str(folder / "model"),
        ),
    )


@pytest.fixture(scope="module")
def trained(runs):
    return runs.train("trained")


def losses(workdir):
    lines = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
    return [line["loss"] for line in lines if line["split"] == "train"]


def same_values(received, expected, tolerance):
    """Compares answers of any shape: numbers closely, all else exactly."""
    if isinstance(expected, dict):
        assert received.keys() == expected.keys()
        for key, value in expected.items():
            same_values(received[key], value, tolerance)
    elif isinstance(expected, list | tuple):
        assert len(received) == len(expected)
        for pair in zip(received, expected, strict=True):
            same_values(*pair, tolerance)
    elif isinstance(expected, float):
        assert received == pytest.approx(expected, abs=tolerance)
    else:
        assert received == expected


def evaluate(task, model, source):
    """The held-out metrics that are sums, of all examples in one batch."""
    reader = source.reader(replica_batch_size=source.num_examples)
    batch = {name: tf.constant(v[0, 0]) for name, v in reader.read(0, 1).items()}
    sums = task.sums(task.apply(model, batch), batch)
    weights = {f"{name}_weight": w for name, w in task.weights(batch).items()}
    return task.summarize({n: float(v) for n, v in (sums | weights).items()})


def test_it_learns(runs, trained):
    steps = losses(trained)
    assert len(steps) >= 4 and np.isfinite(steps).all()
    assert len(set(steps)) > 1
    results = read_json(trained / "eval.json")
    card = (trained / "README.md").read_text()
    assert f"| loss | {results['loss']:.4g} |" in card
    task = resolve_checkpoint(trained).task
    assert task.name == runs.config.task.name and task.max_seq_length == 10
    assert {"loss", LABELLED_TASKS[task.name].usual_best} <= results.keys()


@pytest.mark.parametrize(
    ("name", "data", "overrides"),
    [
        ("accumulated", {}, {"accumulation_steps": 2}),
        ("packed", {"pack_examples": True}, {}),
    ],
)
def test_losses_do_not_depend_on_how_examples_are_batched(
    runs, trained, name, data, overrides
):
    if name == "accumulated" and not ROWS[runs.config.task.name].accumulates:
        pytest.skip("its loss depends on what else is in a micro-batch")
    workdir = runs.train(name, data, **overrides)

    np.testing.assert_allclose(losses(workdir), losses(trained), rtol=1e-4)
    expected, received = (read_json(w / "eval.json") for w in (trained, workdir))
    assert received["loss"] == pytest.approx(expected["loss"], rel=1e-4)


def test_an_interrupted_run_goes_on_to_the_same_bytes(runs):
    dropout = {"hidden_dropout_prob": 0.2}
    workdir = runs.train("whole", **dropout)
    last = list_checkpoints(workdir)[-1]
    expected = [
        (last / f"{n}.safetensors").read_bytes() for n in ("model", "optimizer")
    ]

    shutil.rmtree(last)
    (workdir / "checkpoints" / "best").unlink()
    runs.train("whole", **dropout)

    received = [
        (last / f"{n}.safetensors").read_bytes() for n in ("model", "optimizer")
    ]
    assert received == expected


def test_evaluation_does_not_depend_on_the_batch_size(runs, trained):
    predictor = bert_tf.load(trained)
    task = predictor.task
    source = task.open_held_out(runs.held_out, predictor.vocabulary)
    inference = Inference(task, predictor.model)

    one, all_of_them = (
        task.score(source, inference.run(source, batch_size)) for batch_size in (1, 16)
    )

    same_values(one, all_of_them, 1e-5)
    reported = read_json(trained / "eval.json")
    for name, value in one.items():
        if name in reported and reported[name] is not None:
            assert reported[name] == pytest.approx(value, abs=1e-4)


@pytest.mark.parametrize("format", ["native", "hugging_face", "tf1"])
def test_a_converted_model_answers_as_the_run_does(runs, trained, tmp_path, format):
    conversion.save(conversion.load_any(trained), tmp_path / "model", format)
    if not ROWS[runs.config.task.name].predicts:
        results = []
        for folder in (trained, tmp_path / "model"):
            model = bert_tf.load(folder)
            source = model.task.open_held_out(runs.held_out, model.vocabulary)
            results.append(evaluate(model.task, model.model, source))
        same_values(*results, 1e-5)
        return
    inputs = [ROWS[runs.config.task.name].example(i) for i in range(5)]

    expected = bert_tf.load(trained).predict(inputs, batch_size=5)
    received = bert_tf.load(tmp_path / "model").predict(inputs, batch_size=2)

    assert len(expected) == 5
    same_values(received, expected, 1e-5)


def test_exports_compute_what_the_model_does(runs, trained, tmp_path, monkeypatch):
    from export.check import tflite_weights
    from export.tflite import converter, quantizer
    from export.tflite.inputs import read_inputs

    # All weights of a toy are small.
    monkeypatch.setattr(quantizer, "MIN_ELEMENTS", 1)

    model = pretrained.load(resolve_checkpoint(trained))
    saving.save(tmp_path / "saved_model", model)
    assert tf.saved_model.contains_saved_model(str(tmp_path / "saved_model"))
    quantizations = QUANTIZATIONS if ROWS[runs.config.task.name].on_phones else {}
    content = converter.convert_float(model) if quantizations else b""
    examples = read_inputs(model, runs.config.data.train, 10)
    for name in quantizations:
        ranges = quantizer.calibrate(content, name, examples)
        quantized = quantizer.quantize(content, name, ranges=ranges)
        (tmp_path / f"{name}.tflite").write_bytes(quantized)
        found = {weight.dtype for weight in tflite_weights.weights(quantized)}
        assert QUANTIZATIONS[name].upper() in found

    report = verification.verify(
        model,
        runs.held_out,
        saved_model_dir=tmp_path / "saved_model",
        tflite_files=[tmp_path / f"{name}.tflite" for name in quantizations],
        texts=[],
        # A toy's answers hang by a thread.
        settings=verification.Settings(latency_calls=1, max_drop=1.0),
    )

    assert report["failures"] == []
    formats = [artifact["format"] for artifact in report["artifacts"]]
    assert formats == ["saved_model", *["tflite"] * len(quantizations)]
    for artifact in report["artifacts"]:
        if not artifact["quantized"]:
            assert artifact["max_abs_diff"] < 1e-4
        assert np.isfinite(artifact["max_abs_diff"])


def test_what_stands_beside_an_export_fits_it(runs, trained, tmp_path):
    """Its README describes every tensor, and it answers the warm-up requests."""
    directory = tmp_path / "bert" / "1"
    model = pretrained.load(resolve_checkpoint(trained))
    description = saving.save(directory, model)
    text = usage.describe(directory, model, model_name="bert")
    signatures = tf.saved_model.load(str(directory)).signatures
    assert sorted(signatures) == sorted(description["signatures"])
    for name, function in signatures.items():
        assert f"### `{name}`" in text
        tensors = {**function.structured_input_signature[1]}
        for key in (*tensors, *function.structured_outputs):
            assert f"| `{key}` |" in text.partition(f"### `{name}`")[2]

    count = warmup.write(directory, model, model_name="bert", batch_sizes=[1, 3])
    records = list(read_records(directory / "assets.extra" / warmup.FILE_NAME))
    assert count == len(records) >= 2 * len(signatures)
    batches = set()
    for record in records:
        log = prediction_log_pb2.PredictionLog.FromString(record)
        request = log.predict_log.request
        assert request.model_spec.name == "bert"
        inputs = {name: tf.make_ndarray(v) for name, v in request.inputs.items()}
        assert prediction_log.decode(record)[0] == request.model_spec.signature_name
        outputs = signatures[request.model_spec.signature_name](
            **{name: tf.constant(value) for name, value in inputs.items()}
        )
        for value in outputs.values():
            batches.add(len(value))
    assert batches == {1, 3}

    report = serving_check.check(directory, model, InThisProcess(signatures))
    assert report["failures"] == []
    assert report["warmup_requests"] == count
    assert set(report["max_abs_diff"]) == set(signatures)
    refused = [e for e in report["invalid_requests"] if "refused" in e["outcome"]]
    assert {entry["signature"] for entry in refused} == set(signatures)
    if runs.config.task.name == "question_answering":
        refused = {entry["what"]: entry["outcome"] for entry in refused}
        assert "at most 256 windows" in refused["context: 1 MB of words"]


class InThisProcess:
    """What `serving_check` asks, without a process of its own for each task."""

    def __init__(self, signatures):
        self._signatures = signatures

    def call(self, signature, inputs):
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        try:
            outputs = self._signatures[signature](**tensors)
        except (tf.errors.OpError, TypeError, ValueError) as error:
            raise RefusedRequestError(f"{signature}: {error}") from None
        return {name: value.numpy() for name, value in outputs.items()}, []
