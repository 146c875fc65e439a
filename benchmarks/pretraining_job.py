"""Pretraining as a user runs it, for benchmarks that measure the job itself."""

import json
from pathlib import Path
from typing import Any

from bert_tf.training.config import PretrainingConfig, to_json

_CONFIG_FILE = """from bert_tf.training.config import PretrainingConfig


def get_config():
    return PretrainingConfig.from_json_file({path!r})
"""


def job_arguments(config: PretrainingConfig, folder: Path) -> list[str]:
    """Writes a configuration and returns the job's module and flags.

    Args:
        config: what to run.
        folder: takes the configuration, and the workdir as `folder / "run"`.
    """
    values, module = folder / "config.json", folder / "config.py"
    values.write_text(to_json(config), encoding="utf-8")
    module.write_text(_CONFIG_FILE.format(path=str(values)), encoding="utf-8")
    workdir = folder / "run"
    return ["bert_tf.run_pretraining", f"--config={module}", f"--workdir={workdir}"]


def read_metrics(folder: Path, split: str) -> list[dict[str, Any]]:
    """Returns what the run of `job_arguments` logged of a split, in order."""
    text = (folder / "run" / "metrics.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    return [line for line in lines if line["split"] == split]
