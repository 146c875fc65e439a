"""From a question and a passage to an answer in free words.

A file with `question`, `context` (or `passage`) and `answer` (or `target`), or other
columns that are named. The answer need not stand in the passage; where it must, see
`configs/finetune_question_answering.py`. A passage too long loses its end.

Command:
    python -m bert_tf.run_finetuning --config=configs/seq2seq_question_answering.py
        --config.init_from=all-MiniLM-L6-v2 --config.data.train=answers.jsonl
        --workdir=runs/free-answers
"""

from bert_tf.config import OptimizerConfig
from bert_tf.tasks.settings import SequenceToSequenceSettings
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig


def get_config() -> FinetuningConfig:
    """Returns the configuration."""
    return FinetuningConfig(
        task=SequenceToSequenceSettings(max_target_length=32),
        data=LabelledDataConfig(max_seq_length=384, global_batch_size=32),
        optimizer=OptimizerConfig(
            learning_rate=3e-4, warmup_steps=0, warmup_ratio=0.05, beta_2=0.98
        ),
        num_train_epochs=5.0,
        checkpoint_interval=200,
    )
