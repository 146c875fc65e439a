"""One framework's training step, run on command by `benchmarks.training_step`.

A process of its own for each framework, so that its memory is its own. Each line on
stdin is a number of steps to run; the answer is a JSON line with the seconds that each
took and the process' peak memory.
"""

import functools
import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import training_step_peers
from benchmarks.training_step_work import (
    LEARNING_RATE,
    MAX_GRAD_NORM,
    Batch,
    RunSteps,
    keras_policy,
    make_batch,
    timed,
)
from bert_tf.config import BertConfig, OptimizerConfig, model_config

OurStep = Callable[[dict[str, Any], int], None]


def build_our_step(
    config: BertConfig, *, jit_compile: bool = False, rematerialize: bool = False
) -> OurStep:
    """Builds a new model's training step, as the training loop runs it.

    Returns:
        A function of tensors, name -> `[1, batch, ...]`, and the number of the step,
        which ends when the step has.
    """
    import tensorflow as tf

    from bert_tf.models import BertPretrainer, named_variables
    from bert_tf.tasks.pretraining import PretrainingTask
    from bert_tf.training.optimizers import create_optimizer
    from bert_tf.training.step import CallInputs, StepSettings, build_train_function

    model = BertPretrainer(config, rematerialize=rematerialize)
    train = build_train_function(
        tf.distribute.get_strategy(),
        PretrainingTask(),
        model,
        create_optimizer(OptimizerConfig(), named_variables(model)),
        StepSettings(max_grad_norm=MAX_GRAD_NORM, jit_compile=jit_compile),
    )

    def run_step(batches: dict[str, Any], number: int) -> None:
        call = CallInputs(
            batches=batches,
            host_values=tf.zeros([2]),
            micro_batches=tf.ones([1], tf.int32),
            learning_rates=tf.constant([LEARNING_RATE]),
            first_step=tf.constant(number, tf.int64),
            num_steps=tf.constant(1),
            loss_scale=tf.constant([1.0, 0.0]),
        )
        train(call).rows.numpy()

    return run_step


def ours(
    config: BertConfig, batch: Batch, precision: str, **settings: bool
) -> RunSteps:
    """Our training step, on a batch that is in TensorFlow's memory."""
    import keras
    import tensorflow as tf

    keras.config.set_dtype_policy(keras_policy(precision))
    step = build_our_step(config, **settings)
    batches = {
        name: tf.constant(value[np.newaxis], _tensorflow_type(value))
        for name, value in batch.items()
    }
    return timed(lambda number: step(batches, number))


def matrix_products(config: BertConfig, batch: Batch, precision: str) -> RunSteps:
    """The encoder's largest product alone, which bounds every framework's speed."""
    import tensorflow as tf

    dtype = tf.as_dtype(precision)
    tokens = batch["input_ids"].size
    x = tf.cast(tf.random.normal([tokens, config.hidden_size]), dtype)
    kernel = tf.cast(
        tf.random.normal([config.hidden_size, config.intermediate_size]), dtype
    )
    product = tf.function(lambda: tf.reduce_max(tf.matmul(x, kernel)[0]))

    return timed(lambda number: product().numpy())


FRAMEWORKS: dict[str, Callable[[BertConfig, Batch, str], RunSteps]] = {
    "bert_tf": ours,
    "bert_tf_xla": functools.partial(ours, jit_compile=True),
    "bert_tf_rematerialized": functools.partial(ours, rematerialize=True),
    "keras_hub": training_step_peers.keras_hub,
    "keras_hub_xla": functools.partial(training_step_peers.keras_hub, jit_compile=True),
    "hugging_face": training_step_peers.hugging_face,
    "hugging_face_compiled": functools.partial(
        training_step_peers.hugging_face, compiled=True
    ),
    "matrix_products": matrix_products,
}


def _tensorflow_type(value: np.ndarray) -> str:
    return "float32" if value.dtype == np.float32 else "int32"


def main() -> None:
    """Serves the parent: builds the step, then runs it as told."""
    settings = json.loads(sys.argv[1])
    config = model_config(settings["size"])
    batch = make_batch(
        config,
        batch_size=settings["batch_size"],
        seq_length=settings["seq_length"],
        predictions=settings["predictions"],
    )
    run = FRAMEWORKS[settings["framework"]](config, batch, settings["precision"])
    for line in sys.stdin:
        start = time.process_time()
        seconds = run(int(line))
        cpu_seconds = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(
            "result "
            + json.dumps(
                {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_bytes": peak}
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
