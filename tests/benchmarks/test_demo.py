"""The demo's frame; its jobs have tests of their own."""

import dataclasses
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from benchmarks import demo, demo_summary
from bert_tf.checkpoints.model_folder import save_model_folder
from bert_tf.config import BertConfig
from bert_tf.data.dataset_info import DataParameters, DatasetInfo, Shard
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

ROOT = Path(__file__).parents[2]


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A step whose job is the given Python source."""
    monkeypatch.setattr(demo, "ROOT", tmp_path)

    def make(source: str, *arguments: str) -> demo.Step:
        (tmp_path / "toy_job.py").write_text(source)
        return demo.Step("Toy", "toy_job", list(arguments), [tmp_path / "output"])

    return make


WRITES = "open('output', 'a').write('x')"


def test_a_finished_step_is_not_run_again(job, tmp_path):
    step = job(WRITES)
    journal = demo.Journal(tmp_path / "steps.json")
    assert not journal.is_done(step)
    demo.run_step(step, journal)
    assert demo.Journal(tmp_path / "steps.json").is_done(step)


def test_another_command_is_run(job, tmp_path):
    journal = demo.Journal(tmp_path / "steps.json")
    demo.run_step(job(WRITES), journal)
    assert not journal.is_done(job(WRITES, "--vocab_size=9"))


def test_a_step_without_its_output_is_run(job, tmp_path):
    journal = demo.Journal(tmp_path / "steps.json")
    demo.run_step(job(WRITES), journal)
    (tmp_path / "output").unlink()
    assert not journal.is_done(job(WRITES))


def test_a_failed_step_says_what_to_run_again(job, tmp_path, capfd):
    step = job(f"{WRITES}; import sys; sys.exit('toy: error: no such corpus')", "--a=1")
    journal = demo.Journal(tmp_path / "steps.json")
    with pytest.raises(ValueError, match="status 1.*again: python -m toy_job --a=1"):
        demo.run_step(step, journal)
    out, err = capfd.readouterr()
    assert "$ python -m toy_job \\\n    --a=1" in out
    assert "toy: error: no such corpus" in err
    # Its output is there, as `verification.json` is after a failed comparison.
    assert not demo.Journal(tmp_path / "steps.json").is_done(step)


def test_a_changed_configuration_wants_a_new_folder(job, tmp_path):
    config = tmp_path / "toy_config.py"
    config.write_text("steps = 1")
    step = dataclasses.replace(job(WRITES), config="toy_config.py")
    demo.run_step(step, demo.Journal(tmp_path / "steps.json"))
    journal = demo.Journal(tmp_path / "steps.json")
    assert journal.is_done(step)
    config.write_text("steps = 2")
    with pytest.raises(ValueError, match="toy_config.py has changed.*make clean-demo"):
        journal.is_done(step)
    # Nothing was made of it yet: the job itself judges the new one.
    (tmp_path / "output").unlink()
    assert not journal.is_done(step)


def test_seconds_of_unfinished_attempts_add_up(job, tmp_path):
    step = job(WRITES)
    journal = demo.Journal(tmp_path / "steps.json")
    journal.add(step, 5, done=False)
    journal.add(step, 7, done=True)
    assert journal.steps["Toy"]["seconds"] == 12
    journal.add(step, 3, done=True)
    assert journal.steps["Toy"]["seconds"] == 3


def test_ctrl_c_ends_the_job_and_leaves_the_step_undone(tmp_path):
    """As a terminal does it: the interrupt goes to the whole process group."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.demo", f"--output_dir={tmp_path}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert "Vocabulary" in process.stdout.readline() + process.stdout.readline()
    demo_process = psutil.Process(process.pid)
    while not demo_process.children():  # The step's job has not started yet.
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=400)
    assert process.returncode == 130
    assert "benchmarks.demo: error: interrupted" in stderr
    assert not (tmp_path / "vocab" / "vocab.txt").exists()
    assert not (tmp_path / "summary.json").exists()
    steps = json.loads((tmp_path / "steps.json").read_text())
    assert [step["done"] for step in steps.values()] == [False]


