"""A classifier of texts for a phone: fine-tuned, then made smaller stage by stage.

Columns and classes are found in the files; see configs/finetune_classification.py.
Texts without labels, in --config.unlabelled, are learned from too, and say what the
vocabulary must hold. The student has three of the checkpoint's six layers; edit
`student_layers` for another checkpoint, and put TrainQuantized() before Export() for a
processor that wants int8 throughout.

Command:
    python -m bert_tf.run_compression --config=configs/compress_classification.py
        --config.init_from=all-MiniLM-L6-v2 --config.data.train=train.csv
        --config.data.eval=held_out.csv --config.unlabelled=more.csv
        --workdir=runs/small --max_mb=12
Result: in 12 minutes on 2 cores, from 4,000 sentences of reviews and 7,478 without
    labels, a file of 10.0 MB in place of 90.3, 6.2 times as fast in LiteRT, with 81.1 %
    of 1,275 held-out ones right in place of 82.5 %, with
    --config.optimizer.decay_from_warmup=False.
"""

from bert_tf.chain.config import CompressionConfig
from bert_tf.chain.stages import (
    Distil,
    Export,
    Finetune,
    PruneVocabulary,
)
from bert_tf.compression.distillation_config import TaskDistillationConfig
from bert_tf.config import OptimizerConfig
from bert_tf.tasks.settings import ClassificationSettings
from bert_tf.training.finetuning_config import LabelledDataConfig


def get_config() -> CompressionConfig:
    """Returns the configuration."""
    return CompressionConfig(
        task=ClassificationSettings(),
        data=LabelledDataConfig(max_seq_length=128, global_batch_size=32),
        optimizer=OptimizerConfig(
            learning_rate=5e-5, warmup_steps=0, warmup_ratio=0.1, decay_from_warmup=True
        ),
        num_train_epochs=3.0,
        stages=(
            Finetune(),
            Distil(
                num_train_epochs=3.0,
                learning_rate=1e-4,
                distillation=TaskDistillationConfig(
                    student_layers=(0, 2, 5),
                    temperature=2.0,
                    hard_weight=0.2,
                    soft_weight=0.8,
                    cosine_weight=1.0,
                ),
            ),
            PruneVocabulary(min_count=2),
            Export(tflite=("none", "dynamic_int8")),
        ),
    )
