"""What a fine-tuning run makes of its files before it trains."""

import dataclasses
import json
import re

import pytest
from finetuning_runs import train

from bert_tf.tasks.settings import (
    ClassificationSettings,
    MultiLabelSettings,
    QuestionAnsweringSettings,
    TokenClassificationSettings,
)
from bert_tf.training import finetuning


@pytest.fixture
def open_inputs(finetuning_config, tmp_path):
    """`open_inputs(task, name of a file, its content, **data) -> Inputs`."""

    def open_inputs(task, name, content, **data):
        path = tmp_path / name
        path.write_text(content)
        data = dataclasses.replace(finetuning_config.data, train=str(path), **data)
        config = dataclasses.replace(finetuning_config, task=task, data=data)
        return finetuning.open_inputs(config.validate())

    return open_inputs


@pytest.mark.parametrize(
    ("task", "name", "line"),
    [
        (MultiLabelSettings(), "a.csv", "the heart {n},{n}\n"),
        (TokenClassificationSettings(), "a.conll", "the X\nheart{n} Y{n}\n\n"),
    ],
)
def test_labels_that_only_held_out_examples_have_are_known(
    open_inputs, task, name, line
):
    header = "text,labels\n" if name == "a.csv" else ""
    content = header + "".join(line.format(n=n) for n in range(20))
    for data in {"eval_share": 0.3}, {"eval_share": 0.1, "max_examples": 5}:
        found = open_inputs(task, name, content, **data)
        labels = {str(n) for n in range(20)}
        if name == "a.conll":
            labels = {"X", *(f"Y{n}" for n in range(20))}
        assert set(found.task.description.labels) == labels


def test_questions_about_one_text_are_on_one_side(open_inputs):
    records = [
        {
            "question": f"{n}?",
            "context": f"the heart {n // 4}",
            "answers": {"text": ["heart"], "answer_start": [4]},
        }
        for n in range(40)
    ]
    task = QuestionAnsweringSettings(doc_stride=1, max_query_length=2)
    lines = "\n".join(map(json.dumps, records))
    found = open_inputs(task, "a.jsonl", lines, eval_share=0.3)
    (held_out,) = found.held_out
    sides = [{e.context for e in part.examples} for part in (found.train, held_out)]
    assert (len(sides[0]), len(sides[1])) == (7, 3)
    assert not sides[0] & sides[1]


def test_the_card_counts_examples_not_their_windows(open_inputs, finetuning_config):
    content = "".join(f"the X{n % 2}\n" * 9 + "\n" for n in range(8))
    found = open_inputs(
        TokenClassificationSettings(), "a.conll", content, eval_share=0.0
    )
    assert len(found.train.encoded) > 8
    origin = finetuning.describe_origin(finetuning_config, found.train)
    assert "on 8 examples of" in origin


def test_some_held_out_examples_stand_for_texts_of_all_lengths(
    finetuning_config, tmp_path
):
    path = tmp_path / "a.csv"
    rows = [f"{'the ' * (1 + n % 5)}{n},{n % 2}\n" for n in range(200)]
    path.write_text("text,label\n" + "".join(rows))
    config = dataclasses.replace(
        finetuning_config,
        task=ClassificationSettings(),
        data=dataclasses.replace(
            finetuning_config.data, train=str(path), eval=str(path)
        ),
        eval_examples=100,
    ).validate()
    inputs = finetuning.open_inputs(config)
    (held_out,) = inputs.held_out
    assert held_out.num_examples == 100
    lengths = inputs.train.encoded.lengths
    assert held_out.encoded.lengths.mean() == pytest.approx(lengths.mean(), rel=0.1)
    (again,) = finetuning.open_inputs(config).held_out
    assert [e.text for e in again.examples] == [e.text for e in held_out.examples]
    # Metrics and the report are of the same examples.
    workdir = train(dataclasses.replace(config, num_train_epochs=0.1), tmp_path / "run")
    report = (workdir / "report.md").read_text()
    supports = re.findall(
        r"^\| [01] \|(?:[^|]*\|){3} (\d+) \| \d+ \|$", report, re.MULTILINE
    )
    assert sum(map(int, supports)) == 100
