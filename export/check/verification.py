"""Measures exported artifacts against the Keras model that they came from."""

import dataclasses
import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from bert_tf.data.source import ExampleSource
from bert_tf.errors import InputError
from bert_tf.labelled.source import LabelledSource
from bert_tf.text.tokenization import BertTokenizer
from export.check import text_signature
from export.check.backends import (
    Arrays,
    Backend,
    KerasBackend,
    SavedModelBackend,
)
from export.check.comparison import Comparison, expected_of, failures
from export.check.litert import TEXT_SIGNATURE, TFLiteBackend
from export.check.measurement import num_bytes
from export.checkpoint.pretrained import TrainedModel

BATCH_SIZE = 16
_SEED = 0  # Of which examples are drawn: the same ones for every export.
# What readers make no longer than a batch needs.
_CUT_TO_BATCH = ("input_ids", "input_mask", "segment_ids", "cls_positions")


@dataclasses.dataclass(frozen=True)
class Settings:
    """How artifacts are measured.

    Attributes:
        max_examples: how many held-out examples to compare on, drawn at random.
        latency_calls: timed calls of each artifact.
        num_threads: threads for the artifacts.
        max_drop: how much of the task's quality a quantized artifact may lose.
    """

    max_examples: int = 512
    latency_calls: int = 50
    num_threads: int = 2
    max_drop: float = 0.01


def verify(
    trained: TrainedModel,
    held_out: str,
    *,
    saved_model_dir: str | os.PathLike[str] | None,
    tflite_files: Sequence[str | os.PathLike[str]],
    texts: Sequence[str],
    settings: Settings,
) -> dict[str, Any]:
    """Runs artifacts and model on the same examples.

    Args:
        trained: the checkpoint and its model.
        held_out: what the task calls held-out data, of the checkpoint's vocabulary.
        saved_model_dir: a SavedModel, or None.
        tflite_files: TFLite files.
        texts: what to ask the SavedModel's `serving_default`.
        settings: how to measure.

    Returns:
        What `verification.json` holds: metrics of the model (`keras`), an entry for
        each of the `artifacts`, `answers` to the texts, and the `failures`.

    Raises:
        InputError: examples that do not fit the checkpoint or an artifact, an
            artifact that does not load, or texts for a task that takes more.
    """
    folder, task = trained.folder, trained.task
    if texts:
        _check_takes_text(trained)
    source = open_source(trained, held_out, settings.max_examples)
    count = source.num_positions(settings.max_examples)
    examples = read_examples(trained, source, count, held_out)
    with ExitStack() as stack:
        artifacts, backends, served = _open(
            stack, saved_model_dir, tflite_files, settings.num_threads
        )
        reference, results = _compare(trained, source, examples, backends)
        inputs = {name: examples[name] for name in task.input_lengths(1)}
        example = {name: values[:1] for name, values in inputs.items()}
        for artifact, (path, backend) in zip(artifacts, backends.items(), strict=True):
            drop = reference[task.quality] - results[path][task.quality]
            artifact.update(
                {"path": path, f"{task.quality}_drop": drop},
                num_bytes=num_bytes(path),
                latency_ms=latency_ms(backend, example, settings.latency_calls),
                **results[path],
            )
            if isinstance(backend, TFLiteBackend) and backend.texts:
                artifact.update(
                    text_signature.measure(
                        backend,
                        task,
                        source,
                        inputs,
                        latency_calls=settings.latency_calls,
                        num_threads=settings.num_threads,
                    )
                )
        answers: list[dict[str, Any]] = []
        if served is not None and texts:
            answers, difference = _ask(trained, served, texts)
            artifacts[0]["max_abs_diff_of_answers"] = difference
    for name in ("max_abs_diff", "mean_abs_diff"):
        del reference[name]
    return {
        "checkpoint": os.fspath(folder.path),
        "step": folder.step,
        "task": task.name,
        "quality": task.quality,
        "held_out": held_out,
        "num_examples": count,
        "num_threads": settings.num_threads,
        "latency_calls": settings.latency_calls,
        "keras": reference,
        "artifacts": artifacts,
        "answers": answers,
        "failures": failures(artifacts, task.quality, settings.max_drop),
    }


