"""Which of several choices fits a text: its continuation, the answer to a question.

The choices are a list in one column, or columns of their own; the label is an index
from 0, a letter from A or the name that the file gives the choice. Examples may have
different numbers of choices. A batch holds so many examples, with all their choices.

Command:
    python -m bert_tf.run_finetuning --config=configs/finetune_multiple_choice.py
        --config.init_from=bert-base-uncased --config.data.train=questions.jsonl
        --workdir=runs/choices
"""

from bert_tf.config import OptimizerConfig
from bert_tf.tasks.settings import MultipleChoiceSettings
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig


def get_config() -> FinetuningConfig:
    """Returns the configuration."""
    return FinetuningConfig(
        task=MultipleChoiceSettings(),
        data=LabelledDataConfig(
            max_seq_length=128, global_batch_size=16, pack_examples=False
        ),
        optimizer=OptimizerConfig(
            learning_rate=2e-5, warmup_steps=0, warmup_ratio=0.1, decay_from_warmup=True
        ),
        num_train_epochs=3.0,
    )
