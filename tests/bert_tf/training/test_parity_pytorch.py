"""The loop's loss curve against PyTorch's, from the same weights and records."""

import dataclasses

import numpy as np
import pytest
import torch

from benchmarks import pytorch_pretraining
from bert_tf.config import OptimizerConfig
from bert_tf.data.dataset import Dataset
from bert_tf.data.input_pipeline import BatchReader
from bert_tf.training import schedules

STEPS = 300


class BertAdam:
    """google-research/bert's AdamWeightDecayOptimizer, by its formulas."""

    def __init__(self, model, config):
        self.config = config
        self.parameters = dict(model.named_parameters())
        self.m = {n: torch.zeros_like(p) for n, p in self.parameters.items()}
        self.v = {n: torch.zeros_like(p) for n, p in self.parameters.items()}

    @torch.no_grad()
    def step(self, learning_rate):
        config = self.config
        grads = {n: p.grad for n, p in self.parameters.items()}
        norm = torch.sqrt(sum((g.double() ** 2).sum() for g in grads.values()))
        scale = float(1.0 / max(norm, 1.0))
        for name, parameter in self.parameters.items():
            g, m, v = grads[name] * scale, self.m[name], self.v[name]
            m.mul_(config.beta_1).add_(g, alpha=1 - config.beta_1)
            v.mul_(config.beta_2).addcmul_(g, g, value=1 - config.beta_2)
            update = m / (v.sqrt() + config.epsilon)
            if "LayerNorm" not in name and "bias" not in name:
                update += config.weight_decay_rate * parameter
            parameter -= learning_rate * update
            parameter.grad = None


@pytest.mark.slow
def test_the_loss_curve_is_pytorchs(toy, losses):
    optimizer = OptimizerConfig(learning_rate=1e-3, warmup_steps=30)
    config = toy.config(
        model=dataclasses.replace(toy.without_dropout(), vocab_size=32),
        optimizer=optimizer,
        num_train_steps=STEPS,
        steps_per_call=20,
        eval_interval=0,
        checkpoint_interval=STEPS,
    )
    ours = [line["loss"] for line in losses(toy.train("parity", config)).values()]

    dataset = Dataset.open(toy.train_dir)
    reader = BatchReader(
        dataset.examples(seed=config.seed),
        dataset.features,
        replica_batch_size=config.data.global_batch_size,
    )
    model = pytorch_pretraining.make_model(config.model, config.seed)
    adam = BertAdam(model, optimizer)
    theirs = []
    for step in range(STEPS):
        read = reader.read(step * config.data.global_batch_size, 1)
        batch = {name: values[0, 0] for name, values in read.items()}
        loss_sum, weight_sum, pairs = pytorch_pretraining.losses(model, batch)
        loss = loss_sum / weight_sum + pairs
        loss.backward()
        adam.step(schedules.learning_rate(optimizer, step, STEPS))
        theirs.append(loss.item())

    np.testing.assert_allclose(ours, theirs, rtol=0.01)
    assert theirs[-1] < 0.9 * theirs[0]