def test_every_job_of_the_demo_has_its_flags():
    layout = demo_summary.Layout(Path("build/demo"))
    for step in demo.steps(layout):
        command = [sys.executable, "-m", step.module, "--help"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        for argument in step.arguments:
            name = argument.split("=")[0].split(".")[0]
            assert f"{name}:" in done.stdout, f"{step.module} {argument}"


def test_the_corpus_is_whole_documents_in_plain_text():
    with gzip.open(ROOT / demo.CORPUS, "rt", encoding="utf-8") as file:
        documents = file.read().split("\n\n")
    assert len(documents) == 49
    assert all(len(document.split("\n")) > 20 for document in documents)


SUMMARY = {
    "seconds": 301.2,
    "seconds_by_step": {"Vocabulary": 10.4, "Pretraining": 290.8},
    "num_train_examples": 52_583,
    "num_eval_examples": 509,
    "model": {"num_hidden_layers": 2, "hidden_size": 128, "vocab_size": 5000},
    "num_parameters": 1_234_567,
    "num_train_steps": 2500,
    "sequences_per_second": 321.7,
    "mlm_accuracy": 0.1401,
    "mlm_loss": 5.883,
    "unigram_accuracy": 0.0581,
    "unigram_loss": 6.421,
    "nsp_accuracy": 0.581,
    "nsp_majority": 0.568,
    "num_threads": 2,
    "keras_mlm_accuracy": 0.1411,
    "fillings": [
        {"text": "The [MASK] is [MASK].", "tokens": [["world", "war"], ["strong", "."]]}
    ],
    **{
        f"{name}_{figure}": value
        for name in ("saved_model", "tflite_float32", "tflite_int8")
        for figure, value in {
            "num_bytes": 9_876_543,
            "latency_ms": 1.234,
            "max_abs_diff": 3.2e-6,
            "mlm_accuracy": 0.1399,
        }.items()
    },
}


def test_the_table_is_markdown_with_every_figure():
    table = demo_summary.markdown(SUMMARY)
    for figure in (
        *("52,583", "509", "1.2 M", "2,500 steps", "322 sequences/s"),
        *("14.0%", "5.8%", "5.88", "6.42", "58.1%", "56.8%", "5 min 1 s"),
        *("9.9", "1.23", "3.2e-06", "13.99%", "14.11%"),
        *("The [MASK] is [MASK].", "world, war; strong, .", "291"),
    ):
        assert figure in table
    for block in table.strip().split("\n\n"):
        lines = block.split("\n")
        assert len({len(line) for line in lines}) == 1
        assert len({line.count("|") for line in lines}) == 1
        assert set(lines[1]) == {"|", "-"}


def test_the_summary_comes_from_the_files(tmp_path):
    layout = demo_summary.Layout(tmp_path)
    save_model_folder(
        layout.workdir / "checkpoints" / "step-00000030",
        config=BertConfig(),
        variables={"a": np.zeros([4, 5], np.float32), "b": np.zeros(3, np.float32)},
        vocabulary=Vocabulary.from_entries(SPECIAL_TOKENS, TokenizerConfig()),
        step=30,
    )
    for directory, count in ((layout.train_dir, 100), (layout.eval_dir, 7)):
        DatasetInfo(
            parameters=DataParameters(),
            vocab_size=5,
            vocab_hash="",
            shards=[Shard("a", count, 0, ""), Shard("b", 1, 0, "")],
            statistics={"random_pair_rate": 0.4},
        ).save(directory)
    lines = [{"split": "train", "step": 10 * n, "loss": 1.0} for n in (1, 2, 3)]
    lines[1]["examples_per_second"] = 80.0
    lines[2]["examples_per_second"] = 100.0
    metrics = "".join(json.dumps(line) + "\n" for line in lines)
    (layout.workdir / "metrics.jsonl").write_text(metrics)
    evaluation = {
        "masked_lm_accuracy": 0.3,
        "masked_lm_loss": 4.0,
        "unigram_accuracy": 0.1,
        "unigram_loss": 6.0,
        "next_sentence_accuracy": 0.7,
    }
    (layout.workdir / "eval.json").write_text(json.dumps(evaluation))
    paths = (layout.saved_model_dir, layout.tflite_float32, layout.tflite_int8)
    verification = {
        "num_examples": 8,
        "num_threads": 2,
        "keras": {"masked_lm_accuracy": 0.31},
        "artifacts": [
            {
                "path": str(path),
                "max_abs_diff": number / 10,
                "masked_lm_accuracy": number / 100,
                "num_bytes": number,
                "latency_ms": float(number),
            }
            for number, path in enumerate(paths, start=1)
        ],
        "answers": SUMMARY["fillings"],
    }
    layout.verification_file.write_text(json.dumps(verification))

    summary = demo_summary.collect(
        layout, {"Vocabulary": {"seconds": 1.5}, "Pretraining": {"seconds": 2.0}}
    )

    assert summary["seconds"] == 3.5
    assert summary["num_train_examples"] == 101
    assert summary["num_eval_examples"] == 8
    assert summary["num_parameters"] == 23
    assert summary["num_train_steps"] == 30
    assert summary["sequences_per_second"] == 90
    assert summary["nsp_majority"] == 0.6
    assert (summary["mlm_accuracy"], summary["unigram_accuracy"]) == (0.3, 0.1)
    assert summary["saved_model_max_abs_diff"] == 0.1
    assert summary["tflite_float32_max_abs_diff"] == 0.2
    assert summary["tflite_int8_mlm_accuracy"] == 0.03
    assert summary.keys() == SUMMARY.keys()
