"""BERT-mini for half an hour on two CPU cores: a first model of your own text.

One phase of 128 tokens, a small batch for many updates, and no dropout, which so short
a run does not need. The wider initial range, the small epsilon and the shorter memory
of Adam are the demo's: they shorten the time before the model looks at context.

Records, from about 10 MB of text:
    python -m data_prep.create_vocabulary --vocab_size=8000 ...
    python -m data_prep.create_pretraining_data --output_dir=data/train
        --eval_output_dir=data/eval ...

Command:
    python -m bert_tf.run_pretraining --config=configs/pretrain_mini_half_hour.py
        --workdir=runs/mini --config.data.train_dir=data/train
        --config.data.eval_dir=data/eval

Time: 34 minutes at the 39 sequences/s of two AMD Zen 3 cores.
Result: not run to its end yet. On 10.8 MB of State of the Union addresses, held out
    after 1,000 of the 2,500 steps: masked-LM loss 6.01 (token frequencies alone: 6.54),
    accuracy 0.144, which is copying and frequent tokens, not context.
"""

from bert_tf.config import DataConfig, OptimizerConfig, model_config
from bert_tf.training.config import PretrainingConfig


def get_config() -> PretrainingConfig:
    """Returns the configuration."""
    return PretrainingConfig(
        model=model_config(
            "mini",
            vocab_size=0,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            initializer_range=0.05,
        ),
        data=DataConfig(
            max_seq_length=128, max_predictions_per_seq=20, global_batch_size=32
        ),
        optimizer=OptimizerConfig(
            learning_rate=1e-3, warmup_steps=300, epsilon=1e-10, beta_2=0.98
        ),
        num_train_steps=2500,
        log_interval=50,
        eval_interval=500,
        checkpoint_interval=250,
    )
