"""A number for each text, or pair of texts: a rating, a similarity.

Columns are found in the file; --config.data.reading.columns.text=... names one that is
not.

Command:
    python -m bert_tf.run_finetuning --config=configs/finetune_regression.py
        --config.init_from=all-MiniLM-L6-v2 --config.data.train=pairs.tsv
        --workdir=runs/regression
"""

from bert_tf.tasks.settings import RegressionSettings
from bert_tf.training.finetuning_config import FinetuningConfig


def get_config() -> FinetuningConfig:
    """Returns the configuration."""
    return FinetuningConfig(task=RegressionSettings())
