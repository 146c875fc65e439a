"""Fine-tuning: from labelled files and a checkpoint to a run's plan."""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from absl import logging

from bert_tf.checkpoints.conversion.formats import load_any
from bert_tf.checkpoints.conversion.model_weights import ModelWeights
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.errors import InputError
from bert_tf.labelled.reading import load_examples
from bert_tf.labelled.report import LabelledReport
from bert_tf.labelled.source import LabelledSource
from bert_tf.labelled.splits import find_duplicates, split_examples, text_hash
from bert_tf.labelled.tokenized import default_cache_directory
from bert_tf.models.variables import assign_variables
from bert_tf.storage.input_files import find_input_files
from bert_tf.tasks.catalog import LABELLED_TASKS
from bert_tf.tasks.labelled_task import LabelledTask
from bert_tf.text.vocabulary import Vocabulary
from bert_tf.training import cluster, run, run_folder, summary
from bert_tf.training.finetuning_config import FinetuningConfig
from bert_tf.training.loop import Run
from bert_tf.training.same_data import Fingerprint


@dataclasses.dataclass(frozen=True)
class LabelledData:
    """The examples of a run, read and divided.

    Attributes:
        train: to train on.
        held_out: to evaluate on; perhaps none.
        lines: what reading them found, for people.
    """

    train: Sequence[Any]
    held_out: Sequence[Any]
    lines: Sequence[str]


def train_and_evaluate(config: FinetuningConfig, workdir: Path) -> Run:
    """Fine-tunes, or goes on with it, to the end.

    Args:
        config: validated.
        workdir: holds this run already, or nothing.

    Raises:
        InputError: data, checkpoint or workdir don't fit the configuration; see also
            `run.train_and_evaluate`.
        SystemExit: SIGTERM came, and the state is saved.
    """
    task_type = LABELLED_TASKS[config.task.name]
    data = read_data(config, task_type)
    weights = load_any(config.init_from)
    vocabulary = weights.vocabulary
    if vocabulary is None:
        raise InputError(
            f"init_from {config.init_from}: has no vocabulary, so no text can be "
            "tokenized for it. Convert it with `python -m bert_tf.convert_checkpoint "
            "--vocab_file=...` first."
        )
    if cluster.process_index() == 0:
        fingerprints = {
            "data.train": Fingerprint(
                config.data.train, _fingerprint(data.train, vocabulary)
            ),
            "data.eval": Fingerprint(
                config.data.eval,
                _fingerprint(data.held_out, vocabulary) if data.held_out else None,
            ),
        }
        run_folder.describe_run(workdir, config, fingerprints)
    plan = make_plan(config, workdir, task_type, data, weights)
    finished = run.train_and_evaluate(plan)
    if finished.devices.is_chief:
        summary.write(finished, plan)
    return finished


def read_data(config: FinetuningConfig, task_type: type[LabelledTask]) -> LabelledData:
    """Reads the labelled files and holds out what is to be evaluated on.

    Raises:
        InputError: a file that cannot be read, named with the place.
    """
    report = LabelledReport()
    reading = config.data.reading
    examples = load_examples(
        task_type.kind, find_input_files(config.data.train), reading, report
    )
    held_out: list[Any] = []
    if config.data.eval:
        held_out = load_examples(
            task_type.kind, find_input_files(config.data.eval), reading, report
        )
    elif config.data.eval_share:
        examples, held_out = split_examples(
            examples, config.data.eval_share, config.seed, task_type.strata(examples)
        )
    if config.data.max_examples and config.data.max_examples < len(examples):
        # By a hash of the text: the same draw from the same texts in any order.
        order = np.argsort([text_hash(e.key, config.seed) for e in examples])
        chosen = np.sort(order[: config.data.max_examples])
        examples = [examples[i] for i in chosen]
    lines = [
        *report.lines(),
        f"{len(examples):,} to train on, {len(held_out):,} held out",
        *find_duplicates(examples, {"evaluation": held_out}).lines(),
    ]
    return LabelledData(examples, held_out, lines)


def _fingerprint(examples: Sequence[Any], vocabulary: Vocabulary) -> dict[str, Any]:
    """Returns what tells examples from any others, wherever they lie."""
    digest = hashlib.sha256()
    for example in examples:
        values = dataclasses.asdict(example)
        del values["place"]
        digest.update(repr(values).encode("utf-8", "surrogatepass"))
    return {
        "num_examples": len(examples),
        "examples_hash": digest.hexdigest(),
        "vocab_hash": vocabulary.hash,
        "do_lower_case": vocabulary.config.do_lower_case,
        "strip_accents": vocabulary.config.strips_accents,
    }


