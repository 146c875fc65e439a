"""A classifier of half the layers that learns from a fine-tuned one.

The teacher is a finished run of configs/finetune_classification.py, and the student
starts from every other of its six layers. Texts without labels, in
--config.distillation.unlabelled, are learned from, too.

Command:
    python -m bert_tf.run_finetuning --config=configs/distill_classification.py
        --config.distillation.teacher=runs/reviews --config.data.train=reviews.csv
        --config.distillation.unlabelled=more.txt --workdir=runs/small_reviews
"""

from bert_tf.compression.distillation_config import TaskDistillationConfig
from bert_tf.config import OptimizerConfig
from bert_tf.tasks.settings import ClassificationSettings
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig


def get_config() -> FinetuningConfig:
    """Returns the configuration."""
    return FinetuningConfig(
        task=ClassificationSettings(),
        distillation=TaskDistillationConfig(
            student_layers=(0, 2, 5),
            temperature=2.0,
            hard_weight=0.2,
            soft_weight=0.8,
            hidden_weight=1.0,
        ),
        data=LabelledDataConfig(max_seq_length=128, global_batch_size=32),
        optimizer=OptimizerConfig(
            learning_rate=1e-4, warmup_steps=0, warmup_ratio=0.1, decay_from_warmup=True
        ),
        num_train_epochs=5.0,
    )
