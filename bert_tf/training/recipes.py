"""Published ways of pretraining, as configurations that differ in a size only."""

from bert_tf.config import DataConfig, OptimizerConfig, model_config
from bert_tf.training.config import PhaseConfig, PretrainingConfig


def paper_recipe(size: str) -> PretrainingConfig:
    """Returns the recipe that BERT was published with, for a released size.

    A million steps of 256 sequences: nine tenths of 128 tokens, the rest of 512, with
    one schedule over both.

    Args:
        size: `tiny`, `mini`, `small`, `medium`, `base` or `large`.

    Source: Devlin et al. 2019 (arXiv:1810.04805), appendix A.2; google-research/bert's
    README for the numbers of predictions.
    """
    return PretrainingConfig(
        model=model_config(size),
        data=DataConfig(
            max_seq_length=128, max_predictions_per_seq=20, global_batch_size=256
        ),
        optimizer=OptimizerConfig(learning_rate=1e-4, warmup_steps=10_000),
        num_train_steps=900_000,
        phase_2=PhaseConfig(
            data=DataConfig(
                max_seq_length=512, max_predictions_per_seq=80, global_batch_size=256
            ),
            num_train_steps=100_000,
        ),
        precision="bfloat16",
        steps_per_call=20,
        log_interval=100,
        eval_interval=10_000,
        eval_examples=25_600,
        checkpoint_interval=2_000,
    )