def open_source(
    trained: TrainedModel, held_out: str, max_examples: int
) -> ExampleSource:
    """Opens held-out examples of which the first so many stand for all of them.

    Labelled ones are read from the longest to the shortest, so these are drawn.
    """
    source = trained.task.open_held_out(held_out, trained.folder.vocabulary)
    if isinstance(source, LabelledSource):
        return source.sample(max_examples, _SEED)
    return source


def read_examples(
    trained: TrainedModel, source: ExampleSource, count: int, held_out: str
) -> dict[str, np.ndarray]:
    """Returns the first examples, as long as a file of a fixed length takes them.

    Args:
        trained: whose inputs they are.
        source: the examples.
        count: how many.
        held_out: where they come from, for errors.

    Raises:
        InputError: they are longer than the model takes.
    """
    reader = source.reader(replica_batch_size=count)
    examples = {name: values[0, 0] for name, values in reader.read(0, 1).items()}
    lengths = trained.task.input_lengths(trained.max_seq_length)
    for name, length in lengths.items():
        missing = length - examples[name].shape[1]
        if missing < 0:
            raise InputError(
                f"{held_out}: its examples' `{name}` is {examples[name].shape[1]} "
                f"long, but the model takes at most {length}."
            )
        if name in _CUT_TO_BATCH and missing > 0:
            examples[name] = np.pad(examples[name], [(0, 0), (0, missing)])
    return examples


def _open(
    stack: ExitStack,
    saved_model_dir: str | os.PathLike[str] | None,
    tflite_files: Sequence[str | os.PathLike[str]],
    num_threads: int,
) -> tuple[list[dict[str, Any]], dict[str, Backend], SavedModelBackend | None]:
    """Opens artifacts: an entry of the report and a backend by path for each."""
    backends: dict[str, Backend] = {}
    artifacts: list[dict[str, Any]] = []
    served = None
    if saved_model_dir is not None:
        served = SavedModelBackend(saved_model_dir, num_threads)
        backends[os.fspath(saved_model_dir)] = stack.enter_context(served)
        quantized = served.precision != "float32"
        artifacts.append({"format": "saved_model", "quantized": quantized})
    for path in dict.fromkeys(os.fspath(each) for each in tflite_files):
        from export.check import tflite_weights  # needs LiteRT

        backends[path] = TFLiteBackend(path, num_threads)
        weights = tflite_weights.weights(Path(path).read_bytes())
        quantized = any(weight.dtype != "FLOAT32" for weight in weights)
        artifacts.append({"format": "tflite", "quantized": quantized})
    return artifacts, backends, served


