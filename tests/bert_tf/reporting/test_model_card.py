"""Model cards are read by people and, their head, by programs."""

import yaml

from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.reporting import model_card


def read(path):
    _, head, text = path.read_text().split("---\n", 2)
    return yaml.safe_load(head), text


def test_the_head_is_yaml_and_the_text_tells_metrics_and_limits(tmp_path):
    task = TaskDescription("classification", 128, ("a: b", "no", 'q"'))
    path = tmp_path / "README.md"
    model_card.write(
        path,
        task,
        name="Reviews",
        origin="Made from: *all-MiniLM-L6-v2*.",
        metrics={"accuracy": 0.81234, "loss": 0.5},
        command="python -m bert_tf.run_finetuning --workdir=runs/reviews",
        notes=["A limit more."],
    )

    head, text = read(path)
    assert head == {
        "license": "unknown",
        "language": ["und"],
        "library_name": "bert_tf",
        "pipeline_tag": "text-classification",
        "tags": ["bert", "classification"],
        "metrics": ["accuracy", "loss"],
    }
    for part in (
        "# Reviews",
        "Made from: *all-MiniLM-L6-v2*.",
        'It tells 3 labels apart: "a: b", "no", "q\\"".',
        "| accuracy | 0.8123 |",
        "python -m bert_tf.run_finetuning --workdir=runs/reviews",
        "at most 128 tokens",
        "- A limit more.",
    ):
        assert part in text


def test_without_metrics_it_says_so(tmp_path):
    path = tmp_path / "README.md"
    model_card.write(path, TaskDescription(), name="x", origin="Converted from tf1.")

    head, text = read(path)
    assert head["pipeline_tag"] == "fill-mask" and "metrics" not in head
    assert "Nobody has measured this model" in text
    assert "The metrics hold" not in text


def test_shown_metrics_are_those_that_have_a_value():
    measured = {"loss": 0.5, "accuracy": None, "f1_macro": 0.25, "ece": 0.1}
    shown = model_card.shown_metrics(["accuracy", "f1_macro", "auc"], measured)
    assert shown == {"f1_macro": 0.25, "loss": 0.5}
