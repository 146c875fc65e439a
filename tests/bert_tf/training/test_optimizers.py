import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_tf.config import OptimizerConfig
from bert_tf.training.optimizers import clipping_factor, create_optimizer

pytestmark = pytest.mark.slow

SHAPES = {"dense/kernel": (5, 3), "dense/bias": (3,), "LayerNorm/gamma": (4,)}
DECAYS = {"dense/kernel": True, "dense/bias": False, "LayerNorm/gamma": False}
STEPS = 20


class Reference:
    """The published update rules, line by line, in float64."""

    def __init__(self, config, values):
        self.config = config
        self.values = {name: value.astype(np.float64) for name, value in values.items()}
        self.m = {name: np.zeros(value.shape) for name, value in values.items()}
        self.v = {name: np.zeros(value.shape) for name, value in values.items()}

    def apply(self, gradients, learning_rate, step):
        config = self.config
        for name, g in gradients.items():
            w = self.values[name]
            self.m[name] = config.beta_1 * self.m[name] + (1 - config.beta_1) * g
            self.v[name] = config.beta_2 * self.v[name] + (1 - config.beta_2) * g**2
            m, v = self.m[name], self.v[name]
            if config.bias_correction:
                m = m / (1 - config.beta_1 ** (step + 1))
                v = v / (1 - config.beta_2 ** (step + 1))
            update = m / (np.sqrt(v) + config.epsilon)
            if DECAYS[name]:
                update = update + config.weight_decay_rate * w
            if config.name == "lamb":
                sizes = np.linalg.norm(w), np.linalg.norm(update)
                update = update * (sizes[0] / sizes[1] if all(sizes) else 1.0)
            self.values[name] = w - learning_rate * update


@pytest.mark.parametrize("bias_correction", [False, True])
@pytest.mark.parametrize("name", ["adamw", "lamb"])
def test_twenty_steps_equal_the_published_rule(name, bias_correction):
    rng = np.random.default_rng(0)
    config = OptimizerConfig(
        name=name, bias_correction=bias_correction, weight_decay_rate=0.1
    )
    values = {n: rng.normal(size=s).astype(np.float32) for n, s in SHAPES.items()}
    values["dense/bias"][:] = 0.0  # As it starts: its trust ratio is 1.
    variables = {n: keras.Variable(value) for n, value in values.items()}
    optimizer = create_optimizer(config, variables)
    reference = Reference(config, values)
    update = tf.function(optimizer.apply)
    for step in range(STEPS):
        gradients = {
            n: rng.normal(0, 10.0 ** -(step % 4), s).astype(np.float32)
            for n, s in SHAPES.items()
        }
        learning_rate = 0.01 * (step + 1)
        update(
            [tf.constant(g) for g in gradients.values()],
            tf.constant(learning_rate),
            tf.constant(step, tf.int64),
        )
        reference.apply(gradients, learning_rate, step)
    for n, variable in variables.items():
        np.testing.assert_allclose(
            variable.numpy(), reference.values[n], rtol=5e-5, atol=1e-5
        )
        for slot, expected in (("adam_m", reference.m), ("adam_v", reference.v)):
            np.testing.assert_allclose(
                optimizer.slots[f"{n}/{slot}"], expected[n], rtol=5e-5, atol=1e-7
            )


@pytest.mark.parametrize("name", ["adamw", "lamb"])
def test_only_matrices_decay(name):
    config = OptimizerConfig(name=name, weight_decay_rate=0.5)
    variables = {n: keras.Variable(np.ones(s, np.float32)) for n, s in SHAPES.items()}
    optimizer = create_optimizer(config, variables)
    optimizer.apply([tf.zeros(s) for s in SHAPES.values()], 0.1, 0)
    for n, variable in variables.items():
        assert (variable.numpy() < 1.0).all() == DECAYS[n]


def test_sparse_gradients_count_in_full():
    variable = keras.Variable(np.zeros((4, 2), np.float32))
    optimizer = create_optimizer(OptimizerConfig(), {"embeddings": variable})
    gradient = tf.IndexedSlices(tf.ones([3, 2]), tf.constant([1, 1, 3]), [4, 2])
    optimizer.apply([gradient], 1.0, 0)
    m = optimizer.slots["embeddings/adam_m"].numpy()
    np.testing.assert_allclose(m[:, 0], [0.0, 0.2, 0.0, 0.1], rtol=1e-6)


def test_clips_by_the_joint_norm():
    gradients = [tf.constant([3.0, 0.0]), tf.constant([[4.0]])]
    for max_norm in (1.0, 7.0):
        expected, norm = tf.clip_by_global_norm(gradients, max_norm)
        factor = clipping_factor(norm, max_norm)
        for gradient, clipped in zip(gradients, expected, strict=True):
            np.testing.assert_array_equal(factor * gradient, clipped)
    assert clipping_factor(norm, 0) == 1.0


@pytest.mark.parametrize("name", ["adamw", "lamb"])
def test_an_update_clips_what_it_is_given(name):
    found = []
    for gradient, factor in (([0.6, -0.8], 1.0), ([3.0, -4.0], 0.2)):
        variable = keras.Variable(np.array([0.5, 0.25], np.float32))
        config = OptimizerConfig(name=name, weight_decay_rate=0.1)
        optimizer = create_optimizer(config, {"kernel": variable})
        optimizer.apply([tf.constant(gradient)], 0.1, 0, factor)
        slots = [slot.numpy() for slot in optimizer.slots.values()]
        found.append([np.asarray(variable), *slots])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_refuses_missing_gradients():
    variables = {"a": keras.Variable(np.zeros(2, np.float32))}
    optimizer = create_optimizer(OptimizerConfig(), variables)
    with pytest.raises(ValueError, match="each of the 1 variables. Received: 0"):
        optimizer.apply([], 0.1, 0)
    with pytest.raises(ValueError, match="gradient for 'a'. Received: None"):
        optimizer.apply([None], 0.1, 0)


TWO_REPLICAS = """
import keras, numpy as np, tensorflow as tf
from bert_tf.config import OptimizerConfig
from bert_tf.training.optimizers import create_optimizer

cpu = tf.config.list_physical_devices("CPU")[0]
device = tf.config.LogicalDeviceConfiguration()
tf.config.set_logical_device_configuration(cpu, [device, device])
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
for name in ("adamw", "lamb"):
    with strategy.scope():
        variable = keras.Variable(np.ones((4, 3), np.float32))
        optimizer = create_optimizer(OptimizerConfig(name=name), {"kernel": variable})

    @tf.function
    def train():
        def replica_step():
            optimizer.apply([tf.fill([4, 3], 0.5)], 0.1, 0)
        strategy.run(replica_step)

    train()
    for mirrored in (variable.value, *optimizer.slots.values()):
        first, second = strategy.experimental_local_results(mirrored)
        np.testing.assert_array_equal(first, second)
        assert (first.numpy() != 1.0).all() and first.numpy().any()
"""


def test_each_replica_updates_its_own_copy():
    subprocess.run([sys.executable, "-c", TWO_REPLICAS], check=True, timeout=120)
