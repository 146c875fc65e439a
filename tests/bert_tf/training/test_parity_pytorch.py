"""The loop's loss curve against PyTorch's, from the same weights and records."""

import dataclasses
import re

import numpy as np
import pytest
import torch
import transformers

from bert_tf import schedules
from bert_tf.config import OptimizerConfig
from bert_tf.dataset_info import DatasetInfo
from bert_tf.input_pipeline import BatchReader, open_examples
from bert_tf.models import BertPretrainer, named_variables

STEPS = 300
RENAMED = {
    "cls/predictions/output_bias": "cls.predictions.bias",
    "cls/seq_relationship/output_weights": "cls.seq_relationship.weight",
    "cls/seq_relationship/output_bias": "cls.seq_relationship.bias",
}


def hugging_face_name(name):
    name = RENAMED.get(name, name)
    name = re.sub(r"/layer_(\d+)/", r"/layer/\1/", name)
    name = re.sub(r"/(kernel|gamma)$", "/weight", name)
    name = re.sub(r"/beta$", "/bias", name)
    return re.sub(r"_embeddings$", "_embeddings/weight", name).replace("/", ".")


def make_model(config, seed):
    """Hugging Face's model with the values that ours starts from."""
    model = transformers.BertForPreTraining(
        transformers.BertConfig(
            **{**dataclasses.asdict(config), "hidden_act": "gelu_new"},
            attn_implementation="eager",
        )
    )
    parameters = dict(model.named_parameters())
    for name, variable in named_variables(BertPretrainer(config, seed=seed)).items():
        value = variable.numpy().T if name.endswith("/kernel") else variable.numpy()
        parameters[hugging_face_name(name)].data = torch.from_numpy(value.copy())
    return model


def loss_of(model, batch):
    tensors = {name: torch.from_numpy(v[0, 0]).long() for name, v in batch.items()}
    weights = torch.from_numpy(batch["masked_lm_weights"][0, 0])
    logits = model(
        input_ids=tensors["input_ids"],
        attention_mask=tensors["input_mask"],
        token_type_ids=tensors["segment_ids"],
    )
    rows = torch.arange(len(weights))[:, None]
    predictions = logits.prediction_logits[rows, tensors["masked_lm_positions"]]
    token_losses = torch.nn.functional.cross_entropy(
        predictions.transpose(1, 2), tensors["masked_lm_ids"], reduction="none"
    )
    pairs = torch.nn.functional.cross_entropy(
        logits.seq_relationship_logits, tensors["next_sentence_labels"][:, 0]
    )
    return (token_losses * weights).sum() / weights.sum() + pairs


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

    info = DatasetInfo.load(toy.train_dir)
    reader = BatchReader(
        open_examples(toy.train_dir, info, seed=config.seed),
        info.features,
        num_replicas=1,
        local_replicas=range(1),
        replica_batch_size=config.data.global_batch_size,
    )
    model = make_model(config.model, config.seed)
    adam = BertAdam(model, optimizer)
    theirs = []
    for step in range(STEPS):
        loss = loss_of(model, reader.read(step * config.data.global_batch_size, 1))
        loss.backward()
        adam.step(schedules.learning_rate(optimizer, step, STEPS))
        theirs.append(loss.item())

    np.testing.assert_allclose(ours, theirs, rtol=0.01)
    assert theirs[-1] < 0.9 * theirs[0]