def make_plan(
    config: FinetuningConfig,
    workdir: Path,
    task_type: type[LabelledTask],
    data: LabelledData,
    weights: ModelWeights,
) -> run.Plan:
    """Returns what a run will do.

    Args:
        config: validated.
        workdir: where everything goes.
        task_type: what is learned.
        data: from what.
        weights: what it starts from, with its vocabulary.
    """
    vocabulary = weights.vocabulary
    assert vocabulary is not None
    positions = weights.config.max_position_embeddings
    length = config.data.max_seq_length
    if length > positions:
        raise InputError(
            f"`data.max_seq_length` must be at most {positions}, the positions of "
            f"{config.init_from}. Received: {length}"
        )
    described = task_type.describe(config.task, data.train, length)
    described = described.with_settings(reading=dataclasses.asdict(config.data.reading))
    if config.classifier_dropout != -1.0:
        described = described.with_settings(
            classifier_dropout=config.classifier_dropout
        )
    task = task_type(described)
    train = _source(task, data.train, vocabulary, config, data, seed=config.seed)
    held_out = []
    if data.held_out:
        held_out = [_source(task, data.held_out, vocabulary, config, data, seed=None)]
    steps_per_epoch = max(1, round(train.num_examples / config.data.global_batch_size))
    num_steps = max(1, round(config.num_train_epochs * steps_per_epoch))
    for line in [*data.lines, *task.report_lines(data.train), *_cut(train)]:
        logging.info("%s", line)
    interval = config.eval_interval
    if not interval and config.evaluations_per_epoch:
        interval = max(1, round(steps_per_epoch / config.evaluations_per_epoch))
    model_config = weights.config
    if config.hidden_dropout_prob != -1.0:
        rate = config.hidden_dropout_prob
        model_config = dataclasses.replace(
            model_config, hidden_dropout_prob=rate, attention_probs_dropout_prob=rate
        )
    return run.Plan(
        config=dataclasses.replace(config, eval_interval=interval),
        model_config=model_config,
        workdir=workdir,
        vocabulary=vocabulary,
        phases=[
            run.PhasePlan(
                task=task,
                batch=config.data,
                num_steps=num_steps,
                optimizer=config.optimizer,
                train=train,
                held_out=held_out,
            )
        ],
        initialize=lambda model: _initialize(model, weights, described),
    )


def _source(
    task: LabelledTask,
    examples: Sequence[Any],
    vocabulary: Vocabulary,
    config: FinetuningConfig,
    data: LabelledData,
    seed: int | None,
) -> LabelledSource:
    encoded = task.encode(examples, vocabulary, _cache_directory(config))
    targets = task.targets(examples)
    if seed is not None:
        targets |= task.training_targets(examples)
    return LabelledSource(
        encoded.with_targets(**targets),
        task.description.max_seq_length or 0,
        seed=seed,
        examples=examples,
        description={
            "examples": len(examples),
            "tokens": int(encoded.starts[-1]),
            "examples cut": encoded.num_cut,
            "found": list(data.lines),
        },
    )


def _cache_directory(config: FinetuningConfig) -> Path | None:
    named = config.data.cache_dir
    if named == "none":
        return None
    return Path(named) if named else default_cache_directory()


def _cut(source: LabelledSource) -> list[str]:
    count, total = source.encoded.num_cut, len(source.encoded)
    if not count:
        return []
    return [
        f"{count:,} of {total:,} training sequences are longer than "
        f"max_seq_length={source.max_seq_length} tokens, and were cut"
    ]


def _initialize(
    model: keras.Model, weights: ModelWeights, task: TaskDescription
) -> None:
    """Gives a model the weights of a checkpoint, a head's only if it is the task's."""
    same = (weights.task.name, weights.task.labels) == (task.name, task.labels)
    values = {
        name: value
        for name, value in weights.variables.items()
        if same or name.startswith("bert/")
    }
    done = assign_variables(model, values, strict=False)
    logging.info(
        "%d variables start from the checkpoint; newly initialised: %s",
        len(done.assigned),
        ", ".join(done.missing) or "none",
    )
