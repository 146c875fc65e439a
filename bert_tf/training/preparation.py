"""What is checked and written before TensorFlow loads: mistakes show at once."""

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from bert_tf.compression.teacher import Teacher
from bert_tf.data.dataset import Dataset
from bert_tf.data.fingerprint import fingerprint
from bert_tf.errors import InputError
from bert_tf.text.vocabulary import Vocabulary
from bert_tf.training import cluster, run_folder
from bert_tf.training.config import PhaseConfig, PretrainingConfig
from bert_tf.training.same_data import Fingerprint


@dataclasses.dataclass(frozen=True)
class PhaseData:
    """The data folders of a phase.

    Attributes:
        config: the phase.
        train: its training records.
        eval: its held-out records; None without any.
    """

    config: PhaseConfig
    train: Dataset
    eval: Dataset | None


@dataclasses.dataclass(frozen=True)
class PreparedRun:
    """A run that can start.

    Attributes:
        config: complete: what it left to the data is filled in.
        data: of each phase.
        vocabulary: of the data.
        teacher: what a student learns from; None without distillation.
        workdir: holds `config.json`, `vocab.txt` and `tokenizer_config.json`.
        lock: keeps other runs out of the workdir until it is closed; held by the chief.
    """

    config: PretrainingConfig
    data: list[PhaseData]
    vocabulary: Vocabulary
    teacher: Teacher | None
    workdir: Path
    lock: contextlib.ExitStack


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
        InputError: data, workdir or cluster don't fit the configuration, held-out
            records are damaged, or another run is at work in the workdir.
        OSError: the workdir is not writable.
    """
    cluster.set_cluster(worker_addresses, task)
    cluster.check_strategy(config.strategy)
    data = [_open_data(phase, config) for phase in config.phases]
    for phase in data[1:]:
        phase.train.check_matches(vocabulary=data[0].train.vocabulary)
    vocab_size = data[0].train.info.vocab_size
    model = dataclasses.replace(config.model, vocab_size=vocab_size)
    config = dataclasses.replace(config, model=model)
    vocabulary = data[0].train.vocabulary
    teacher = _open_teacher(config, vocabulary)
    with contextlib.ExitStack() as lock:
        if cluster.process_index() == 0:
            lock.enter_context(run_folder.lock_run_folder(workdir, config))
            fingerprints = _fingerprints(data)
            fingerprints["distillation.teacher"] = Fingerprint(
                config.distillation.teacher,
                None if teacher is None else teacher.fingerprint(),
            )
            run_folder.describe_run(workdir, config, fingerprints)
            vocabulary.save(workdir)
        return PreparedRun(config, data, vocabulary, teacher, workdir, lock.pop_all())


def _open_teacher(config: PretrainingConfig, vocabulary: Vocabulary) -> Teacher | None:
    if not config.distillation.is_on:
        return None
    teacher = Teacher.load(config.distillation.teacher)
    teacher.check_vocabulary(vocabulary, "that of the records")
    for phase in config.phases:
        teacher.check_length(phase.data.max_seq_length)
    return teacher


def _open_data(phase: PhaseConfig, config: PretrainingConfig) -> PhaseData:
    if not phase.data.train_dir:
        raise InputError(
            "`data.train_dir` must name a folder written by "
            "data_prep.create_pretraining_data. Set it with "
            "--config.data.train_dir=..."
        )
    train = Dataset.open(phase.data.train_dir)
    taught = train.parameters.objective
    held_out = Dataset.open(phase.data.eval_dir) if phase.data.eval_dir else None
    for dataset in filter(None, (train, held_out)):
        dataset.check_matches(
            max_seq_length=phase.data.max_seq_length,
            max_predictions_per_seq=phase.data.max_predictions_per_seq,
            vocab_size=config.model.vocab_size or None,
            # Without pairs to learn, those held out are not looked at.
            objective=None if taught == "none" else taught,
            vocabulary=train.vocabulary,
        )
    if held_out is not None:
        # Damage would show at the first evaluation, hours from now.
        held_out.verify()
    return PhaseData(phase, train, held_out)


def _fingerprints(data: Sequence[PhaseData]) -> dict[str, Fingerprint]:
    """Returns what all data are, by the field that names their folder."""
    found: dict[str, Fingerprint] = {}
    for name, phase in zip(("data", "phase_2.data"), data, strict=False):
        held_out = fingerprint(phase.eval) if phase.eval else None
        named = phase.config.data
        found[f"{name}.train_dir"] = Fingerprint(
            named.train_dir, fingerprint(phase.train)
        )
        found[f"{name}.eval_dir"] = Fingerprint(named.eval_dir, held_out)
    return found
