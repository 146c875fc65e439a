"""Distillation on records: DistilBERT's losses in PyTorch, and whole runs."""

import dataclasses
import shutil

import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers
from finetuning_runs import contents
from torch.nn import functional

from bert_tf.checkpoints import conversion
from bert_tf.checkpoints.model_folder import save_model_folder
from bert_tf.checkpoints.workdir import list_checkpoints, resolve_checkpoint
from bert_tf.compression.distillation import DistillationTask
from bert_tf.compression.distillation_config import PretrainingDistillationConfig
from bert_tf.compression.lessons import Lessons
from bert_tf.compression.teacher import Teacher
from bert_tf.config import BertConfig, OptimizerConfig
from bert_tf.data.dataset import Dataset
from bert_tf.errors import InputError
from bert_tf.models import BertPretrainer, assign_variables, named_variables
from bert_tf.tasks.pretraining import PretrainingTask, pretraining_description
from bert_tf.training.config import PhaseConfig

SHAPE = {"hidden_act": "gelu_erf", "max_position_embeddings": 8}
SHAPE |= dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), 0.0)
TEACHER = BertConfig(17, 16, 4, 2, 24, **SHAPE)
STUDENT = BertConfig(17, 16, 2, 4, 20, **SHAPE)


def test_losses_are_distilberts(make_weights, tmp_path):
    generator = np.random.default_rng(0)
    ids = generator.integers(5, 17, [4, 7]).astype(np.int32)
    mask = (np.arange(7) < np.array([[7], [5], [7], [4]])).astype(np.int32)
    batch = {
        "input_ids": ids,
        "input_mask": mask,
        "segment_ids": np.zeros_like(ids),
        "masked_lm_positions": np.array([[1, 3], [2, 0], [6, 1], [3, 0]], np.int32),
        "masked_lm_ids": generator.integers(5, 17, [4, 2]).astype(np.int32),
        "masked_lm_weights": np.array([[1, 1], [1, 0], [1, 1], [1, 0]], np.float32),
        "next_sentence_labels": np.zeros([4, 1], np.int32),
    }
    weights, models = [], []
    for name, config in (("teacher", TEACHER), ("student", STUDENT)):
        weights.append(make_weights(config=config))
        for array in weights[-1].variables.values():
            array *= 0.3
        conversion.save(weights[-1], tmp_path / name, "hugging_face")
        models.append(
            transformers.BertForMaskedLM.from_pretrained(tmp_path / name).eval()
        )
    config = PretrainingDistillationConfig(teacher="teacher")
    inner = PretrainingTask(pretraining_description(sentence_pairs=False))
    lessons = Lessons(inner, Teacher("teacher", weights[0]), config, STUDENT)
    task = DistillationTask(inner, lessons, config)
    model = task.create_model(STUDENT)
    assign_variables(model, weights[1].variables)
    tensors = {name: tf.constant(value) for name, value in batch.items()}
    sums = task.sums(task.apply(model, tensors, training=True), tensors, training=True)
    divisors = task.weights(tensors)
    found = {n: float(sums[f"{n}_loss"] / divisors[n]) for n in task.losses}

    outputs = [
        model(
            torch.tensor(ids),
            attention_mask=torch.tensor(mask),
            output_hidden_states=True,
        )
        for model in models
    ]
    rows, places = np.nonzero(batch["masked_lm_weights"])
    positions = batch["masked_lm_positions"][rows, places]
    t_logits, s_logits = (o.logits[rows, positions] for o in outputs)
    real = torch.tensor(mask).bool()
    t_last, s_last = (o.hidden_states[-1][real] for o in outputs)
    soft = functional.kl_div(
        functional.log_softmax(s_logits / 2.0, dim=-1),
        functional.softmax(t_logits / 2.0, dim=-1),
        reduction="batchmean",
    )
    labels = torch.tensor(batch["masked_lm_ids"][rows, places]).long()
    cosine = functional.cosine_embedding_loss(s_last, t_last, torch.ones(len(s_last)))
    expected = {
        "masked_lm": 2.0 * functional.cross_entropy(s_logits, labels).item(),
        "soft_label": 5.0 * 4.0 * soft.item(),
        "cosine": cosine.item(),
    }
    assert found == pytest.approx(expected, rel=2e-4)


