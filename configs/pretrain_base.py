"""BERT-base (12 layers, hidden size 768, 110 million parameters), the paper's recipe.

Records of 128 tokens for the first phase and of 512 for the second, from one corpus:
    python -m data_prep.create_pretraining_data --max_seq_length=128
        --max_predictions_per_seq=20 --tokenized_dir=data/tokenized
        --output_dir=data/128 --eval_output_dir=data/128-held-out ...
    python -m data_prep.create_pretraining_data --max_seq_length=512
        --max_predictions_per_seq=80 --tokenized_dir=data/tokenized
        --output_dir=data/512 --eval_output_dir=data/512-held-out ...

Command:
    python -m bert_tf.run_pretraining --config=configs/pretrain_base.py
        --workdir=runs/base
        --config.data.train_dir=data/128 --config.data.eval_dir=data/128-held-out
        --config.phase_2.data.train_dir=data/512
        --config.phase_2.data.eval_dir=data/512-held-out

On several GPUs of a machine add --config.strategy=mirrored; where the batch of 256 does
not fit into memory, --config.accumulation_steps=4.

Time: 256 million sequences; divide by the sequences/s of the progress line.
Result: published held-out masked-LM perplexity about 4 (Devlin et al. 2019, table 6),
SQuAD 1.1 F1 88.4; this configuration has not been run to its end here.
"""

from bert_tf.training.config import PretrainingConfig
from bert_tf.training.recipes import paper_recipe


def get_config() -> PretrainingConfig:
    """Returns the configuration."""
    return paper_recipe("base")
