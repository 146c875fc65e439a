"""Answers that stand in a text, as in SQuAD 1.1, or perhaps in none, as in 2.0.

Reads SQuAD's JSON, and tables with `question`, `context` and `answers`. Where questions
of the training data have no answer, having none is one of the answers. Long contexts
are read in overlapping windows: the batch size and the examples of the progress line
are windows, `eval_examples` are questions.

Command:
    python -m bert_tf.run_finetuning --config=configs/finetune_question_answering.py
        --config.init_from=all-MiniLM-L6-v2 --config.data.train=train-v1.1.json
        --config.data.eval=dev-v1.1.json --workdir=runs/answers
"""

from bert_tf.config import OptimizerConfig
from bert_tf.tasks.settings import QuestionAnsweringSettings
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig


def get_config() -> FinetuningConfig:
    """Returns the configuration."""
    return FinetuningConfig(
        task=QuestionAnsweringSettings(),
        data=LabelledDataConfig(max_seq_length=384, global_batch_size=32),
        optimizer=OptimizerConfig(
            learning_rate=5e-5, warmup_steps=0, warmup_ratio=0.1, decay_from_warmup=True
        ),
        num_train_epochs=2.0,
    )
