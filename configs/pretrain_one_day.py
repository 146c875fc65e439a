"""BERT-base in one day on one GPU, by what is known to work on a small budget.

No dropout, no sentence pairs, a quarter of the tokens masked, a high learning rate,
and a batch that grows from 256 to 4,096.

Records:
    python -m data_prep.create_pretraining_data --max_seq_length=128
        --max_predictions_per_seq=32 --masked_lm_prob=0.25 --objective=none
        --dupe_factor=1 --dynamic_masking --output_dir=data/one-day
        --eval_output_dir=data/one-day-held-out ...

Command:
    python -m bert_tf.run_pretraining --config=configs/pretrain_one_day.py
        --workdir=runs/one-day --config.data.train_dir=data/one-day
        --config.data.eval_dir=data/one-day-held-out

Time: 87 million sequences, a day at 1,010 sequences/s. The progress line shows yours:
set --config.num_train_steps so that the time left is a day.
Result: the source reports GLUE scores close to BERT-base's; not run to its end here.

Source: Geiping and Goldstein 2022 (arXiv:2212.14034), sections 4.2 to 4.4.
"""

from bert_tf.config import DataConfig, OptimizerConfig, model_config
from bert_tf.training.config import PretrainingConfig


def get_config() -> PretrainingConfig:
    """Returns the configuration."""
    return PretrainingConfig(
        model=model_config(
            "base", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
        ),
        data=DataConfig(
            max_seq_length=128,
            max_predictions_per_seq=32,
            global_batch_size=4_096,
            initial_batch_size=256,
            batch_ramp_steps=12_000,
        ),
        optimizer=OptimizerConfig(
            learning_rate=1e-3,
            warmup_steps=2_000,
            beta_2=0.98,
            epsilon=1e-12,
            bias_correction=True,
            max_grad_norm=0.5,
        ),
        num_train_steps=27_000,
        precision="bfloat16",
        accumulation_steps=16,
        steps_per_call=5,
        log_interval=50,
        eval_interval=1_000,
        eval_examples=20_000,
        checkpoint_interval=1_000,
    )
