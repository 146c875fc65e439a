"""A tiny BERT of random weights, and fine-tuning it in seconds."""

from pathlib import Path

import numpy as np
import pytest

from bert_tf.checkpoints.model_folder import save_model_folder
from bert_tf.config import BertConfig, OptimizerConfig
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig


@pytest.fixture(scope="session")
def write_model():
    """Writes a model folder whose vocabulary has these entries."""

    def write(directory: Path, words: list[str], positions: int = 64) -> Path:
        from bert_tf.models import BertPretrainer, named_variables

        vocabulary = Vocabulary.from_entries(
            [*SPECIAL_TOKENS, *words], TokenizerConfig()
        )
        config = BertConfig(
            vocab_size=len(vocabulary.entries),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=positions,
            initializer_range=0.1,
        )
        model = BertPretrainer(config)
        variables = {n: np.asarray(v) for n, v in named_variables(model).items()}
        return save_model_folder(
            directory, config=config, variables=variables, vocabulary=vocabulary
        )

    return write


@pytest.fixture(scope="session")
def finetune():
    """Fine-tunes a model folder on files; returns the workdir."""

    def run(settings, init_from: Path, train: Path, held_out: Path, **data) -> Path:
        from bert_tf.training import finetuning, finetuning_preparation

        epochs = data.pop("epochs")
        config = FinetuningConfig(
            task=settings,
            data=LabelledDataConfig(
                train=str(train), eval=str(held_out), cache_dir="none", **data
            ),
            optimizer=OptimizerConfig(learning_rate=5e-3, warmup_steps=2),
            init_from=str(init_from),
            num_train_epochs=epochs,
            evaluations_per_epoch=0.0,
            hidden_dropout_prob=0.0,
            classifier_dropout=0.0,
        ).validate()
        workdir = train.parent / f"workdir-{settings.name}"
        finetuning_preparation.prepare(config, workdir)
        finetuning.train_and_evaluate(config, workdir)
        return workdir

    return run