def _compare(
    trained: TrainedModel,
    source: ExampleSource,
    examples: Arrays,
    backends: Mapping[str, Backend],
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Returns the figures of the model itself, and of each backend by path."""
    task = trained.task
    inputs = list(task.input_lengths(1))
    keras = KerasBackend(task.serve_ids(trained.model).function)
    own = Comparison(task, source)
    comparisons = {path: Comparison(task, source) for path in backends}
    for batch in tqdm(list(_batches(examples)), desc="Verifying", unit="batch"):
        given = {name: batch[name] for name in inputs}
        expected = keras.predict(given)
        own.update(batch, expected, expected)
        for path, backend in backends.items():
            outputs = backend.predict(given)
            names = expected_of(task, outputs, expected).keys()
            if outputs.keys() != names:
                raise InputError(
                    f"{path}: gives {', '.join(sorted(outputs))} where the model gives "
                    f"{', '.join(sorted(expected))}. It is of another task."
                )
            comparisons[path].update(batch, outputs, expected)
    return own.result(), {path: each.result() for path, each in comparisons.items()}


def latency_ms(backend: Backend, example: Arrays, calls: int) -> float:
    """Returns the median milliseconds of a call with one example.

    Args:
        backend: where the model runs.
        example: its inputs, a batch of one.
        calls: timed calls; a tenth as many untimed ones come first.
    """
    backend.time_calls(example, calls=max(1, calls // 10))
    return 1000 * statistics.median(backend.time_calls(example, calls))


def table(report: dict[str, Any], shown: Mapping[str, str]) -> str:
    """Returns the report's figures as aligned lines of text.

    Args:
        report: what `verify` returned.
        shown: metric -> its label.
    """
    keras = report["keras"]
    own = ", ".join(f"{label} {keras[name]:.4f}" for name, label in shown.items())
    labels = "".join(f"{label:>14}" for label in shown.values())
    lines = [
        f"{report['num_examples']} examples, {report['num_threads']} threads; Keras: "
        f"{own}",
        f"  largest diff{labels}       MB       ms  artifact",
    ]
    for artifact in report["artifacts"]:
        metrics = "".join(f"{artifact[name]:14.4f}" for name in shown)
        lines.append(
            f"{artifact['max_abs_diff']:14.2e}{metrics}"
            f"{artifact['num_bytes'] / 1e6:9.1f}{artifact['latency_ms']:9.2f}"
            f"  {artifact['path']}"
        )
        if "text_max_abs_diff" in artifact:
            lines.append(
                f"{artifact['text_max_abs_diff']:14.2e}{'':{len(labels) + 9}}"
                f"{artifact['text_latency_ms']:9.2f}  its {TEXT_SIGNATURE}, beside "
                "its own answers to ids"
            )
    for answer in report["answers"]:
        lines.append(f"{answer['text']}")
        lines += [f"    {n}: {v}" for n, v in answer.items() if n != "text"]
    return "\n".join(lines)


def _check_takes_text(trained: TrainedModel) -> None:
    tokenizer = BertTokenizer(trained.folder.vocabulary)
    endpoints = trained.task.endpoints(trained.model, tokenizer, trained.max_seq_length)
    names = list(endpoints["serving_default"].inputs)
    if names != ["text"]:
        raise InputError(
            f"--text: the SavedModel of {trained.task.name!r} takes {names}, which is "
            "more than a text. Leave --text out."
        )


def _ask(
    trained: TrainedModel, served: SavedModelBackend, texts: Sequence[str]
) -> tuple[list[dict[str, Any]], float]:
    """Returns the SavedModel's answers and how far they are from the model's.

    The model sees every text alone, the SavedModel all of them in a batch.
    """
    tokenizer = BertTokenizer(trained.folder.vocabulary)
    endpoints = trained.task.endpoints(trained.model, tokenizer, trained.max_seq_length)
    outputs, _ = served.call("serving_default", {"text": list(texts)})
    answers, difference = [], 0.0
    for row, text in enumerate(texts):
        alone = endpoints["serving_default"].function({"text": tf.constant([text])})
        answer: dict[str, Any] = {"text": text}
        for name, value in alone.items():
            expected = np.asarray(value.numpy()[0])
            # In a batch with others a text's answer may be padded.
            found = np.asarray(outputs[name][row])
            found = found[tuple(map(slice, expected.shape))]
            if found.dtype.kind == "f":
                if found.size:
                    difference = max(difference, float(np.abs(found - expected).max()))
                answer[name] = found.astype(np.float64).round(4).tolist()
            else:
                answer[name] = _decoded(found.tolist())
        answers.append(answer)
    return answers, difference


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    return value.decode() if isinstance(value, bytes) else value


def _batches(examples: Arrays) -> Iterator[dict[str, np.ndarray]]:
    count = len(next(iter(examples.values())))
    for start in range(0, count, BATCH_SIZE):
        end = start + BATCH_SIZE
        yield {name: values[start:end] for name, values in examples.items()}
