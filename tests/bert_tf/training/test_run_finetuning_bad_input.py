"""Bad data given to the job: one line that names file, row and field, or a count.

TensorFlow is loaded once, in a process that forks one for each job.
"""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from bert_tf.checkpoints.model_folder import save_model_folder

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]

FORKING = """
import json
import os
import sys

from bert_tf import run_finetuning
from bert_tf.training import finetuning, sweep

for line in sys.stdin:
    arguments, output = json.loads(line)
    child = os.fork()
    if not child:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.argv = ["run_finetuning", *arguments]
        try:
            run_finetuning.cli()
        except SystemExit as end:
            os._exit(end.code or 0)
        os._exit(70)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def job(tmp_path_factory, make_weights):
    """Runs the job; returns its exit code and the lines it printed."""
    folder = tmp_path_factory.mktemp("jobs")
    config = dataclasses.replace(make_weights().config, max_position_embeddings=32)
    weights = make_weights(config=config)
    save_model_folder(
        folder / "model",
        config=config,
        variables=weights.variables,
        vocabulary=weights.vocabulary,
    )
    forking = subprocess.Popen(
        [sys.executable, "-c", FORKING],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        bufsize=1,
    )

    def run(task: str, workdir: Path, **settings: object) -> tuple[int, list[str]]:
        settings = {"data.max_seq_length": 32, "data.cache_dir": "none"} | settings
        arguments = [
            f"--config=configs/finetune_{task}.py",
            f"--config.init_from={folder / 'model'}",
            f"--workdir={workdir}",
            *(f"--config.{name}={value}" for name, value in settings.items()),
        ]
        output = workdir.parent / "output.txt"
        print(json.dumps([arguments, str(output)]), file=forking.stdin)
        code = int(forking.stdout.readline())
        return code, output.read_text().splitlines()

    yield run
    forking.communicate()


def table(*rows, header="text,label"):
    return "\n".join([header, *rows]) + "\n"


GOOD = table(*(f"the heart {i},{'ab'[i % 2]}" for i in range(12)))
SENTENCE = "heart O\nof O\nthe B-LOC\n\ncard B-ORG\n"


def question(start):
    answers = {"text": ["heart"], "answer_start": [start]}
    return json.dumps({"question": "the", "context": "of heart", "answers": answers})


CASES = {
    "unknown label at evaluation": (
        "classification",
        "a.csv",
        GOOD,
        {"eval.csv": table("heart,a", "card,c")},
        "eval.csv: line 3: label 'c' is not among the 2 that the model was trained on: "
        "'a', 'b'. 1 such labels in all.",
    ),
    "unknown labels at evaluation": (
        "multi_label",
        "a.jsonl",
        '{"text": "heart", "labels": ["x"]}\n{"text": "card", "labels": ["y"]}\n',
        {"eval.jsonl": '{"text": "heart", "labels": ["x", "z"]}\n'},
        "eval.jsonl: line 1: label 'z' is not among the 2",
    ),
    "unknown tag at evaluation": (
        "token_classification",
        "a.conll",
        SENTENCE,
        {"eval.conll": "heart O\ncard B-PER\n"},
        "eval.conll: line 2: label 'B-PER' is not among the 5",
    ),
    "missing column": (
        "classification",
        "a.csv",
        "text,stars_given\nheart,1\n",
        {},
        "a.csv: no column for `label`. columns.label names it",
    ),
    "missing column at evaluation": (
        "classification",
        "a.csv",
        GOOD,
        {"eval.csv": "blurb,label\nheart,a\n"},
        "eval.csv: no column for `text`.",
    ),
    "missing field": (
        "multiple_choice",
        "a.jsonl",
        '{"text": "heart", "choices": ["of", "the"], "label": 0}\n{"text": "card"}\n',
        {},
        "a.jsonl: line 2: no field 'choices', which the first record has.",
    ),
    "ragged CoNLL rows": (
        "token_classification",
        "a.conll",
        "heart NN O\nof\n",
        {},
        "a.conll: line 2: 1 columns, where line 1 has 3. ",
    ),
    "I- after O": (
        "token_classification",
        "a.conll",
        SENTENCE + "\nof O\nthe I-LOC\n",
        {},
        "a.conll: line 8: tag 'I-LOC' of 'the' follows 'O'",
    ),
    "no answer at its offset": (
        "question_answering",
        "a.jsonl",
        question(0) + "\n" + question(4) + "\n",
        {},
        "No example in",
    ),
    "only empty texts": (
        "classification",
        "a.csv",
        table(",a", '"  ",b'),
        {},
        "No example in",
    ),
    "all one label": (
        "classification",
        "a.csv",
        table("heart,a", "card,a", "of,a"),
        {},
        "All 3 examples of the training data have the label 'a': there is nothing to",
    ),
    "all one tag": (
        "token_classification",
        "a.conll",
        "heart O\n\ncard O\n",
        {},
        "have the label 'O': there is nothing to learn",
    ),
    "a stray quote": (
        "classification",
        "a.csv",
        table("heart,a", '"card,b', "of,a"),
        {},
        "a.csv: line 3: a quote opens a field here that is not closed",
    ),
    "another encoding": (
        "classification",
        "a.csv",
        table("heart,a", "café,b").encode("latin-1"),
        {},
        "a.csv: line 3 (byte 22 of the text): not UTF-8",
    ),
    "a row of another length": (
        "classification",
        "a.csv",
        table("heart,a", "card, of,b"),
        {},
        "a.csv: line 3: 3 fields, where the first line has 2",
    ),
    "a NaN target": (
        "regression",
        "a.csv",
        table("heart,0.5", "card,nan", header="text,value"),
        {},
        "a.csv: line 3: column 'value' must hold a finite number to learn from.",
    ),
    "no file": ("classification", "a.csv", None, {}, "a.csv"),
}


@pytest.mark.parametrize("case", list(CASES))
def test_one_line_tells(job, tmp_path, case):
    task, name, content, held_out, message = CASES[case]
    for file, text in {name: content, **held_out}.items():
        if text is not None:
            data = text if isinstance(text, bytes) else text.encode()
            (tmp_path / file).write_bytes(data)
    settings = {"data.train": tmp_path / name}
    if held_out:
        settings["data.eval"] = tmp_path / next(iter(held_out))
    if case == "all one label":
        settings["data.eval_share"] = 0.3
    code, lines = job(task, tmp_path / "workdir", **settings)
    assert code == 1, lines
    (line,) = (each for each in lines if each.startswith("bert_tf.run_finetuning:"))
    assert line == lines[-1] and " error: " in line
    assert message in line
    assert not any("Traceback" in each for each in lines)
    # Nothing that looks like a run that has something to show.
    assert not (tmp_path / "workdir" / "checkpoints").exists()
    assert not (tmp_path / "workdir" / "eval.json").exists()


def test_empty_texts_and_a_label_of_one_example_are_told(job, tmp_path):
    rows = [",a", "once,c", " ,b"]
    (tmp_path / "a.csv").write_text(GOOD + "\n".join(rows) + "\n")
    code, lines = job(
        "classification",
        tmp_path / "workdir",
        **{"data.train": tmp_path / "a.csv", "num_train_epochs": 0.1},
    )
    assert code == 0, lines
    report = (tmp_path / "workdir" / "report.md").read_text()
    for text in ("\n".join(lines), report):
        assert "left out 2 examples with an empty text" in text
        assert "a.csv: line 14, line 16" in text
    assert any("warning: 1 labels have one example only: c" in each for each in lines)


def test_answers_not_at_their_offset_are_counted_listed_and_dropped(job, tmp_path):
    rows = [question(3), question(0), *[question(3)] * 3, question(5)]
    (tmp_path / "a.jsonl").write_text("\n".join(rows) + "\n")
    code, lines = job(
        "question_answering",
        tmp_path / "workdir",
        **{
            "data.train": tmp_path / "a.jsonl",
            "data.eval": tmp_path / "a.jsonl",
            "task.max_query_length": 4,
            "task.doc_stride": 4,
            "num_train_epochs": 0.1,
        },
    )
    assert code == 0, lines
    text = "\n".join(lines)
    assert "left out 4 answers not at their offset" in text  # In both files.
    assert "a.jsonl: line 2" in text and "line 6" in text
    assert "4 to train on, 4 held out" in text
