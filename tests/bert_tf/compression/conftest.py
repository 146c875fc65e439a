"""A teacher of random weights, and a run that learns from it."""

import dataclasses
import json

import pytest
import tensorflow as tf
from distilled_rows import SHAPE

from bert_tf.checkpoints.conversion import names
from bert_tf.checkpoints.model_folder import save_model_folder
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.compression.distillation_config import TaskDistillationConfig
from bert_tf.config import BertConfig, OptimizerConfig
from bert_tf.tasks.settings import ClassificationSettings
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig

TEACHER = BertConfig(
    vocab_size=17,
    hidden_size=8,
    num_hidden_layers=3,
    num_attention_heads=2,
    intermediate_size=12,
    max_position_embeddings=16,
)


@pytest.fixture(scope="session")
def write_teacher(make_weights):
    """Writes a model folder whose head has these labels, and weights of this size."""

    def write(folder, task, labels, outputs, config=TEACHER, settings=None, head=1.0):
        def shapes(config):
            if task == "causal_lm":
                return names.encoder(config) | names.masked_lm_head(config)
            if task == "sequence_to_sequence":
                return names.encoder(config) | names.decoder(config)
            return {
                **names.encoder(config),
                **names.pooler(config),
                **names.task_head(task, outputs, config),
            }

        weights = make_weights(config=config, shapes=shapes)
        save_model_folder(
            folder,
            config=config,
            variables={
                name: (0.3 if name.startswith(("bert/", "decoder/")) else 0.3 * head)
                * array
                for name, array in weights.variables.items()
            },
            vocabulary=weights.vocabulary,
            task=TaskDescription(task, 12, labels, settings or {}),
        )
        return folder

    return write


@pytest.fixture(scope="module")
def distil(tmp_path_factory, write_teacher):
    """A run of six steps: two of the teacher's three layers, half of it unlabelled."""
    folder = tmp_path_factory.mktemp("distil")
    teacher = write_teacher(folder / "teacher", "classification", ("0", "1"), 2)
    texts = [
        f"{'heart card'[i % 2 :]} the of {'ache ' * (i % 4)}{i}" for i in range(24)
    ]
    rows = [{"text": text, "label": str(i % 2)} for i, text in enumerate(texts)]
    (folder / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "more.txt").write_text("\n".join(f"the {text}" for text in texts))
    return FinetuningConfig(
        task=ClassificationSettings(),
        distillation=TaskDistillationConfig(
            teacher=str(teacher),
            student_layers=(0, 2),
            hidden_weight=1.0,
            attention_weight=1.0,
            relation_weight=1.0,
            unlabelled=str(folder / "more.txt"),
        ),
        data=LabelledDataConfig(
            train=str(folder / "train.jsonl"),
            eval=str(folder / "train.jsonl"),
            max_seq_length=12,
            global_batch_size=8,
            cache_dir="none",
        ),
        optimizer=OptimizerConfig(learning_rate=1e-2, warmup_steps=0),
        num_train_epochs=1.0,
        checkpoint_interval=2,
        keep_checkpoints=10,
        log_interval=1,
        hidden_dropout_prob=0.0,
    ).validate()


@pytest.fixture
def changed():
    """Returns a configuration with other settings of distillation."""

    def change(config, **settings):
        section = dataclasses.replace(config.distillation, **settings)
        return dataclasses.replace(config, distillation=section)

    return change


@pytest.fixture
def eagerly():
    """Compiles nothing, which would take most of the time here."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def configure(tmp_path, write_teacher):
    """Writes a task's files and teacher; returns the configuration of a run."""

    def make(row, **distillation):
        for name in ("labelled", "unlabelled"):
            lines = map(json.dumps, getattr(row, name))
            (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
        name = row.settings.name
        teacher = tmp_path / "teacher"
        if not teacher.exists():
            write_teacher(
                teacher,
                name,
                row.labels,
                row.outputs,
                SHAPE,
                settings=row.teacher,
                head=row.head,
            )
        section = {
            "teacher": str(teacher),
            "unlabelled": str(tmp_path / "unlabelled.jsonl"),
            "hidden_weight": 1.0,
            "attention_weight": 1.0,
            "relation_weight": 1.0,
            "cosine_weight": 1.0,
        }
        return FinetuningConfig(
            task=row.settings,
            distillation=TaskDistillationConfig(**section | distillation),
            data=LabelledDataConfig(
                train=str(tmp_path / "labelled.jsonl"),
                max_seq_length=12,
                eval_share=0.0,
                cache_dir="none",
            ),
        )

    return make
