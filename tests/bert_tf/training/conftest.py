"""A run small enough for a test, in this process or in one of its own."""

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from warm_process import WarmJob, WarmProcesses

from bert_tf.checkpoints import conversion
from bert_tf.config import BertConfig, DataConfig, OptimizerConfig
from bert_tf.launch_workers import free_ports
from bert_tf.tasks.settings import ClassificationSettings
from bert_tf.training.config import PretrainingConfig, to_json
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig
from bert_tf.training.preparation import prepare


@dataclasses.dataclass
class ToyRuns:
    """Runs on toy data, each in a workdir of its own."""

    folder: Path
    train_dir: Path
    eval_dir: Path
    warm: WarmProcesses

    def config(self, **overrides: Any) -> PretrainingConfig:
        """A run of 40 steps, with dropout."""
        config = PretrainingConfig(
            model=BertConfig(
                vocab_size=0,
                hidden_size=32,
                num_hidden_layers=2,
                num_attention_heads=2,
                intermediate_size=64,
                max_position_embeddings=32,
            ),
            data=DataConfig(
                train_dir=str(self.train_dir),
                eval_dir=str(self.eval_dir),
                max_seq_length=16,
                max_predictions_per_seq=3,
                global_batch_size=16,
            ),
            optimizer=OptimizerConfig(learning_rate=3e-3, warmup_steps=5),
            num_train_steps=40,
            steps_per_call=4,
            log_interval=1,
            checkpoint_interval=10,
            eval_interval=20,
        )
        return dataclasses.replace(config, **overrides)

    def without_dropout(self) -> BertConfig:
        return dataclasses.replace(
            self.config().model,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )

    def train(self, name: str, config: PretrainingConfig | None = None) -> Path:
        """Runs in this process and returns the workdir."""
        from bert_tf.training.pretraining import train_and_evaluate

        workdir = self.folder / name
        train_and_evaluate(prepare((config or self.config()).validate(), workdir))
        return workdir

    def command(self, name: str, config: PretrainingConfig | None = None) -> list[str]:
        """The job of a run, for a process of its own."""
        config = config or self.config()
        resolved = self.folder / f"{name}.json"
        resolved.write_text(to_json(config))
        path = self.folder / f"{name}.py"
        path.write_text(
            "from bert_tf.storage.json_files import from_dict, read_json\n"
            "from bert_tf.training.config import PretrainingConfig\n\n\n"
            "def get_config():\n"
            f"    values = read_json({str(resolved)!r})\n"
            "    return from_dict(PretrainingConfig, values, 'toy')\n"
        )
        return [
            *("-m", "bert_tf.run_pretraining"),
            f"--config={path}",
            f"--workdir={self.folder / name}",
        ]

    def start(self, command: list[str], env: dict[str, str] | None = None) -> WarmJob:
        """Starts it as a process whose output and errors are one."""
        return self.warm.start(command, env=env, merge=True)

    def start_worker(self, command: list[str], tf_config: dict[str, Any]) -> WarmJob:
        """Starts one process of a cluster."""
        return self.start(command, {**os.environ, "TF_CONFIG": json.dumps(tf_config)})

    def start_workers(self, name: str, config: PretrainingConfig) -> list[WarmJob]:
        """Starts two, as `bert_tf.launch_workers` does."""
        command = self.command(name, config)
        cluster = {"worker": [f"localhost:{port}" for port in free_ports(2)]}
        return [
            self.start_worker(
                command, {"cluster": cluster, "task": {"type": "worker", "index": i}}
            )
            for i in range(2)
        ]

    def run_workers(self, name: str, config: PretrainingConfig) -> None:
        """Trains to the end in two processes."""
        for worker in self.start_workers(name, config):
            output = worker.communicate()[0]
            assert worker.returncode == 0, output


def read_losses(workdir: Path, split: str = "train") -> dict[int, dict[str, float]]:
    """The lines of `metrics.jsonl` by step, without what depends on the clock."""
    text = (workdir / "metrics.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    steps = [line["step"] for line in lines if line["split"] == split]
    assert len(steps) == len(set(steps)), "a step was written twice"
    return {
        line["step"]: {
            name: value
            for name, value in line.items()
            if not name.endswith(("_per_second", "_share")) and name != "split"
        }
        for line in lines
        if line["split"] == split
    }


@pytest.fixture(scope="session")
def toy(tmp_path_factory, dataset_writer, warm) -> ToyRuns:
    folder = tmp_path_factory.mktemp("toy")
    return ToyRuns(
        folder=folder,
        train_dir=dataset_writer(folder / "train", num_records=200),
        eval_dir=dataset_writer(folder / "eval", num_records=50, seed=1),
        warm=warm,
    )


@pytest.fixture(scope="session")
def losses() -> Callable[..., dict[int, dict[str, float]]]:
    return read_losses


REVIEWS = [f"{'heart card'[i % 2 :]} the of {'iac' * (i % 3)}" for i in range(24)]


@pytest.fixture
def write_reviews(tmp_path) -> Callable[..., Path]:
    """Writes `reviews.csv`, in which even lines have the first label."""

    def write(labels: tuple[str, str] = ("bad", "good")) -> Path:
        rows = [f"{text} {i},{labels[i % 2]}" for i, text in enumerate(REVIEWS)]
        path = tmp_path / "reviews.csv"
        path.write_text("\n".join(["text,label", *rows]) + "\n")
        return path

    return write


@pytest.fixture
def finetuning_config(tmp_path, make_weights, write_reviews) -> FinetuningConfig:
    """Fine-tuning of six steps on the reviews, from a tiny BERT of random weights."""
    conversion.save(make_weights(), tmp_path / "model", "native")
    return FinetuningConfig(
        task=ClassificationSettings(labels=("bad", "good")),
        data=LabelledDataConfig(
            train=str(write_reviews()),
            max_seq_length=8,
            global_batch_size=8,
            cache_dir="none",
        ),
        optimizer=OptimizerConfig(learning_rate=1e-3),
        num_train_epochs=2.0,
        checkpoint_interval=2,
        keep_checkpoints=10,
        init_from=str(tmp_path / "model"),
    ).validate()
