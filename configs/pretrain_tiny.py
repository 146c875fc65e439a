"""BERT-tiny (2 layers, hidden size 128, 4.4 million parameters), the paper's recipe.

Records and options as for configs/pretrain_base.py.

Command:
    python -m bert_tf.run_pretraining --config=configs/pretrain_tiny.py
        --workdir=runs/tiny
        --config.data.train_dir=data/128 --config.data.eval_dir=data/128-held-out
        --config.phase_2.data.train_dir=data/512
        --config.phase_2.data.eval_dir=data/512-held-out

Time: 256 million sequences; divide by the sequences/s of the progress line.
Result: the released BERT-Tiny reaches 64.2 on the GLUE test set
(google-research/bert's README); this configuration has not been run to its end here.
"""

from bert_tf.training.config import PretrainingConfig
from bert_tf.training.recipes import paper_recipe


def get_config() -> PretrainingConfig:
    """Returns the configuration."""
    return paper_recipe("tiny")
