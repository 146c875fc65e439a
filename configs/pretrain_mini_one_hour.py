"""BERT-mini in an hour on two CPU cores: a first model of your own text.

Two phases as in the paper, shorter. A masked-LM first learns token frequencies and to
copy what was left unmasked, and only then to look at a word's neighbors: with 32
tokens and many sequences a step it gets there within 400 steps, where 128 tokens had
not in 1,000. The second phase learns the positions behind. The wider initial range, the
small epsilon and the shorter memory of Adam serve the same end, and so short a run
needs no dropout.

Records of 32 and of 128 tokens, from about 10 MB of text:
    python -m data_prep.create_vocabulary --vocab_size=8000 ...
    python -m data_prep.create_pretraining_data --max_seq_length=32
        --max_predictions_per_seq=5 --output_dir=data/32
        --eval_output_dir=data/32-held-out ...
    python -m data_prep.create_pretraining_data --output_dir=data/128
        --eval_output_dir=data/128-held-out ...

Command:
    python -m bert_tf.run_pretraining --config=configs/pretrain_mini_one_hour.py
        --workdir=runs/mini
        --config.data.train_dir=data/32 --config.data.eval_dir=data/32-held-out
        --config.phase_2.data.train_dir=data/128
        --config.phase_2.data.eval_dir=data/128-held-out

Time: 49 minutes on two cores without AVX-512.
Result: on all State of the Union addresses a held-out masked-LM accuracy of 0.340 and a
loss of 4.00 nats; the unigram baseline has 0.068 and 6.54. Next-sentence accuracy 0.77.
"""

from bert_tf.config import DataConfig, OptimizerConfig, model_config
from bert_tf.training.config import PhaseConfig, PretrainingConfig


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
            max_seq_length=32, max_predictions_per_seq=5, global_batch_size=128
        ),
        optimizer=OptimizerConfig(
            learning_rate=1e-3, warmup_steps=200, epsilon=1e-10, beta_2=0.98
        ),
        num_train_steps=2500,
        phase_2=PhaseConfig(
            data=DataConfig(
                max_seq_length=128, max_predictions_per_seq=20, global_batch_size=32
            ),
            optimizer=OptimizerConfig(
                learning_rate=5e-4, warmup_steps=100, epsilon=1e-10, beta_2=0.98
            ),
            num_train_steps=1500,
        ),
        log_interval=50,
        eval_interval=500,
        checkpoint_interval=500,
    )
