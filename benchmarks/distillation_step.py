"""What a step of distillation costs, beside the student's own and the teacher's answer.

All run in turns over the same packed batch of fine-tuning, and the best time of each
counts. The aim is at most 1.35 times the student's own step plus the teacher's forward
pass.

Example:
    python -m benchmarks.distillation_step --teacher=runs/reviews --train=reviews.csv
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags

from bert_tf.cli import jobs
from bert_tf.compression.distillation_config import TaskDistillationConfig
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig

_TEACHER = flags.DEFINE_string("teacher", None, "A fine-tuned classifier.")
_TRAIN = flags.DEFINE_string("train", None, "Its labelled examples.")
_LAYERS = flags.DEFINE_list("student_layers", ["0", "2", "5"], "Of the student.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Times that each is run.")

_LESSONS: dict[str, dict[str, Any]] = {
    "soft labels": {},
    "soft labels, hidden states": {"hidden_weight": 1.0},
    "soft labels, hidden states, attention": {
        "hidden_weight": 1.0,
        "attention_weight": 1.0,
    },
    "relations": {"soft_weight": 0.0, "relation_weight": 1.0},
}


def main(argv: Sequence[str]) -> None:
    """Prints the times and their ratios."""
    del argv
    steps = {"the student alone": _step({"soft_weight": 0.0})}
    steps |= {name: _step(settings) for name, settings in _LESSONS.items()}
    steps |= {f"teacher: {name}": _answer(s) for name, s in _LESSONS.items()}
    best = dict.fromkeys(steps, float("inf"))
    for step in steps.values():
        step()
    for _ in range(_ROUNDS.value):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            best[name] = min(best[name], time.perf_counter() - start)
    alone = best["the student alone"]
    print(f"the student alone: {1000 * alone:.0f} ms")
    for name in _LESSONS:
        both = alone + best[f"teacher: {name}"]
        print(
            f"{name}: {1000 * best[name]:.0f} ms, of student and teacher "
            f"({1000 * both:.0f} ms) {best[name] / both:.2f}"
        )


def _open(settings: dict[str, Any]) -> tuple[Any, Any, dict[str, Any], Any]:
    """Returns task, model, batch and lessons."""
    from bert_tf.compression.lessons import Lessons
    from bert_tf.training import compressed, finetuning

    config = FinetuningConfig(
        distillation=TaskDistillationConfig(
            teacher=str(_TEACHER.value),
            student_layers=tuple(map(int, _LAYERS.value)),
            **settings,
        ),
        data=LabelledDataConfig(train=str(_TRAIN.value), eval_share=0.0),
    ).validate()
    inputs = finetuning.open_inputs(config)
    shape = inputs.weights.config
    task = compressed.wrap(
        inputs.task, config, model_config=shape, num_steps=1, teacher=inputs.teacher
    )
    model = task.create_model(shape)
    reader = inputs.train.reader(
        replica_batch_size=config.data.global_batch_size, pack=True
    )
    assert inputs.teacher is not None
    lessons = Lessons(inputs.task, inputs.teacher, config.distillation, shape)
    return task, model, reader.read(0, 1), lessons


def _step(settings: dict[str, Any]) -> Callable[[], object]:
    """Returns one training step."""
    import tensorflow as tf

    from bert_tf.config import OptimizerConfig
    from bert_tf.models.variables import trained_variables
    from bert_tf.training.optimizers import create_optimizer
    from bert_tf.training.step import CallInputs, StepSettings, build_train_function

    task, model, batches, _ = _open(settings)
    optimizer = create_optimizer(OptimizerConfig(), trained_variables(model))
    strategy = tf.distribute.get_strategy()
    train = build_train_function(strategy, task, model, optimizer, StepSettings())
    inputs = CallInputs(
        batches={name: tf.constant(values[0]) for name, values in batches.items()},
        host_values=tf.zeros([2]),
        micro_batches=tf.constant([1]),
        learning_rates=tf.constant([1e-5]),
        first_step=tf.constant(0, tf.int64),
        num_steps=tf.constant(1),
        loss_scale=tf.constant([1.0, 0.0]),
    )
    return lambda: train(inputs).rows.numpy()


def _answer(settings: dict[str, Any]) -> Callable[[], object]:
    """Returns one forward pass of the teacher."""
    import tensorflow as tf

    _, _, batches, lessons = _open(settings)
    batch = {name: tf.constant(values[0, 0]) for name, values in batches.items()}
    rows = batch.pop("num_rows")
    batch = {name: values[:rows] for name, values in batch.items()}
    lessons.create_teacher(None)
    teach = tf.function(lessons.taught, autograph=False)
    return lambda: [value.numpy() for value in teach(batch).values()]


def cli() -> None:
    """Runs the benchmark."""
    jobs.run(main, required=["teacher", "train"])


if __name__ == "__main__":
    cli()
