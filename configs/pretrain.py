"""A BERT of a released size, pretrained by the paper's recipe.

Records of 128 tokens for the first phase and of 512 for the second, from one corpus:
    python -m data_prep.create_pretraining_data --max_seq_length=128
        --max_predictions_per_seq=20 --tokenized_dir=data/tokenized
        --output_dir=data/128 --eval_output_dir=data/128-held-out ...
    python -m data_prep.create_pretraining_data --max_seq_length=512
        --max_predictions_per_seq=80 --tokenized_dir=data/tokenized
        --output_dir=data/512 --eval_output_dir=data/512-held-out ...

Command:
    python -m bert_tf.run_pretraining --config=configs/pretrain.py:base
        --workdir=runs/base
        --config.data.train_dir=data/128 --config.data.eval_dir=data/128-held-out
        --config.phase_2.data.train_dir=data/512
        --config.phase_2.data.eval_dir=data/512-held-out

On several GPUs of a machine add --config.strategy=mirrored; where the batch of 256 does
not fit into memory, --config.accumulation_steps=4.

Time: 256 million sequences; divide by the sequences/s of the progress line.
Result: none of these was run to its end here; what was published for the size:

    variant  layers  hidden  parameters  published
    tiny          2     128        4.4M  64.2 on GLUE's test set
    mini          4     256       11.3M  65.8
    small         4     512       29.1M  71.2
    medium        8     512       41.7M  73.5
    base         12     768        110M  held-out masked-LM perplexity about 4; F1 of
                                         88.4 on SQuAD 1.1
    large        24    1024        335M  F1 of 90.9 on SQuAD 1.1

Source: google-research/bert's README (tiny to medium); Devlin et al. 2019
(arXiv:1810.04805), tables 2 and 6.
"""

from bert_tf.config import SIZES, DataConfig, OptimizerConfig, model_config
from bert_tf.training.config import PhaseConfig, PretrainingConfig

VARIANTS = tuple(SIZES)


def get_config(variant: str) -> PretrainingConfig:
    """Returns the configuration of a size.

    A million steps of 256 sequences: nine tenths of 128 tokens, the rest of 512, with
    one schedule over both.

    Source: Devlin et al. 2019 (arXiv:1810.04805), appendix A.2; google-research/bert's
    README for the numbers of predictions.
    """
    return PretrainingConfig(
        model=model_config(variant),
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
