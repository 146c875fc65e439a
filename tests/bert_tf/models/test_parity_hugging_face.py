"""Outputs and gradients against Hugging Face's `BertForPreTraining`."""

import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers

from benchmarks.pytorch_pretraining import hugging_face_name
from bert_tf.config import BertConfig
from bert_tf.models import BertPretrainer, named_variables
from bert_tf.tasks.pretraining import PretrainingTask

TOLERANCE = 1e-5
BATCH, SEQ_LENGTH, PREDICTIONS, VOCAB = 3, 24, 5, 101


def make_batch(rng):
    lengths = rng.integers(SEQ_LENGTH // 2, SEQ_LENGTH + 1, BATCH)
    mask = np.arange(SEQ_LENGTH) < lengths[:, np.newaxis]
    weights = np.arange(PREDICTIONS) < rng.integers(1, PREDICTIONS + 1, (BATCH, 1))
    return {
        "input_ids": rng.integers(0, VOCAB, (BATCH, SEQ_LENGTH)) * mask,
        "input_mask": mask.astype(np.int64),
        "segment_ids": rng.integers(0, 2, (BATCH, SEQ_LENGTH)) * mask,
        "masked_lm_positions": rng.integers(0, lengths.min(), (BATCH, PREDICTIONS)),
        "masked_lm_ids": rng.integers(0, VOCAB, (BATCH, PREDICTIONS)),
        "masked_lm_weights": weights.astype(np.float32),
        "next_sentence_labels": rng.integers(0, 2, (BATCH, 1)),
    }


def run_ours(model, batch, training):
    tensors = {name: tf.constant(value) for name, value in batch.items()}
    task = PretrainingTask()

    @tf.function
    def forward_and_backward():
        with tf.GradientTape() as tape:
            sums = task.sums(task.apply(model, tensors, training=training), tensors)
            weights = task.weights(tensors)
            loss = tf.add_n([sums[f"{n}_loss"] / weights[n] for n in task.losses])
        variables = {n: v.value for n, v in named_variables(model).items()}
        gradients = tape.gradient(loss, variables)
        outputs = model(tensors, training=training)
        return outputs, {n: tf.convert_to_tensor(g) for n, g in gradients.items()}

    outputs, gradients = forward_and_backward()
    return (
        {name: value.numpy() for name, value in outputs.items()},
        {name: value.numpy() for name, value in gradients.items()},
    )


def run_hugging_face(model, batch):
    ids = {name: torch.from_numpy(value) for name, value in batch.items()}
    hidden, pooled = model.bert(
        input_ids=ids["input_ids"],
        attention_mask=ids["input_mask"],
        token_type_ids=ids["segment_ids"],
        return_dict=False,
    )
    rows = torch.arange(BATCH)[:, None]
    gathered = hidden[rows, ids["masked_lm_positions"]]
    logits, nsp_logits = model.cls(gathered, pooled)
    cross_entropy = torch.nn.functional.cross_entropy
    mlm = cross_entropy(
        logits.flatten(0, 1), ids["masked_lm_ids"].flatten(), reduction="none"
    )
    weights = ids["masked_lm_weights"].flatten()
    loss = (mlm * weights).sum() / weights.sum()
    loss += cross_entropy(nsp_logits, ids["next_sentence_labels"][:, 0])
    loss.backward()
    outputs = {"masked_lm_logits": logits, "next_sentence_logits": nsp_logits}
    return (
        {name: value.detach().numpy() for name, value in outputs.items()},
        {name: value.grad.numpy() for name, value in model.named_parameters()},
    )


def relative_error(actual, expected):
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("training", [False, True], ids=["plain", "fused"])
@pytest.mark.parametrize("hidden_act", ["gelu", "gelu_erf"])
def test_outputs_and_gradients(hidden_act, training):
    rng = np.random.default_rng(0)
    config = BertConfig(
        vocab_size=VOCAB,
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=32,
        hidden_act=hidden_act,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = BertPretrainer(config, seed=1)
    theirs = transformers.BertForPreTraining(
        transformers.BertConfig(
            vocab_size=VOCAB,
            hidden_size=48,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_size=96,
            max_position_embeddings=32,
            hidden_act={"gelu": "gelu_new", "gelu_erf": "gelu"}[hidden_act],
            attn_implementation="eager",
        )
    ).eval()
    state = dict(theirs.named_parameters())
    variables = named_variables(model)
    with torch.no_grad():
        for name, variable in variables.items():
            # Larger than initial values, so that no part of the model is nearly idle.
            value = rng.normal(0, 0.2, variable.shape).astype(np.float32)
            value += name.endswith("gamma")
            variable.assign(value)
            state[hugging_face_name(name)].copy_(
                torch.from_numpy(value.T if name.endswith("kernel") else value)
            )
    assert {hugging_face_name(name) for name in variables} == set(state)

    batch = make_batch(rng)
    outputs, gradients = run_ours(model, batch, training)
    their_outputs, their_gradients = run_hugging_face(theirs, batch)
    for name, expected in their_outputs.items():
        assert relative_error(outputs[name], expected) < TOLERANCE, name
    for name, gradient in gradients.items():
        expected = their_gradients[hugging_face_name(name)]
        if name.endswith("kernel"):
            expected = expected.T
        if name.endswith("self/key/bias"):
            # Softmax does not change when all of a query's scores do: exactly 0.
            assert np.abs(gradient).max() < TOLERANCE, name
        else:
            assert relative_error(gradient, expected) < TOLERANCE, name
