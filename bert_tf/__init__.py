"""BERT for TensorFlow: from raw text to a pretrained, fine-tuned, compressed model."""

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bert_tf.prediction.predictor import Predictor
    from bert_tf.training.plain_keras import KerasFinetuning

__version__ = "0.1.0"

# `python -m bert_tf.JOB` is starting, and no module of it is loaded yet: until
# `cli.jobs` takes over, Ctrl-C ends it without a traceback. A program that imports the
# library keeps its handlers.
if sys.argv[:1] == ["-m"] and (
    signal.getsignal(signal.SIGINT) is signal.default_int_handler
):
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def load(
    path: str | os.PathLike[str],
    task: str | None = None,
    precision: str = "float32",
    **settings: Any,
) -> "Predictor":
    """Opens a trained model: `bert_tf.load(path).predict([...])`.

    Args:
        path: a training workdir, a model folder, or a model in any format that
            `bert_tf.convert_checkpoint` reads.
        task: what to use it for, in place of what it was trained for: `embedding` takes
            any encoder, `pretraining` fills [MASK].
        precision: `float32`, or `bfloat16` for products that are faster on some
            processors, and for slightly other numbers.
        **settings: of the task, in place of those it was trained with, for instance
            `pooling="cls"`.

    Raises:
        InputError: nothing that can be read is there, it lacks the weights that the
            task needs, or there is no such task, precision or setting.
    """
    from bert_tf.prediction import predictor  # TensorFlow loads here

    return predictor.load(path, task, precision, **settings)


def for_keras(
    init_from: str, train: str, task: str = "classification", **data: Any
) -> "KerasFinetuning":
    """Opens a checkpoint and labelled files for `compile` and `fit`.

    See `bert_tf.training.plain_keras.for_keras`.
    """
    from bert_tf.training import plain_keras  # TensorFlow loads here

    return plain_keras.for_keras(init_from, train, task, **data)
