"""What runs are told and what they write: configurations, workdirs and metrics."""

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any

from bert_tf.cli.config_file import ConfigError, load_config
from bert_tf.config import DataConfig, OptimizerConfig
from bert_tf.errors import InputError
from bert_tf.training.config import PhaseConfig, PretrainingConfig, to_json
from bert_tf.training.run_folder import describe_run, lock_run_folder
from bert_tf.training.same_data import Fingerprint
from readers.model_folders import CONFIG
from readers.reader import Parts, Reader

CONFIG_FILE = Path(__file__).parents[3] / "configs" / "pretrain_one_day.py"


def run_config() -> PretrainingConfig:
    data = DataConfig(train_dir="data", eval_dir="held out", global_batch_size=8)
    return PretrainingConfig(
        model=dataclasses.replace(CONFIG, max_position_embeddings=128),
        data=data,
        optimizer=OptimizerConfig(warmup_steps=3),
        phase_2=PhaseConfig(data=data, num_train_steps=5),
    )


def write_config(folder: Path) -> None:
    (folder / "config.json").write_text(to_json(run_config()))


def read_config(folder: Path) -> Parts:
    config = PretrainingConfig.from_json_file(folder / "config.json")
    return {"config": json.loads(to_json(config))}


def config_says(folder: Path) -> Parts:
    """The file's values; what it leaves out has its default."""
    said = json.loads((folder / "config.json").read_text())
    defaults = json.loads(to_json(PretrainingConfig()))
    if said.get("phase_2") is not None:
        phase = dataclasses.asdict(PhaseConfig())
        if said["phase_2"].get("optimizer") is not None:
            phase["optimizer"] = dataclasses.asdict(OptimizerConfig())
        defaults["phase_2"] = phase
    return {"config": _over(defaults, said)}


def _over(defaults: Any, said: Any) -> Any:
    if not isinstance(defaults, dict) or not isinstance(said, dict):
        return said
    return {name: _over(v, said.get(name, v)) for name, v in defaults.items()}


def write_python_config(folder: Path) -> None:
    (folder / "config.py").write_bytes(CONFIG_FILE.read_bytes())


def read_python_config(folder: Path) -> Parts:
    try:
        config = load_config(str(folder / "config.py"), PretrainingConfig)
    except ConfigError as error:  # What the flags turn into one line.
        raise InputError(str(error)) from error
    return {"config": dataclasses.asdict(config)}


def python_config_says(folder: Path) -> Parts:
    namespace: dict[str, Any] = {"__name__": "config"}
    content = (folder / "config.py").read_bytes()
    exec(compile(content, "config.py", "exec"), namespace)
    return {"config": dataclasses.asdict(namespace["get_config"]())}


def write_workdir(folder: Path) -> None:
    describe_workdir(folder)
    (folder / ".lock").unlink()


def describe_workdir(folder: Path) -> None:
    values = {"vocab_hash": "a5", "parameters": {"random_seed": 7}, "num_records": 11}
    data = {
        "data.train_dir": Fingerprint("data", values),
        "data.eval_dir": Fingerprint("held out", values | {"num_records": 2}),
    }
    with lock_run_folder(folder, run_config()):
        describe_run(folder, run_config(), data)


def read_workdir(folder: Path) -> Parts:
    """Goes on with the run, after which the files say again what it is."""
    describe_workdir(folder)
    names = ("config.json", "data.json")
    return {name: json.loads((folder / name).read_text()) for name in names}


def write_metrics(folder: Path) -> None:
    lines = [
        {"split": split, "step": step, "loss": 1 / step}
        for step in range(1, 20)
        for split in ("train", "eval")
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "metrics.jsonl").write_text(text)


def read_log(folder: Path) -> Parts:
    from bert_tf.training.metrics_log import read_metrics

    return {"lines": read_metrics(folder)}


def metrics_say(folder: Path) -> Parts:
    """The lines that are whole, and ours by their looks."""
    path, found = folder / "metrics.jsonl", []
    text = path.read_bytes().decode("utf-8", "replace") if path.exists() else ""
    for line in text[: text.rfind("\n") + 1].splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(line)
            if isinstance(value, dict) and value.get("split") in ("train", "eval"):
                numbers = [v for name, v in value.items() if name != "split"]
                if all(type(n) in (int, float) or n is None for n in numbers):
                    found += [value] if type(value.get("step")) is int else []
    return {"lines": found}


READERS = [
    Reader("configuration", write_config, read_config, config_says, num_cases=60),
    Reader(
        "configuration in Python",
        write_python_config,
        read_python_config,
        python_config_says,
    ),
    Reader("workdir", write_workdir, read_workdir, num_cases=60),
    # A log: damage costs lines of it and never the run.
    Reader("metrics", write_metrics, read_log, metrics_say, always_reads=True),
]
