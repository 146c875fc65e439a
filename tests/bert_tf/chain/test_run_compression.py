"""The chain as a user runs it, on a tiny model."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bert_tf.checkpoints import conversion
from bert_tf.checkpoints.workdir import resolve_checkpoint
from bert_tf.config import BertConfig
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

# A chain starts a dozen jobs.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[3]
WORDS = "the film is good bad fine poor never seen ##s a b".split()
CONFIG = """
from bert_tf.chain.config import CompressionConfig
from bert_tf.chain.stages import Export, Finetune, PruneVocabulary, TrainQuantized
from bert_tf.compression.distillation_config import TaskDistillationConfig
from bert_tf.training.finetuning_config import LabelledDataConfig


def get_config():
    return CompressionConfig(
        init_from={init_from!r},
        data=LabelledDataConfig(
            train={train!r},
            eval={held_out!r},
            max_seq_length=8,
            global_batch_size=4,
            cache_dir="none",
        ),
        unlabelled={unlabelled!r},
        num_train_epochs=1.0,
        stages=(
            Finetune({finetune}),
            PruneVocabulary({prune}),
            TrainQuantized(
                distillation=TaskDistillationConfig(student_layers=(0,))
            ),
            Export(tflite=("none",)),
        ),
    )
"""


class Chains:
    """Chains on toy data."""

    def __init__(self, folder, make_weights):
        self.folder = folder
        config = BertConfig(
            vocab_size=len(SPECIAL_TOKENS) + len(WORDS),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=8,
        )
        entries = [*SPECIAL_TOKENS, *WORDS]
        vocabulary = Vocabulary.from_entries(entries, TokenizerConfig())
        weights = make_weights(config=config, vocabulary=vocabulary)
        conversion.save(weights, folder / "pretrained", "native")
        texts = [f"the film is {w}\n" for w in ("good,1", "bad,0", "fine,1", "poor,0")]
        (folder / "train.csv").write_text("text,label\n" + "".join(texts) * 4)
        (folder / "more.txt").write_text("the film a\n" * 8)
        (folder / "held_out.csv").write_text("text,label\n" + "".join(texts))

    def command(self, workdir="chain", finetune="", prune="", **flags):
        config = CONFIG.format(
            init_from=str(self.folder / "pretrained"),
            train=str(self.folder / "train.csv"),
            held_out=str(self.folder / "held_out.csv"),
            unlabelled=str(self.folder / "more.txt"),
            finetune=finetune,
            prune=prune,
        )
        path = self.folder / f"{workdir}.py"
        path.write_text(config)
        command = [sys.executable, "-m", "bert_tf.run_compression", f"--config={path}"]
        flags = {"workdir": self.folder / workdir, **flags}
        return [*command, *(f"--{name}={value}" for name, value in flags.items())]

    def run(self, workdir="chain", **options):
        return subprocess.run(
            self.command(workdir, **options), capture_output=True, text=True, cwd=ROOT
        )


@pytest.fixture(scope="module")
def chains(tmp_path_factory, make_weights):
    return Chains(tmp_path_factory.mktemp("chains"), make_weights)


@pytest.fixture(scope="module")
def finished(chains):
    """A chain that was killed with SIGKILL after its first model, and run again."""
    workdir = chains.folder / "chain"
    chain = subprocess.Popen(
        chains.command(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    )
    while not (workdir / "1_finetune" / "none.log").exists():
        assert chain.poll() is None, chain.communicate()
        time.sleep(0.05)
    chain.kill()
    chain.communicate()
    assert not (workdir / "1_finetune" / "none.done.json").exists()
    done = chains.run(max_mb=100)
    assert done.returncode == 0, done.stderr
    return workdir, done.stdout


def test_an_interrupted_chain_goes_on(finished):
    workdir, out = finished
    assert out.startswith(
        "[1/10] 1_finetune/make: done before\n[2/10] python -m export.export_tflite "
    )
    log = (workdir / "1_finetune" / "none.log").read_text().splitlines()
    commands = [line for line in log if line.startswith("$ python -m export.")]
    assert len(commands) == 2 and len({*commands}) == 1


def test_each_stage_leaves_a_model_with_files_and_figures(finished):
    workdir, _ = finished
    first = resolve_checkpoint(workdir / "1_finetune" / "model")
    second = resolve_checkpoint(workdir / "2_prune_vocabulary" / "model")
    third = resolve_checkpoint(workdir / "3_qat" / "model")
    assert len(second.vocabulary) < len(first.vocabulary)
    assert third.vocabulary == second.vocabulary
    assert (second.config.num_hidden_layers, third.config.num_hidden_layers) == (2, 1)
    for model in (first, second, third):
        assert model.task.name == "classification"
    accuracy = [
        json.loads((stage / "accuracy.json").read_text())["artifacts"][0]["accuracy"]
        for stage in (workdir / "1_finetune", workdir / "2_prune_vocabulary")
    ]
    assert accuracy[0] == accuracy[1]  # The texts use no other entry.
    latency = json.loads((workdir / "latency.json").read_text())
    assert [Path(each["path"]).relative_to(workdir) for each in latency["files"]] == [
        Path("1_finetune/none.tflite"),
        Path("2_prune_vocabulary/none.tflite"),
        Path("3_qat/int8.tflite"),
    ]
    for each in latency["files"]:
        assert each["num_bytes"] == Path(each["path"]).stat().st_size


def test_the_report_shows_the_frontier_and_what_to_ship(finished):
    workdir, out = finished
    report = (workdir / "report.md").read_text()
    line = out.splitlines()[-1]
    assert line.startswith("Ship ") and "the best within --max_mb=100. It is " in line
    assert line in report
    assert "2_prune_vocabulary float32" in report
    assert f"python -m bert_tf.run_finetuning --config={workdir}/1_finetune/" in report
    html = (workdir / "report.html").read_text()
    assert html.count("<svg") == 2 and html.count("<circle") == 6


def test_other_limits_choose_anew_without_running_anything(chains, finished):
    done = chains.run(max_mb=0.000001)
    lines = done.stdout.splitlines()
    assert all(line.endswith(": done before") for line in lines[:10])
    assert lines[-1].startswith("None fits --max_mb=1e-06: the smallest is ")
    assert lines[-1] in (finished[0] / "report.md").read_text()


def test_a_trained_stage_with_other_settings_is_refused(chains, finished):
    done = chains.run(finetune="num_train_epochs=2.0")
    assert done.returncode == 1
    assert "1_finetune/model: holds another run: its `num_train_epochs` is 1.0" in (
        done.stderr
    )
    done = chains.run(prune="min_count=2")
    assert done.stderr.startswith("bert_tf.run_compression: error: ")
    assert "2_prune_vocabulary: was made with min_count=1. Received: 2." in done.stderr


def test_the_failure_of_a_stage_is_one_line(chains):
    (chains.folder / "held_out.csv").write_text("text,label\nthe film,7\n")
    done = chains.run("failing")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    log = chains.folder / "failing" / "1_finetune" / "make.log"
    assert done.stderr.startswith(
        "bert_tf.run_compression: error: Stage 1_finetune/make failed: "
        "bert_tf.run_finetuning: error: "
    )
    assert done.stderr.endswith(f"Its log: {log}\n")
