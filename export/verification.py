"""Measures exported artifacts against the Keras model that they came from."""

import os
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from bert_tf.checkpoints.model_folder import ModelFolder
from bert_tf.data.dataset_info import DatasetInfo
from bert_tf.errors import InputError
from bert_tf.models import BertPretrainer
from bert_tf.storage.example_codec import decode_example
from bert_tf.storage.tfrecord import read_records
from bert_tf.text.tokenization import BertTokenizer
from export import tflite_weights
from export.backends import (
    Arrays,
    Backend,
    KerasBackend,
    SavedModelBackend,
    TFLiteBackend,
)
from export.comparison import Comparison, failures
from export.saved_model import MODEL_INPUTS

BATCH_SIZE = 16


def verify(
    folder: ModelFolder,
    model: BertPretrainer,
    *,
    records_dir: str | os.PathLike[str],
    saved_model_dir: str | os.PathLike[str] | None,
    tflite_files: Sequence[str | os.PathLike[str]],
    texts: Sequence[str],
    max_examples: int,
    latency_calls: int,
    num_threads: int,
    max_accuracy_drop: float,
) -> dict[str, Any]:
    """Runs artifacts and model on the same examples.

    Args:
        folder: the checkpoint.
        model: its model, with its weights.
        records_dir: held-out records of the checkpoint's vocabulary.
        saved_model_dir: a SavedModel, or None.
        tflite_files: TFLite files.
        texts: sentences with [MASK] for the SavedModel to fill.
        max_examples: how many of the records to compare on.
        latency_calls: timed calls of each artifact.
        num_threads: threads for the artifacts.
        max_accuracy_drop: see `comparison.failures`.

    Returns:
        What `verification.json` holds: accuracies of the model (`keras`), an entry for
        each of the `artifacts`, `fillings` of the texts, and the `failures`.

    Raises:
        InputError: records that do not fit the checkpoint or an artifact, or an
            artifact that does not load.
    """
    DatasetInfo.load(records_dir).check_matches(
        records_dir, vocab_hash=folder.vocabulary.hash
    )
    examples = load_examples(records_dir, max_examples)
    with ExitStack() as stack:
        backends: dict[str, Backend] = {}
        artifacts: list[dict[str, Any]] = []
        served = None
        if saved_model_dir is not None:
            served = SavedModelBackend(saved_model_dir, num_threads)
            backends[os.fspath(saved_model_dir)] = stack.enter_context(served)
            artifacts.append({"format": "saved_model", "quantized": False})
        for path in tflite_files:
            backends[os.fspath(path)] = TFLiteBackend(path, num_threads)
            products = tflite_weights.product_weights(Path(path).read_bytes())
            quantized = any(weight.dtype == "INT8" for weight in products)
            artifacts.append({"format": "tflite", "quantized": quantized})

        reference, comparisons = _compare(KerasBackend(model), backends, examples)
        for artifact, (path, backend) in zip(artifacts, backends.items(), strict=True):
            result = comparisons[path].result()
            drop = reference["masked_lm_accuracy"] - result["masked_lm_accuracy"]
            artifact.update(
                path=path,
                num_bytes=num_bytes(path),
                latency_ms=latency_ms(backend, examples, latency_calls),
                masked_lm_accuracy_drop=drop,
                **result,
            )
        fillings: list[dict[str, Any]] = []
        if served is not None and texts:
            fillings, difference = _fill(folder, model, served, texts)
            artifacts[0]["max_abs_diff_of_fillings"] = difference
    return {
        "checkpoint": os.fspath(folder.path),
        "step": folder.step,
        "records_dir": os.fspath(records_dir),
        "num_examples": len(examples["input_ids"]),
        "num_threads": num_threads,
        "latency_calls": latency_calls,
        "keras": {
            name: value for name, value in reference.items() if name != "max_abs_diff"
        },
        "artifacts": artifacts,
        "fillings": fillings,
        "failures": failures(artifacts, max_accuracy_drop),
    }


def load_examples(
    records_dir: str | os.PathLike[str], max_examples: int
) -> dict[str, np.ndarray]:
    """Reads the first examples of a folder of records.

    Args:
        records_dir: written by `data_prep.create_pretraining_data`.
        max_examples: how many at most.

    Returns:
        name -> int32 or float32 `[examples, ...]`.

    Raises:
        InputError: no finished data set, one whose records hold no masks, no records
            in it, or a damaged record.
    """
    info = DatasetInfo.load(records_dir)
    if info.parameters.dynamic_masking:
        raise InputError(
            f"{os.fspath(records_dir)}: these records hold no masks "
            "(--dynamic_masking). Verify with records that do."
        )
    messages = (
        message
        for path in info.shard_paths(records_dir)
        for message in read_records(path)
    )
    rows = [
        decode_example(message, info.features)
        for message in islice(messages, max_examples)
    ]
    if not rows:
        raise InputError(f"{os.fspath(records_dir)}: the data set holds no records.")
    return {
        name: np.stack([row[name] for row in rows]).astype(
            "float32" if feature.dtype == "float32" else "int32"
        )
        for name, feature in info.features.items()
    }


