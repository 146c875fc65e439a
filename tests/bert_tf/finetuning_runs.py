"""Fine-tuning runs of seconds: their files, training them, what they leave."""

import dataclasses
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bert_tf.checkpoints import conversion
from bert_tf.checkpoints.workdir import list_checkpoints
from bert_tf.config import OptimizerConfig
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig
from bert_tf.training.finetuning_preparation import prepare


def tiny_run(
    folder: Path, weights: conversion.ModelWeights, num_examples: int
) -> FinetuningConfig:
    """Two epochs over short texts of two labels, evaluated on nothing."""
    conversion.save(weights, folder / "model", "native")
    rows = [f"{'heart card'[i % 2 :]} the of {i},{i % 2}" for i in range(num_examples)]
    (folder / "reviews.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    return FinetuningConfig(
        data=LabelledDataConfig(
            train=str(folder / "reviews.csv"),
            max_seq_length=8,
            global_batch_size=8,
            cache_dir="none",
            eval_share=0.0,
        ),
        optimizer=OptimizerConfig(learning_rate=1e-2, warmup_steps=0),
        num_train_epochs=2.0,
        checkpoint_interval=2,
        keep_checkpoints=10,
        log_interval=1,
        hidden_dropout_prob=0.0,
        init_from=str(folder / "model"),
    ).validate()


def train(config: FinetuningConfig, workdir: Path) -> Path:
    """Trains as the job does and returns the workdir."""
    from bert_tf.training import finetuning

    with prepare(config.validate(), workdir):
        finetuning.train_and_evaluate(config, workdir)
    return workdir


def contents(workdir: Path) -> list[bytes]:
    """What the last checkpoint holds that no clock decides."""
    last = list_checkpoints(workdir)[-1]
    names = ("model.safetensors", "optimizer.safetensors")
    return [(last / name).read_bytes() for name in names]


_REPLICAS = """
import pickle, sys

import tensorflow as tf

device = tf.config.LogicalDeviceConfiguration()
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [device, device])

sys.path[:] = pickle.load(sys.stdin.buffer)
train, config, workdir = pickle.load(sys.stdin.buffer)
train(config, workdir)
"""


def train_on_two_replicas(
    config: FinetuningConfig,
    workdir: Path,
    train: Callable[[FinetuningConfig, Path], Path] = train,
) -> Path:
    """Trains in a process of its own, to which the CPU is two devices."""
    config = dataclasses.replace(config, strategy="mirrored")
    given = pickle.dumps(sys.path) + pickle.dumps((train, config, workdir))
    subprocess.run([sys.executable, "-c", _REPLICAS], input=given, check=True)
    return workdir
