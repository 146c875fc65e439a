import numpy as np
import pytest

from bert_tf.config import DataConfig, OptimizerConfig
from bert_tf.training.schedules import examples_before, learning_rate, micro_batches


def rates(config, steps, total):
    return [learning_rate(config, step, total) for step in steps]


def test_linear_decay_is_google_research_berts():
    # optimization.create_optimizer: polynomial_decay(init_lr, global_step, total, 0.0,
    # power=1.0), replaced by init_lr * step / warmup while step < warmup.
    config = OptimizerConfig(learning_rate=1e-4, warmup_steps=10)
    expected = [1e-4 * s / 10 if s < 10 else 1e-4 * (1 - s / 100) for s in range(101)]
    np.testing.assert_allclose(rates(config, range(101), 100), expected, rtol=1e-12)


def test_cosine_and_polynomial_decay():
    cosine = OptimizerConfig(learning_rate=2.0, warmup_steps=0, decay="cosine")
    assert rates(cosine, [0, 50, 100], 100) == pytest.approx([2.0, 1.0, 0.0])
    root = OptimizerConfig(
        learning_rate=2.0, warmup_steps=0, decay="polynomial", decay_power=0.5
    )
    assert rates(root, [0, 75, 100, 150], 100) == pytest.approx([2.0, 1.0, 0.0, 0.0])


def test_the_batch_grows_by_whole_micro_batches():
    data = DataConfig(global_batch_size=64, initial_batch_size=16, batch_ramp_steps=6)
    counts = [micro_batches(data, step, 8) for step in range(9)]
    assert counts == [2, 3, 4, 5, 6, 7, 8, 8, 8]


def test_without_a_ramp_every_batch_is_whole():
    assert [micro_batches(DataConfig(), step, 64) for step in (0, 9)] == [4, 4]


@pytest.mark.parametrize("initial", [0, 16, 64])
def test_examples_before_is_the_sum_of_the_batches(initial):
    data = DataConfig(
        global_batch_size=64, initial_batch_size=initial, batch_ramp_steps=5
    )
    sizes = [micro_batches(data, step, 8) * 8 for step in range(12)]
    for step in range(12):
        assert examples_before(data, step, 8) == sum(sizes[:step])
