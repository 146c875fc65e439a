"""A tag for each word: names of people and places, parts of speech.

Reads CoNLL files, whose first column is the word and whose last is the tag, and
whatever else has words and tags. Long sentences are read in overlapping windows.

Command:
    python -m bert_tf.run_finetuning --config=configs/finetune_token_classification.py
        --config.init_from=all-MiniLM-L6-v2 --config.data.train=train.conll
        --config.data.eval=valid.conll --workdir=runs/names
"""

from bert_tf.config import OptimizerConfig
from bert_tf.tasks.settings import TokenClassificationSettings
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig


def get_config() -> FinetuningConfig:
    """Returns the configuration."""
    return FinetuningConfig(
        task=TokenClassificationSettings(),
        data=LabelledDataConfig(max_seq_length=128, global_batch_size=32),
        optimizer=OptimizerConfig(
            learning_rate=5e-5, warmup_steps=0, warmup_ratio=0.1, decay_from_warmup=True
        ),
        num_train_epochs=3.0,
    )
