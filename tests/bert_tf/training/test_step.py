"""The functions of the training step, looked at as graphs."""

import pytest
import tensorflow as tf

from bert_tf.config import BertConfig, OptimizerConfig
from bert_tf.models import BertPretrainer, named_variables
from bert_tf.tasks.pretraining import PretrainingTask
from bert_tf.training.optimizers import create_optimizer
from bert_tf.training.step import CallInputs, StepSettings, build_train_function

BATCHES = {
    "input_ids": tf.ones([3, 2, 8], tf.int32),
    "input_mask": tf.ones([3, 2, 8], tf.int32),
    "segment_ids": tf.zeros([3, 2, 8], tf.int32),
    "masked_lm_positions": tf.ones([3, 2, 1], tf.int32),
    "masked_lm_ids": tf.ones([3, 2, 1], tf.int32),
    "masked_lm_weights": tf.ones([3, 2, 1]),
    "next_sentence_labels": tf.zeros([3, 2, 1], tf.int32),
}


@pytest.fixture
def model():
    return BertPretrainer(
        BertConfig(
            vocab_size=20,
            hidden_size=4,
            num_hidden_layers=1,
            num_attention_heads=1,
            intermediate_size=4,
            max_position_embeddings=8,
        )
    )


def iterations_at_once(function, *arguments):
    graph = function.get_concrete_function(*arguments).graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    return {n.attr["parallel_iterations"].i for n in nodes if n.op.endswith("While")}


@pytest.mark.parametrize("static_micro_batches", [1, None])
def test_steps_and_micro_batches_run_one_after_the_other(model, static_micro_batches):
    """Ten micro-batches at once would take the memory that they are to save."""
    train = build_train_function(
        tf.distribute.get_strategy(),
        PretrainingTask(),
        model,
        create_optimizer(OptimizerConfig(), named_variables(model)),
        StepSettings(static_micro_batches=static_micro_batches),
    )
    call = CallInputs(
        batches=BATCHES,
        host_values=tf.zeros([2]),
        micro_batches=tf.constant([1, 2]),
        learning_rates=tf.zeros([2]),
        first_step=tf.constant(0, tf.int64),
        num_steps=tf.constant(2),
        loss_scale=tf.constant([1.0, 0.0]),
    )
    assert iterations_at_once(train, call) == {1}