@pytest.fixture(scope="module")
def teacher(toy):
    """A model folder of three layers that has never learned anything."""
    vocabulary = Dataset.open(toy.train_dir).vocabulary
    config = dataclasses.replace(
        toy.config().model,
        vocab_size=len(vocabulary),
        num_hidden_layers=3,
        initializer_range=0.2,
    )
    model = BertPretrainer(config, seed=3)
    return save_model_folder(
        toy.folder / "teacher",
        config=config,
        variables={n: np.asarray(v) for n, v in named_variables(model).items()},
        vocabulary=vocabulary,
    )


@pytest.fixture(scope="module")
def config(toy, teacher):
    """Eight steps without dropout; the student has two of the layers."""
    return toy.config(
        model=toy.without_dropout(),
        optimizer=OptimizerConfig(learning_rate=3e-3, warmup_steps=1),
        distillation=PretrainingDistillationConfig(
            teacher=str(teacher),
            student_layers=(0, 2),
            relation_weight=1.0,
            hard_weight=0.5,
        ),
        num_train_steps=8,
        checkpoint_interval=4,
        eval_interval=0,
    )


@pytest.mark.slow
def test_a_student_comes_nearer_and_goes_on_to_the_same_bytes(
    toy, config, teacher, losses
):
    workdir = toy.train("distilled", config)
    found = losses(workdir)
    for name in ("soft_label_loss", "cosine_loss", "relation_loss"):
        assert 0 < found[8][name] < found[1][name], name
    total = sum(value for name, value in found[1].items() if name.endswith("_loss"))
    assert found[1]["loss"] == pytest.approx(total, rel=1e-5)
    assert "soft_label_loss" not in losses(workdir, "eval")[8]
    folder = resolve_checkpoint(workdir)
    assert folder.config.num_hidden_layers == 2
    assert not any(name.startswith("compression") for name in folder.variables)
    assert "Distilled from teacher" in folder.metadata["origin"]

    before = contents(workdir)
    shutil.rmtree(list_checkpoints(workdir)[-1])
    assert contents(toy.train("distilled", config)) == before

    packed = dataclasses.replace(config.data, pack_examples=True)
    again = dataclasses.replace(
        config,
        data=packed,
        num_train_steps=1,
        phase_2=PhaseConfig(data=config.data, num_train_steps=2),
    )
    both = losses(toy.train("distilled-packed", again))
    assert both[3]["soft_label_loss"] > 0  # The second phase has the teacher, too.
    packed_losses = both[1]
    for name in ("soft_label_loss", "cosine_loss", "relation_loss", "loss"):
        assert packed_losses[name] == pytest.approx(found[1][name], rel=1e-4), name


def test_what_cannot_be_is_refused(toy, config, teacher, make_weights):
    def refused(match, model=None, **settings):
        section = dataclasses.replace(config.distillation, **settings)
        changed = dataclasses.replace(
            config, distillation=section, model=model or config.model
        )
        with pytest.raises(InputError, match=match):
            toy.train(f"refused-{len(match)}", changed)

    other = make_weights()
    save_model_folder(
        toy.folder / "other_words",
        config=other.config,
        variables=other.variables,
        vocabulary=other.vocabulary,
    )
    refused(
        r"its vocabulary has .* \(that of the records\)",
        teacher=str(toy.folder / "other_words"),
    )
    headless = conversion.load_any(teacher)
    for name in [n for n in headless.variables if n.startswith("cls/")]:
        del headless.variables[name]
    conversion.save(headless, toy.folder / "headless", "native")
    refused(
        "lacks 5 variables, the first of them 'cls/predictions/.*or train it whole",
        teacher=str(toy.folder / "headless"),
    )
    refused("its num_hidden_layers is 1, the configuration's 2", student_layers=(1,))
    refused("which has those from 0 to 2. Received: .0, 3", student_layers=(0, 3))
    refused("layer_map.* from 0 to 2. Received: 7", layer_map=(0, 7))
