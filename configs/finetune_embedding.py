"""A vector for each text, from pairs of texts that belong together.

A question and its answer, a title and its text, two sentences that say the same: pairs
with two columns, found by their usual names or named with
--config.data.reading.columns.text=... and .text_pair=.... The other pairs of a batch
are what a pair is told apart from, so a large batch learns more; accumulation makes it
smaller, --config.rematerialize=True saves memory without.

Command:
    python -m bert_tf.run_finetuning --config=configs/finetune_embedding.py
        --config.init_from=bert-base-uncased --config.data.train=pairs.csv
        --workdir=runs/search
    python -m bert_tf.run_prediction --checkpoint=runs/search
        --input_file=texts.txt --output_file=vectors.npy
"""

from bert_tf.config import OptimizerConfig
from bert_tf.tasks.settings import EmbeddingSettings
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig


def get_config() -> FinetuningConfig:
    """Returns the configuration."""
    return FinetuningConfig(
        task=EmbeddingSettings(),
        data=LabelledDataConfig(max_seq_length=128, global_batch_size=64),
        optimizer=OptimizerConfig(
            learning_rate=2e-5, warmup_steps=0, warmup_ratio=0.1, decay_from_warmup=True
        ),
        num_train_epochs=1.0,
    )
