"""Fine-tuning: from labelled files and a checkpoint to a run's plan."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
from absl import logging

from bert_tf.checkpoints.added_variables import ADDED
from bert_tf.checkpoints.conversion.model_weights import ModelWeights
from bert_tf.checkpoints.workdir import run_name
from bert_tf.compression.lessons import Lessons
from bert_tf.compression.student import start_of_student
from bert_tf.compression.teacher import Teacher
from bert_tf.compression.unlabelled import read_unlabelled, with_unlabelled
from bert_tf.errors import InputError
from bert_tf.labelled.source import LabelledSource
from bert_tf.models.variables import assign_variables
from bert_tf.tasks.catalog import LABELLED_TASKS
from bert_tf.tasks.labelled_task import LabelledTask
from bert_tf.text.sentence_windows import longest_sentence
from bert_tf.text.vocabulary import Vocabulary
from bert_tf.training import (
    cluster,
    compressed,
    distribution,
    finetuning_data,
    run,
    run_folder,
    summary,
)
from bert_tf.training.finetuning_config import FinetuningConfig
from bert_tf.training.finetuning_data import LabelledData
from bert_tf.training.loop import Run
from bert_tf.training.same_data import Fingerprint, Fingerprints


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What a run starts from; the same for runs that only train in another way.

    Attributes:
        task: what is learned.
        weights: of the checkpoint.
        vocabulary: the checkpoint's.
        train: the examples to train on.
        held_out: the examples to evaluate on; perhaps none.
        fingerprints: of the examples, and of the teacher.
        teacher: what a student learns from; None without distillation.
    """

    task: LabelledTask
    weights: ModelWeights
    vocabulary: Vocabulary
    train: LabelledSource
    held_out: list[LabelledSource]
    fingerprints: Fingerprints
    teacher: Teacher | None = None


def train_and_evaluate(config: FinetuningConfig, workdir: Path) -> Run:
    """Fine-tunes, or goes on with it, to the end.

    Args:
        config: validated, of a single run.
        workdir: holds this run already, or nothing.

    Raises:
        InputError: data, checkpoint or workdir don't fit the configuration; see also
            `run.train_and_evaluate`.
        SystemExit: SIGTERM came, and the state is saved.
    """
    assert not config.has_several_runs, "`sweep` trains these"
    if cluster.num_processes() > 1:
        # Before the tokenizer does anything: TensorFlow allows it at its start only.
        distribution.create_strategy(config.strategy)
    return train(config, workdir, open_inputs(config, workdir))


def open_inputs(config: FinetuningConfig, workdir: Path | None = None) -> Inputs:
    """Reads what a run starts from, and writes into its workdir, if any, what it is.

    Raises:
        InputError: data, checkpoint or workdir don't fit the configuration.
    """
    task_type = LABELLED_TASKS[config.task.name]
    data = finetuning_data.read_data(config, task_type)
    distillation = config.distillation
    teacher = None
    if distillation.is_on:
        teacher = Teacher.load(distillation.teacher, student=task_type.name)
    weights = _load_start(config, task_type, teacher)
    vocabulary = weights.vocabulary
    if vocabulary is None:
        raise InputError(
            f"init_from {config.init_from}: has no vocabulary, so no text can be "
            "tokenized for it. Convert it with `python -m bert_tf.convert_checkpoint "
            "--vocab_file=...` first."
        )
    unlabelled: Sequence[Any] = ()
    if teacher is not None:
        teacher.check_vocabulary(vocabulary, _start(config))
        teacher.check_length(config.data.max_seq_length)
        unlabelled = read_unlabelled(
            task_type, distillation.unlabelled, config.data.reading
        )
    fingerprints = {
        **finetuning_data.fingerprints(config, data, vocabulary, unlabelled),
        "distillation.teacher": Fingerprint(
            distillation.teacher, teacher.fingerprint() if teacher else None
        ),
    }
    if workdir is not None and cluster.process_index() == 0:
        run_folder.describe_run(workdir, config, fingerprints)
    task = _create_task(config, task_type, data, weights)
    train = finetuning_data.source(
        task, data.train, vocabulary, config, data, seed=config.seed
    )
    if unlabelled:
        cache = finetuning_data.cache_directory(config)
        more = task.encode_unlabelled(unlabelled, vocabulary, cache)
        train = dataclasses.replace(
            train,
            encoded=with_unlabelled(train.encoded, more),
            description={
                **train.description,
                "examples without labels": len(unlabelled),
            },
        )
    if teacher is not None and distillation.cache_dir:
        lessons = Lessons(task, teacher, distillation, weights.config)
        encoded = compressed.with_taught(train.encoded, lessons, config)
        train = dataclasses.replace(train, encoded=encoded)
    held_out = []
    if data.held_out:
        # A source has them by length, so the first ones of it would be the longest.
        drawn = finetuning_data.draw(
            data.held_out, config.eval_examples, config.data_seed
        )
        held_out = [
            finetuning_data.source(task, drawn, vocabulary, config, data, seed=None)
        ]
    for line in [*data.lines, *task.report_lines(data.train), *_cut(train)]:
        logging.info("%s", line)
    return Inputs(task, weights, vocabulary, train, held_out, fingerprints, teacher)


