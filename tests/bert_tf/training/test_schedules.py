import numpy as np
import pytest

from bert_tf.config import DataConfig, OptimizerConfig
from bert_tf.training.schedules import batch_size, examples_before, learning_rate


def rates(config, steps, total):
    return [learning_rate(config, step, total) for step in steps]


def test_linear_decay_is_google_research_berts():
    # optimization.create_optimizer: polynomial_decay(init_lr, global_step, total, 0.0,
    # power=1.0), replaced by init_lr * step / warmup while step < warmup.
    config = OptimizerConfig(learning_rate=1e-4, warmup_steps=10)
    expected = [1e-4 * s / 10 if s < 10 else 1e-4 * (1 - s / 100) for s in range(101)]
    np.testing.assert_allclose(rates(config, range(101), 100), expected, rtol=1e-12)


@pytest.mark.parametrize(("warmup", "total"), [(10, 100), (0, 7), (7, 7), (9, 7)])
def test_linear_decay_from_the_warm_up_is_hugging_faces(warmup, total):
    # get_linear_schedule_with_warmup: the factor is step / max(1, warmup) before, and
    # max(0, (total - step) / max(1, total - warmup)) after.
    config = OptimizerConfig(
        learning_rate=1e-4, warmup_steps=warmup, decay_from_warmup=True
    )
    expected = [
        1e-4 * (s / warmup if s < warmup else (total - s) / (total - warmup))
        for s in range(total)
    ]
    np.testing.assert_allclose(rates(config, range(total), total), expected)


def test_cosine_and_polynomial_decay():
    cosine = OptimizerConfig(learning_rate=2.0, warmup_steps=0, decay="cosine")
    assert rates(cosine, [0, 50, 100], 100) == pytest.approx([2.0, 1.0, 0.0])
    root = OptimizerConfig(
        learning_rate=2.0, warmup_steps=0, decay="polynomial", decay_power=0.5
    )
    assert rates(root, [0, 75, 100, 150], 100) == pytest.approx([2.0, 1.0, 0.0, 0.0])
    later = OptimizerConfig(
        learning_rate=2.0, warmup_steps=50, decay="cosine", decay_from_warmup=True
    )
    assert rates(later, [25, 50, 75, 100], 100) == pytest.approx([1.0, 2.0, 1.0, 0.0])


def test_the_batch_grows_evenly():
    data = DataConfig(global_batch_size=64, initial_batch_size=24, batch_ramp_steps=5)
    sizes = [batch_size(data, step) for step in range(8)]
    assert sizes == [24, 32, 40, 48, 56, 64, 64, 64]


def test_it_grows_by_what_both_sizes_are_multiples_of():
    data = DataConfig(global_batch_size=64, initial_batch_size=16, batch_ramp_steps=6)
    assert [batch_size(data, step) for step in range(7)] == [16, 16, 32, 32, 48, 48, 64]


def test_without_a_ramp_every_batch_is_whole():
    assert [batch_size(DataConfig(), step) for step in (0, 9)] == [256, 256]


@pytest.mark.parametrize("initial", [0, 16, 64])
def test_examples_before_is_the_sum_of_the_batches(initial):
    data = DataConfig(
        global_batch_size=64, initial_batch_size=initial, batch_ramp_steps=5
    )
    sizes = [batch_size(data, step) for step in range(12)]
    for step in range(12):
        assert examples_before(data, step) == sum(sizes[:step])
