"""From a text to its translation.

A file of pairs: CSV, TSV, JSON Lines or Parquet with `source` and `target`, or other
columns that are named; those of a file without a header go by their numbers. Source and
target have one vocabulary, or with --config.task.decoder_from=CHECKPOINT the target
that of another checkpoint.

Where the decoder begins:

    warm_start  with the checkpoint's weights, as the encoder does (BERT2BERT)
    shared      as the encoder, whose weights it shares (BERTShare)
    random      with four layers that know nothing

Command:
    python -m bert_tf.run_finetuning --config=configs/seq2seq_translation.py:warm_start
        --config.init_from=all-MiniLM-L6-v2 --config.data.train=pairs.tsv
        --config.data.reading.columns.text=1 --config.data.reading.columns.target=2
        --workdir=runs/translation
"""

from bert_tf.config import OptimizerConfig
from bert_tf.tasks.settings import SequenceToSequenceSettings
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig

VARIANTS = ("warm_start", "shared", "random")


def get_config(variant: str) -> FinetuningConfig:
    """Returns the configuration."""
    return FinetuningConfig(
        task=SequenceToSequenceSettings(
            max_target_length=128,
            decoder=variant,
            num_decoder_layers=4 if variant == "random" else 0,
            label_smoothing=0.1,
        ),
        data=LabelledDataConfig(
            max_seq_length=128, global_batch_size=128, eval_share=0.02
        ),
        optimizer=OptimizerConfig(
            learning_rate=5e-4, warmup_steps=0, warmup_ratio=0.05, beta_2=0.98
        ),
        num_train_epochs=5.0,
        checkpoint_interval=200,
    )
