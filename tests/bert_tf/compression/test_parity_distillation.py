"""A step's losses and gradients against PyTorch's, from the same weights.

The formulas are those of the code that DistilBERT and TinyBERT came with, around
Hugging Face's models; MiniLM's that of its paper.
"""

import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers
from torch.nn import functional

from bert_tf.checkpoints import conversion
from bert_tf.checkpoints.conversion import names
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.compression.added_variables import added_variables
from bert_tf.compression.distillation import DistillationTask
from bert_tf.compression.distillation_config import DistillationConfig
from bert_tf.compression.lessons import Lessons
from bert_tf.compression.teacher import Teacher
from bert_tf.config import BertConfig
from bert_tf.models import assign_variables, named_variables
from bert_tf.tasks.catalog import create_task

TASK = TaskDescription("classification", 7, ("a", "b", "c"))
SHAPE = {"hidden_act": "gelu_erf", "max_position_embeddings": 8}
SHAPE |= dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), 0.0)
TEACHER = BertConfig(17, 16, 4, 2, 24, **SHAPE)
STUDENT = BertConfig(17, 12, 2, 2, 20, **SHAPE)
LAYERS = (1, 3)
IDS = np.random.default_rng(0).integers(5, 17, [4, 7])
BATCH = {
    "input_ids": IDS.astype(np.int32),
    "input_mask": np.ones_like(IDS),
    "segment_ids": (np.arange(7) > 3) * np.ones_like(IDS),
    "labels": np.array([[0], [1], [2], [1]], np.int32),
    "example_weights": np.ones([4, 1], np.float32),
}
CONFIG = DistillationConfig(
    teacher="teacher",
    temperature=3.0,
    hard_weight=0.3,
    soft_weight=0.7,
    hidden_weight=0.5,
    cosine_weight=0.25,
    attention_weight=0.125,
    relation_weight=2.0,
    layer_map=LAYERS,
    relation_layer=2,
    relation_heads=4,
)


def shapes(config):
    return {
        **names.encoder(config),
        **names.pooler(config),
        **names.task_head("classification", 3, config),
    }


@pytest.fixture(scope="module")
def models(make_weights, tmp_path_factory):
    """Weights, and Hugging Face's model of the same, of teacher and student."""
    found = {}
    for name, config in (("teacher", TEACHER), ("student", STUDENT)):
        weights = make_weights(config=config, shapes=shapes, task=TASK)
        for array in weights.variables.values():
            array *= 0.3
        folder = tmp_path_factory.mktemp(name) / "model"
        conversion.save(weights, folder, "hugging_face")
        model = transformers.BertForSequenceClassification.from_pretrained(
            folder, attn_implementation="eager"
        )
        found[name] = weights, model.eval()
    return found


def run(model):
    """Returns logits, hidden states, and queries, keys and values of each layer."""
    found = []

    def keep(module, inputs, output):
        found.append(output)

    hooks = [
        getattr(layer.attention.self, part).register_forward_hook(keep)
        for layer in model.bert.encoder.layer
        for part in ("query", "key", "value")
    ]
    outputs = model(
        input_ids=torch.tensor(BATCH["input_ids"]),
        token_type_ids=torch.tensor(BATCH["segment_ids"]),
        output_hidden_states=True,
    )
    for hook in hooks:
        hook.remove()
    layers = [found[i : i + 3] for i in range(0, len(found), 3)]
    return outputs.logits, outputs.hidden_states, layers


def heads(x, count):
    return x.reshape(*x.shape[:2], count, -1).transpose(1, 2)


def scores(queries, keys, count):
    queries, keys = heads(queries, count), heads(keys, count)
    return queries @ keys.transpose(-1, -2) / queries.shape[-1] ** 0.5


def torch_losses(models, projections):
    with torch.no_grad():
        t_logits, t_hidden, t_layers = run(models["teacher"][1])
    s_logits, s_hidden, s_layers = run(models["student"][1])
    temperature = CONFIG.temperature
    soft = functional.kl_div(
        functional.log_softmax(s_logits / temperature, dim=-1),
        functional.softmax(t_logits / temperature, dim=-1),
        reduction="batchmean",
    )
    embeddings, hidden_states = (
        torch.tensor(projections[name]) for name in ("embeddings", "hidden_states")
    )
    hidden = functional.mse_loss(s_hidden[0] @ embeddings, t_hidden[0])
    attention = 0.0
    for own, theirs in enumerate(LAYERS):
        projected = s_hidden[own + 1] @ hidden_states
        hidden = hidden + functional.mse_loss(projected, t_hidden[theirs + 1])
        attention = attention + functional.mse_loss(
            scores(*s_layers[own][:2], 2), scores(*t_layers[theirs][:2], 2)
        )
    last = (s_hidden[-1] @ hidden_states).reshape(-1, 16)
    cosine = functional.cosine_embedding_loss(
        last, t_hidden[-1].reshape(-1, 16), torch.ones(len(last))
    )
    relation = 0.0
    for own, theirs in zip(s_layers[-1], t_layers[2], strict=True):
        own, theirs = (scores(x, x, 4).reshape(-1, 7) for x in (own, theirs))
        relation = relation + functional.kl_div(
            functional.log_softmax(own, -1),
            functional.log_softmax(theirs, -1),
            reduction="batchmean",
            log_target=True,
        )
    labels = torch.tensor(BATCH["labels"][:, 0]).long()
    return {
        "example": CONFIG.hard_weight * functional.cross_entropy(s_logits, labels),
        "soft_label": CONFIG.soft_weight * soft * temperature**2,
        "hidden_state": CONFIG.hidden_weight * hidden,
        "cosine": CONFIG.cosine_weight * cosine,
        "attention": CONFIG.attention_weight * attention,
        "relation": CONFIG.relation_weight * relation / 3,
    }


@pytest.mark.slow
def test_losses_and_gradients_are_pytorchs(models):
    weights = {name: model[0] for name, model in models.items()}
    inner, teacher = create_task(TASK), Teacher("teacher", weights["teacher"])
    task = DistillationTask(inner, Lessons(inner, teacher, CONFIG, STUDENT), CONFIG)
    model = task.create_model(STUDENT)
    assign_variables(model, weights["student"].variables, strict=False)
    projections = {
        name: np.asarray(variable)
        for name, variable in added_variables(model, "distillation").items()
    }
    batch = {name: tf.constant(values) for name, values in BATCH.items()}
    with tf.GradientTape() as tape:
        outputs = task.apply(model, batch, training=True, dropout_seed=None)
        sums = task.sums(outputs, batch, training=True)
        divisors = task.weights(batch)
        means = {n: sums[f"{n}_loss"] / divisors[n] for n in task.losses}
        loss = tf.add_n(list(means.values()))
    variables = named_variables(model)
    kernel = "bert/encoder/layer_0/attention/self/query/kernel"
    found = tape.gradient(
        loss, [variables[kernel], variables["bert/pooler/dense/kernel"]]
    )

    expected = torch_losses(models, projections)
    for name, value in expected.items():
        assert float(means[name]) == pytest.approx(value.item(), rel=2e-4), name
    assert means.keys() == expected.keys()
    sum(expected.values()).backward()
    bert = models["student"][1].bert
    for ours, theirs in zip(
        found,
        (bert.encoder.layer[0].attention.self.query, bert.pooler.dense),
        strict=True,
    ):
        theirs = theirs.weight.grad.numpy().T
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-6)
