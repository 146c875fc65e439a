"""What is checked and written before TensorFlow loads: mistakes show at once."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from bert_tf.data.dataset_info import DatasetInfo
from bert_tf.errors import InputError
from bert_tf.storage import files, scratch
from bert_tf.text.vocabulary import Vocabulary
from bert_tf.training import cluster
from bert_tf.training.config import (
    PhaseConfig,
    PretrainingConfig,
    check_same_run,
    to_json,
)


@dataclasses.dataclass(frozen=True)
class PhaseData:
    """The described data folders of a phase.

    Attributes:
        config: the phase.
        train: its training records.
        eval: its held-out records; None without any.
    """

    config: PhaseConfig
    train: DatasetInfo
    eval: DatasetInfo | None


@dataclasses.dataclass(frozen=True)
class PreparedRun:
    """A run that can start.

    Attributes:
        config: complete: what it left to the data is filled in.
        data: of each phase.
        vocabulary: of the data.
        workdir: holds `config.json`, `vocab.txt` and `tokenizer_config.json`.
    """

    config: PretrainingConfig
    data: list[PhaseData]
    vocabulary: Vocabulary
    workdir: Path


def prepare(
    config: PretrainingConfig,
    workdir: Path,
    *,
    worker_addresses: Sequence[str] = (),
    task: int = 0,
) -> PreparedRun:
    """Checks a run and sets up its workdir.

    Args:
        config: validated.
        workdir: where everything goes; holds this run already, or nothing.
        worker_addresses: `host:port` of each worker; empty for a single process or
            when `TF_CONFIG` says it.
        task: which of them this process is.

    Raises:
        InputError: data, workdir or cluster don't fit the configuration.
        OSError: the workdir is not writable.
    """
    if not str(workdir).strip("."):
        raise InputError("`--workdir` must name a folder. Received: nothing")
    cluster.set_cluster(worker_addresses, task)
    cluster.check_strategy(config.strategy)
    data = [_describe_data(phase, config) for phase in config.phases]
    for phase in data[1:]:
        _check_same_vocabulary(phase, data[0])
    vocab_size = data[0].train.vocab_size
    model = dataclasses.replace(config.model, vocab_size=vocab_size)
    config = dataclasses.replace(config, model=model)
    vocabulary = Vocabulary.load(config.data.train_dir)
    if cluster.process_index() == 0:
        _prepare_workdir(workdir, config, vocabulary)
    return PreparedRun(config, data, vocabulary, workdir)


def _describe_data(phase: PhaseConfig, config: PretrainingConfig) -> PhaseData:
    if not phase.data.train_dir:
        raise InputError(
            "`data.train_dir` must name a folder written by "
            "data_prep.create_pretraining_data. Set it with "
            "--config.data.train_dir=..."
        )
    described = {}
    for directory in filter(None, (phase.data.train_dir, phase.data.eval_dir)):
        info = described[directory] = DatasetInfo.load(directory)
        info.check_matches(
            directory,
            max_seq_length=phase.data.max_seq_length,
            max_predictions_per_seq=phase.data.max_predictions_per_seq,
            vocab_size=config.model.vocab_size or None,
            vocab_hash=described[phase.data.train_dir].vocab_hash,
        )
    return PhaseData(
        config=phase,
        train=described[phase.data.train_dir],
        eval=described.get(phase.data.eval_dir),
    )


def _check_same_vocabulary(phase: PhaseData, first: PhaseData) -> None:
    directory = phase.config.data.train_dir
    phase.train.check_matches(directory, vocab_hash=first.train.vocab_hash)


def _prepare_workdir(
    workdir: Path, config: PretrainingConfig, vocabulary: Vocabulary
) -> None:
    leftovers = scratch.leftovers(workdir)
    config_file = workdir / "config.json"
    if config_file.exists():
        check_same_run(config, config_file)
    elif workdir.is_dir() and set(workdir.iterdir()) - leftovers:
        raise InputError(
            f"{workdir}: holds files but no config.json, so it is not a workdir. "
            "Choose an empty or new --workdir."
        )
    scratch.remove_leftovers(workdir)
    files.write_text(config_file, to_json(config))
    vocabulary.save(workdir)