def _start(config: FinetuningConfig) -> str:
    """Returns the name of what a model starts from."""
    distillation = config.distillation
    return config.init_from or distillation.student_config or distillation.teacher


def _load_start(
    config: FinetuningConfig, task_type: type[LabelledTask], teacher: Teacher | None
) -> ModelWeights:
    """Returns what the model starts from."""
    weights = None
    if config.init_from:
        weights = task_type.load_start(config.task, config.init_from)
    if teacher is not None:
        return start_of_student(config.distillation, teacher, weights)
    assert weights is not None, "`validate` asks for one"
    return weights


def _create_task(
    config: FinetuningConfig,
    task_type: type[LabelledTask],
    data: LabelledData,
    weights: ModelWeights,
) -> LabelledTask:
    positions = weights.config.max_position_embeddings
    length = config.data.max_seq_length
    if length > positions:
        raise InputError(
            f"`data.max_seq_length` must be at most {positions}, the positions of "
            f"{_start(config)}. Received: {length}"
        )
    described = task_type.describe(config.task, data.known, length)
    described = described.with_settings(reading=dataclasses.asdict(config.data.reading))
    if config.classifier_dropout != -1.0:
        described = described.with_settings(
            classifier_dropout=config.classifier_dropout
        )
    return task_type(task_type.for_checkpoint(described, weights))


def _cut(source: LabelledSource) -> list[str]:
    count, total = source.encoded.num_cut, len(source.encoded)
    if not count:
        return []
    if source.encoded.sentences is not None:
        return [
            f"{count:,} of {total:,} training sequences have a sentence of more than "
            f"{longest_sentence(source.max_seq_length)} pieces, which lost its end"
        ]
    return [
        f"{count:,} of {total:,} training sequences are longer than "
        f"max_seq_length={source.max_seq_length} tokens, and were cut"
    ]


def train(config: FinetuningConfig, workdir: Path, inputs: Inputs) -> Run:
    """Fine-tunes from inputs that are read already; see `train_and_evaluate`."""
    plan = make_plan(config, workdir, inputs)
    finished = run.train_and_evaluate(plan)
    if finished.devices.is_chief:
        summary.write(finished, plan)
    return finished


def make_plan(config: FinetuningConfig, workdir: Path, inputs: Inputs) -> run.Plan:
    """Returns what a run will do.

    Args:
        config: validated.
        workdir: where everything goes.
        inputs: what it starts from.
    """
    weights, task = inputs.weights, inputs.task
    train = dataclasses.replace(inputs.train, seed=config.seed)
    steps_per_epoch = max(1, round(train.num_examples / config.data.global_batch_size))
    num_steps = max(1, round(config.num_train_epochs * steps_per_epoch))
    interval = config.eval_interval
    if not interval and config.evaluations_per_epoch:
        interval = max(1, round(steps_per_epoch / config.evaluations_per_epoch))
    model_config = weights.config
    if config.hidden_dropout_prob != -1.0:
        rate = config.hidden_dropout_prob
        model_config = dataclasses.replace(
            model_config, hidden_dropout_prob=rate, attention_probs_dropout_prob=rate
        )
    wrapped = compressed.wrap(
        task,
        config,
        model_config=model_config,
        num_steps=num_steps,
        teacher=inputs.teacher,
    )
    return run.Plan(
        config=dataclasses.replace(config, eval_interval=interval),
        model_config=model_config,
        workdir=workdir,
        vocabulary=inputs.vocabulary,
        phases=[
            run.PhasePlan(
                task=wrapped,
                batch=config.data,
                num_steps=num_steps,
                optimizer=config.optimizer,
                train=train,
                held_out=inputs.held_out,
            )
        ],
        initialize=lambda model: initialize(model, weights, task),
        origin=" ".join([describe_origin(config, train), *wrapped.methods]),
    )


def describe_origin(config: FinetuningConfig, train: LabelledSource) -> str:
    """Returns what a model is made from, as a sentence for its card."""
    names = ", ".join(Path(path).name for path in config.data.train.split(","))
    return (
        f"Fine-tuned from {run_name(_start(config))} on "
        f"{train.description['examples']:,} examples of {names}."
    )


def initialize(model: keras.Model, weights: ModelWeights, task: LabelledTask) -> None:
    """Gives a model the weights of a checkpoint.

    Args:
        model: of the task.
        weights: of the checkpoint.
        task: what the model is to learn.
    """
    done = assign_variables(model, task.initial_variables(weights), strict=False)
    new = [name for name in done.missing if not name.startswith(ADDED)]
    logging.info(
        "%d variables start from the checkpoint; newly initialized: %s",
        len(done.assigned),
        ", ".join(new) or "none",
    )
