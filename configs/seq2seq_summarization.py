"""From a document to a summary in words of its own.

A file with `document` (or `article`, `text`, `source`, ...) and `summary` (or
`target`), or other columns that are named. What of a document is beyond
`data.max_seq_length` tokens is not seen. With few documents, or summaries of few words,
learn passages of the documents first, which `bert_tf.draw_passages` writes.

Command:
    python -m bert_tf.run_finetuning --config=configs/seq2seq_summarization.py
        --config.init_from=all-MiniLM-L6-v2 --config.data.train=articles.jsonl
        --workdir=runs/summaries
"""

from bert_tf.config import OptimizerConfig
from bert_tf.tasks.settings import SequenceToSequenceSettings
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig


def get_config() -> FinetuningConfig:
    """Returns the configuration."""
    return FinetuningConfig(
        task=SequenceToSequenceSettings(max_target_length=64),
        data=LabelledDataConfig(
            max_seq_length=256, global_batch_size=64, eval_share=0.02
        ),
        optimizer=OptimizerConfig(
            learning_rate=5e-4, warmup_steps=0, warmup_ratio=0.05, beta_2=0.98
        ),
        num_train_epochs=5.0,
        checkpoint_interval=200,
    )
