"""A BERT small enough to learn something in three minutes on two CPU cores.

Command:
    python -m bert_tf.run_pretraining --config=configs/demo.py --workdir=runs/demo
        --config.data.train_dir=data/train --config.data.eval_dir=data/eval

Time: about three minutes.
Result: held-out masked-LM accuracy ..., unigram baseline ....
"""

from bert_tf.config import BertConfig, DataConfig, OptimizerConfig
from bert_tf.training.config import PretrainingConfig


def get_config() -> PretrainingConfig:
    """Returns the configuration."""
    return PretrainingConfig(
        model=BertConfig(
            vocab_size=0,
            hidden_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=512,
            max_position_embeddings=64,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        ),
        data=DataConfig(
            max_seq_length=64, max_predictions_per_seq=10, global_batch_size=32
        ),
        optimizer=OptimizerConfig(learning_rate=2e-3, warmup_steps=200),
        num_train_steps=2500,
        log_interval=50,
        eval_interval=500,
        checkpoint_interval=500,
    )
