"""The model card: `README.md` beside a model, for people and for model hubs.

Source of the fields of the head: Hugging Face Hub, "Model Cards", the specification of
a model card's metadata.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.storage import files

FILE_NAME = "README.md"

_PIPELINE_TAGS = {
    "pretraining": "fill-mask",
    "classification": "text-classification",
    "multi_label": "text-classification",
    "regression": "text-classification",
    "token_classification": "token-classification",
    "question_answering": "question-answering",
    "multiple_choice": "multiple-choice",
    "embedding": "sentence-similarity",
    "extractive_summarization": "summarization",
    "sequence_to_sequence": "text2text-generation",
    "causal_lm": "text-generation",
}


def shown_metrics(
    shown: Iterable[str], measured: Mapping[str, float | None]
) -> dict[str, float]:
    """Returns what a card tells of held-out metrics.

    Args:
        shown: names of those that matter, beside the loss.
        measured: name -> value, None where it was not finite.
    """
    values = {name: measured.get(name) for name in (*shown, "loss")}
    return {name: value for name, value in values.items() if value is not None}


def write(
    path: Path,
    task: TaskDescription,
    *,
    name: str,
    origin: str,
    metrics: Mapping[str, float] | None = None,
    command: str = "",
    notes: Sequence[str] = (),
    usage: str = "",
) -> None:
    """Writes the model card of a model.

    Args:
        path: the card; its folder is the model's, or it stands beside the model.
        task: what it was trained for.
        name: the title.
        origin: what it was made from, as a sentence.
        metrics: held-out metric -> value; None where nobody measured any.
        command: what gives these metrics again.
        notes: further limits, a sentence each.
        usage: how the model is used, Markdown under headings of its own.
    """
    tag = _PIPELINE_TAGS.get(task.name)
    head: dict[str, Any] = {
        "license": "unknown",
        "language": ["und"],  # ISO 639 for "undetermined".
        "library_name": "bert_tf",
        **({"pipeline_tag": tag} if tag else {}),
        "tags": ["bert", task.name],
    }
    if metrics:
        head["metrics"] = list(metrics)
    lines = [
        "---",
        # JSON values are YAML values, whatever characters they hold.
        *(f"{key}: {json.dumps(value)}" for key, value in head.items()),
        "---",
        "",
        f"# {name}",
        "",
        f"A BERT for {task.name.replace('_', ' ')}. {origin}",
        "",
    ]
    if task.labels:
        listed = ", ".join(
            json.dumps(label, ensure_ascii=False) for label in task.labels
        )
        lines += [f"It tells {len(task.labels)} labels apart: {listed}.", ""]
    if usage:
        lines += [usage.rstrip(), ""]
    lines += ["## Metrics", ""]
    if metrics:
        lines += ["| metric | held-out value |", "|---|---|"]
        lines += [f"| {metric} | {value:.4g} |" for metric, value in metrics.items()]
    else:
        lines += ["Nobody has measured this model on held-out data here."]
    if command:
        lines += ["", "Measured by:", "", "```", command, "```"]
    lines += ["", "## Limits", ""]
    lines += [f"- {limit}" for limit in (*_limits(task, bool(metrics)), *notes)]
    files.write_text(path, "\n".join(lines) + "\n")


def _limits(task: TaskDescription, measured: bool) -> list[str]:
    limits = []
    if task.max_seq_length:
        limits.append(
            f"It was trained on at most {task.max_seq_length} tokens at once; of "
            "longer texts it may see a part only."
        )
    if measured:
        limits.append(
            "The metrics hold for texts like the held-out ones, and for no others."
        )
    return [
        *limits,
        "Language and license are those of the training data and of the weights that "
        "it started from; look them up and state them above before you publish it.",
        "It repeats what its training data say, with their errors and prejudices.",
    ]