def latency_ms(backend: Backend, examples: Arrays, calls: int) -> float:
    """Returns the median milliseconds of a call with one example.

    Args:
        backend: where the model runs.
        examples: the first of them is used.
        calls: timed calls; a tenth as many untimed ones come first.
    """
    example = {name: values[:1] for name, values in _model_inputs(examples).items()}
    backend.time_calls(example, calls=max(1, calls // 10))
    return 1000 * statistics.median(backend.time_calls(example, calls))


def num_bytes(path: str | os.PathLike[str]) -> int:
    """Returns the size of a file, or of all files of a folder."""
    path = Path(path)
    if path.is_file():
        return path.stat().st_size
    return sum(entry.stat().st_size for entry in path.rglob("*") if entry.is_file())


def table(report: dict[str, Any]) -> str:
    """Returns the report's figures as aligned lines of text."""
    keras = report["keras"]
    lines = [
        f"{report['num_examples']} examples, {report['num_threads']} threads; Keras: "
        f"masked-LM accuracy {keras['masked_lm_accuracy']:.4f}, next-sentence accuracy "
        f"{keras['next_sentence_accuracy']:.4f}",
        "  largest diff   MLM acc   NSP acc       MB       ms  artifact",
    ]
    for artifact in report["artifacts"]:
        lines.append(
            f"{artifact['max_abs_diff']:14.2e}{artifact['masked_lm_accuracy']:10.4f}"
            f"{artifact['next_sentence_accuracy']:10.4f}"
            f"{artifact['num_bytes'] / 1e6:9.1f}{artifact['latency_ms']:9.2f}"
            f"  {artifact['path']}"
        )
    for filling in report["fillings"]:
        lines.append(f"{filling['text']}")
        for tokens in filling["tokens"]:
            lines.append(f"    {', '.join(tokens)}")
    return "\n".join(lines)


def _compare(
    keras: Backend, backends: dict[str, Backend], examples: Arrays
) -> tuple[dict[str, float], dict[str, Comparison]]:
    """Returns the model's own figures and each artifact's comparison with it."""
    own = Comparison()
    comparisons = {path: Comparison() for path in backends}
    for batch in tqdm(list(_batches(examples)), desc="Verifying", unit="batch"):
        inputs = _model_inputs(batch)
        expected = keras.predict(inputs)
        own.update(batch, expected, expected)
        for path, backend in backends.items():
            comparisons[path].update(batch, backend.predict(inputs), expected)
    return own.result(), comparisons


def _fill(
    folder: ModelFolder,
    model: BertPretrainer,
    served: SavedModelBackend,
    texts: Sequence[str],
) -> tuple[list[dict[str, Any]], float]:
    """Returns the SavedModel's fillings and how far they are from the model's.

    The model sees every text alone and padded, the SavedModel all of them in a batch.
    """
    outputs, _ = served.call("serving_default", {"text": list(texts)})
    tokenizer = BertTokenizer(folder.vocabulary)
    fillings, difference = [], 0.0
    for row, text in enumerate(texts):
        tokens = tokenizer.tokenize([text], literal_mask=True)
        packed = tokenizer.pack([tokens], folder.config.max_position_embeddings)
        (positions,) = np.nonzero(
            packed["input_ids"][0] == tokenizer.vocabulary.mask_id
        )
        logits = model({**packed, "masked_lm_positions": positions[None]})
        logits = logits["masked_lm_logits"].numpy()[0]
        expected = np.exp(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))
        found = outputs["probabilities"][row, : len(positions)]
        best = np.sort(expected, axis=-1)[:, : -1 - found.shape[-1] : -1]
        if found.size:
            difference = max(difference, float(np.abs(found - best).max()))
        fillings.append(
            {
                "text": text,
                "tokens": [
                    [token.decode() for token in tokens]
                    for tokens in outputs["tokens"][row, : len(positions)]
                ],
                "probabilities": found.round(4).tolist(),
            }
        )
    return fillings, difference


def _batches(examples: Arrays) -> Iterator[dict[str, np.ndarray]]:
    count = len(examples["input_ids"])
    for start in range(0, count, BATCH_SIZE):
        end = start + BATCH_SIZE
        yield {name: values[start:end] for name, values in examples.items()}


def _model_inputs(batch: Arrays) -> dict[str, np.ndarray]:
    return {name: batch[name] for name in MODEL_INPUTS}
