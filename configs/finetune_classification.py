"""One class for each text, or pair of texts: sentiment, topic, intent, inference.

Columns and classes are found in the file; --config.data.reading.columns.text=... names
a column that is not.

Command:
    python -m bert_tf.run_finetuning --config=configs/finetune_classification.py
        --config.init_from=all-MiniLM-L6-v2 --config.data.train=reviews.csv
        --workdir=runs/reviews
"""

from bert_tf.config import OptimizerConfig
from bert_tf.tasks.settings import ClassificationSettings
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig


def get_config() -> FinetuningConfig:
    """Returns the configuration."""
    return FinetuningConfig(
        task=ClassificationSettings(),
        data=LabelledDataConfig(max_seq_length=128, global_batch_size=32),
        optimizer=OptimizerConfig(
            learning_rate=5e-5, warmup_steps=0, warmup_ratio=0.1, decay_from_warmup=True
        ),
        num_train_epochs=3.0,
    )
