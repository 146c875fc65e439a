"""BERT-large with LAMB and batches of 61,440: fewer, larger steps for many devices.

Records as for configs/pretrain.py. The numbers are those for 8 GPUs of 80 GB:
60 micro-batches of 128 sequences each, then of 64 longer ones. With another number of
GPUs set --config.accumulation_steps, and keep the batch.

Command:
    python -m bert_tf.run_pretraining --config=configs/pretrain_large_lamb.py
        --workdir=runs/large-lamb --config.strategy=mirrored
        --config.data.train_dir=data/128 --config.data.eval_dir=data/128-held-out
        --config.phase_2.data.train_dir=data/512
        --config.phase_2.data.eval_dir=data/512-held-out

Time: 487 million sequences; the authors of the recipe report 486 sequences/s of 128
tokens and 96.5 of 512 on one A100.
Result: the paper's BERT-large has 90.9 F1 on SQuAD 1.1; not run to its end here.

Source: You et al. 2020 (arXiv:1904.00962); NVIDIA DeepLearningExamples, TensorFlow2
BERT, whose learning rates are a GPU's and are multiplied by 8 here.
"""

from bert_tf.config import DataConfig, OptimizerConfig, model_config
from bert_tf.training.config import PhaseConfig, PretrainingConfig


def _lamb(learning_rate: float, warmup_steps: int) -> OptimizerConfig:
    return OptimizerConfig(
        name="lamb",
        learning_rate=learning_rate,
        warmup_steps=warmup_steps,
        decay="polynomial",
        decay_power=0.5,
        bias_correction=True,
    )


def get_config() -> PretrainingConfig:
    """Returns the configuration."""
    return PretrainingConfig(
        model=model_config("large"),
        data=DataConfig(
            max_seq_length=128, max_predictions_per_seq=20, global_batch_size=61_440
        ),
        optimizer=_lamb(learning_rate=6e-3, warmup_steps=2_133),
        num_train_steps=7_506,
        phase_2=PhaseConfig(
            data=DataConfig(
                max_seq_length=512, max_predictions_per_seq=80, global_batch_size=30_720
            ),
            optimizer=_lamb(learning_rate=4e-3, warmup_steps=213),
            num_train_steps=835,
        ),
        precision="bfloat16",
        accumulation_steps=60,
        steps_per_call=1,
        log_interval=10,
        eval_interval=500,
        eval_examples=20_000,
        checkpoint_interval=100,
    )
