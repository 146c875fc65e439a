"""What the demo came to, read from the files that its jobs wrote."""

import dataclasses
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bert_tf.checkpoints.workdir import resolve_checkpoint
from bert_tf.data.dataset_info import DatasetInfo
from bert_tf.storage.json_files import read_json


class Layout:
    """Where the demo's files are.

    Args:
        root: the folder of them all.
    """

    def __init__(self, root: Path):
        self.root = root
        self.vocab_file = root / "vocab" / "vocab.txt"
        self.train_dir = root / "records" / "train"
        self.eval_dir = root / "records" / "held_out"
        self.workdir = root / "workdir"
        # TF Serving wants a version number as the last name.
        self.saved_model_dir = root / "saved_model" / "1"
        self.tflite_float32 = root / "bert.tflite"
        self.tflite_int8 = root / "bert_int8.tflite"
        self.verification_file = root / "verification.json"


def collect(layout: Layout, steps: Mapping[str, Any]) -> dict[str, Any]:
    """Reads the figures of a finished demo.

    Args:
        layout: where its files are.
        steps: title -> `seconds` of each step.

    Returns:
        What `summary.json` holds.
    """
    folder = resolve_checkpoint(layout.workdir)
    evaluation = read_json(layout.workdir / "eval.json")
    verification = read_json(layout.verification_file)
    artifacts = {artifact["path"]: artifact for artifact in verification["artifacts"]}
    saved_model = artifacts[str(layout.saved_model_dir)]
    float32 = artifacts[str(layout.tflite_float32)]
    int8 = artifacts[str(layout.tflite_int8)]
    held_out = DatasetInfo.load(layout.eval_dir)
    random_pairs = held_out.statistics["random_pair_rate"]
    seconds = {title: step["seconds"] for title, step in steps.items()}
    return {
        "seconds": round(sum(seconds.values()), 1),
        "seconds_by_step": seconds,
        "num_train_examples": DatasetInfo.load(layout.train_dir).num_records,
        "num_eval_examples": held_out.num_records,
        "model": dataclasses.asdict(folder.config),
        "num_parameters": sum(array.size for array in folder.variables.values()),
        "num_train_steps": folder.step,
        "sequences_per_second": _sequences_per_second(layout.workdir),
        "mlm_accuracy": evaluation["masked_lm_accuracy"],
        "mlm_loss": evaluation["masked_lm_loss"],
        "unigram_accuracy": evaluation["unigram_accuracy"],
        "unigram_loss": evaluation["unigram_loss"],
        "nsp_accuracy": evaluation["next_sentence_accuracy"],
        "nsp_majority": max(random_pairs, 1 - random_pairs),
        "num_threads": verification["num_threads"],
        "keras_mlm_accuracy": verification["keras"]["masked_lm_accuracy"],
        **_artifact("saved_model", saved_model),
        **_artifact("tflite_float32", float32),
        **_artifact("tflite_int8", int8),
        "fillings": verification["answers"],
    }


def markdown(summary: Mapping[str, Any]) -> str:
    """Returns a summary as Markdown tables that also read well in a terminal."""
    model = summary["model"]
    num_layers = model["num_hidden_layers"]
    results = [
        ("", "Result"),
        (
            "Examples written",
            f"{summary['num_train_examples']:,} to train on, "
            f"{summary['num_eval_examples']:,} held out",
        ),
        (
            "Model",
            f"{summary['num_parameters'] / 1e6:.1f} M parameters: "
            f"{num_layers} layer{'s' * (num_layers > 1)}, hidden size "
            f"{model['hidden_size']}, vocabulary of {model['vocab_size']:,}",
        ),
        (
            "Training",
            f"{summary['num_train_steps']:,} steps, "
            f"{summary['sequences_per_second']:.0f} sequences/s",
        ),
        (
            "Held-out masked-LM accuracy",
            f"{summary['mlm_accuracy']:.1%} (always the commonest token: "
            f"{summary['unigram_accuracy']:.1%})",
        ),
        (
            "Held-out masked-LM loss",
            f"{summary['mlm_loss']:.2f} nats (token frequencies alone: "
            f"{summary['unigram_loss']:.2f})",
        ),
        (
            "Held-out next-sentence accuracy",
            f"{summary['nsp_accuracy']:.1%} (always the commoner answer: "
            f"{summary['nsp_majority']:.1%})",
        ),
        ("Time", _minutes(summary["seconds"])),
    ]
    artifacts = [
        (
            "Artifact",
            "MB",
            f"ms an example ({summary['num_threads']} threads)",
            "Largest difference from Keras",
            f"Masked-LM accuracy (Keras: {summary['keras_mlm_accuracy']:.2%})",
        )
    ]
    for title, name in (
        ("SavedModel", "saved_model"),
        ("TFLite float32", "tflite_float32"),
        ("TFLite int8", "tflite_int8"),
    ):
        artifacts.append(
            (
                title,
                f"{summary[f'{name}_num_bytes'] / 1e6:.1f}",
                f"{summary[f'{name}_latency_ms']:.2f}",
                f"{summary[f'{name}_max_abs_diff']:.1e}",
                f"{summary[f'{name}_mlm_accuracy']:.2%}",
            )
        )
    fillings = [("Sentence", "Likeliest fillings")] + [
        (filling["text"], "; ".join(", ".join(tokens) for tokens in filling["tokens"]))
        for filling in summary["fillings"]
    ]
    times = [("Step", "Seconds")] + [
        (title, f"{seconds:.0f}")
        for title, seconds in summary["seconds_by_step"].items()
    ]
    tables: list[Sequence[Sequence[str]]] = [results, artifacts, fillings, times]
    return "\n".join(_table(rows) for rows in tables)


def _artifact(name: str, artifact: Mapping[str, Any]) -> dict[str, float]:
    return {
        f"{name}_max_abs_diff": artifact["max_abs_diff"],
        f"{name}_mlm_accuracy": artifact["masked_lm_accuracy"],
        f"{name}_num_bytes": artifact["num_bytes"],
        f"{name}_latency_ms": artifact["latency_ms"],
    }


def _sequences_per_second(workdir: Path) -> float:
    """Returns the median over the run's lines of metrics."""
    text = (workdir / "metrics.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    rates = [
        line["examples_per_second"] for line in lines if "examples_per_second" in line
    ]
    return statistics.median(rates) if rates else math.nan


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Aligns rows, the first of them the heading, as a Markdown table."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"
