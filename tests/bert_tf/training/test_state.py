"""What a training checkpoint must hold for a run to go on from it."""

import types

import keras
import numpy as np
import pytest

from bert_tf.checkpoints.model_folder import ModelFolder
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.errors import InputError
from bert_tf.training.state import restore


@pytest.mark.parametrize("saved", [{}, {"dense/adam_m": np.zeros([3], np.float32)}])
def test_slots_of_another_optimizer_are_named(tmp_path, make_weights, saved):
    weights = make_weights()
    folder = ModelFolder(
        path=tmp_path,
        config=weights.config,
        vocabulary=weights.vocabulary,
        task=TaskDescription(),
        variables={},
        step=2,
        metadata={},
        optimizer=saved,
        training_state={},
    )
    optimizer = types.SimpleNamespace(
        slots={"dense/adam_m": keras.Variable(np.zeros([3, 2]))}
    )
    message = r"optimizer.safetensors: no `dense/adam_m` of shape \(3, 2\)"
    with pytest.raises(InputError, match=f"{tmp_path}/{message}"):
        restore(folder, model=keras.Sequential([]), optimizer=optimizer)
