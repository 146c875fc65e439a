"""Any number of labels for each text, or pair of texts: topics, emotions, tags.

Columns are found in the file; --config.data.reading.columns.text=... names one that is
not.

Command:
    python -m bert_tf.run_finetuning --config=configs/finetune_multi_label.py
        --config.init_from=all-MiniLM-L6-v2 --config.data.train=questions.jsonl
        --workdir=runs/multi_label
"""

from bert_tf.tasks.settings import MultiLabelSettings
from bert_tf.training.finetuning_config import FinetuningConfig


def get_config() -> FinetuningConfig:
    """Returns the configuration."""
    return FinetuningConfig(task=MultiLabelSettings())
