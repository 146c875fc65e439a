"""BERT-large (24 layers, hidden size 1024, 335 million parameters), the paper's recipe.

Records and options as for configs/pretrain_base.py.

Command:
    python -m bert_tf.run_pretraining --config=configs/pretrain_large.py
        --workdir=runs/large
        --config.data.train_dir=data/128 --config.data.eval_dir=data/128-held-out
        --config.phase_2.data.train_dir=data/512
        --config.phase_2.data.eval_dir=data/512-held-out

Time: 256 million sequences; divide by the sequences/s of the progress line.
Result: published SQuAD 1.1 F1 90.9 (Devlin et al. 2019, table 2); this configuration
has not been run to its end here.
"""

from bert_tf.training.config import PretrainingConfig
from bert_tf.training.recipes import paper_recipe


def get_config() -> PretrainingConfig:
    """Returns the configuration."""
    return paper_recipe("large")
