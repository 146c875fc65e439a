"""A tiny model that nobody trained, and what tests of single tasks do with one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from bert_tf.checkpoints.model_folder import save_model_folder
from bert_tf.checkpoints.workdir import resolve_checkpoint
from bert_tf.config import BertConfig
from bert_tf.labelled.source import LabelledSource
from bert_tf.models import BertPretrainer, named_variables
from bert_tf.tasks.labelled_task import LabelledTask
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary
from export.check import verification
from export.checkpoint import pretrained
from export.saved_model import saving
from export.tflite import converter


def make_vocabulary(words: Sequence[str]) -> Vocabulary:
    return Vocabulary.from_entries([*SPECIAL_TOKENS, *words], TokenizerConfig())


def make_config(vocabulary: Vocabulary, positions: int) -> BertConfig:
    return BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=positions,
    )


def write_pretrainer(folder: Path, config: BertConfig, vocabulary: Vocabulary) -> Path:
    """Writes a model folder with both heads of pretraining."""
    model = BertPretrainer(config, seed=1)
    return save_model_folder(
        folder,
        config=config,
        variables={n: v.numpy() for n, v in named_variables(model).items()},
        vocabulary=vocabulary,
    )


def check_packing_keeps_the_loss(
    task: LabelledTask,
    model: keras.Model,
    source: LabelledSource,
    *,
    batch_size: int,
    weight: int,
) -> None:
    """Compares a batch of one sequence a row with the same in fewer rows."""
    (name,) = task.losses
    losses, sizes = [], []
    for pack in (False, True):
        batch = source.reader(replica_batch_size=batch_size, pack=pack).read(0, 1)
        rows = int(np.max(batch.pop("num_rows", batch["input_ids"].shape[2])))
        batch = {n: tf.constant(v[0, 0, :rows]) for n, v in batch.items()}
        sums = task.sums(task.apply(model, batch), batch, training=True)
        assert float(task.weights(batch)[name]) == weight
        losses.append(float(sums[f"{name}_loss"]))
        sizes.append(rows)
    assert sizes[1] < sizes[0]
    assert losses[0] > 1
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def export_and_verify(
    folder: Path, workdir: Path, held_out: Path, texts: Sequence[str] = (), **settings
) -> tuple[pretrained.TrainedModel, Any, dict[str, Any]]:
    """Exports a run as SavedModel and TFLite file, both of which must be right.

    Returns:
        The trained model, the SavedModel's signature, and the report.
    """
    trained = pretrained.load(resolve_checkpoint(workdir))
    saving.save(folder / "saved", trained)
    (folder / "model.tflite").write_bytes(converter.convert(trained, "none"))
    report = verification.verify(
        trained,
        str(held_out),
        saved_model_dir=folder / "saved",
        tflite_files=[folder / "model.tflite"],
        texts=list(texts),
        settings=verification.Settings(latency_calls=1, **settings),
    )
    assert report["failures"] == []
    served = tf.saved_model.load(str(folder / "saved"))
    return trained, served, report
