"""A classifier of texts for a phone: fine-tuned, then made smaller stage by stage.

Columns and classes are found in the files; see configs/finetune_classification.py.

Command:
    python -m bert_tf.run_compression --config=configs/compress_classification.py
        --config.init_from=all-MiniLM-L6-v2 --config.data.train=train.csv
        --config.data.eval=held_out.csv --workdir=runs/small --max_mb=16
"""

from bert_tf.chain.config import CompressionConfig
from bert_tf.chain.stages import Export, Finetune, PruneVocabulary
from bert_tf.config import OptimizerConfig
from bert_tf.tasks.settings import ClassificationSettings
from bert_tf.training.finetuning_config import LabelledDataConfig


def get_config() -> CompressionConfig:
    """Returns the configuration."""
    return CompressionConfig(
        task=ClassificationSettings(),
        data=LabelledDataConfig(max_seq_length=128, global_batch_size=32),
        optimizer=OptimizerConfig(learning_rate=5e-5, warmup_steps=0, warmup_ratio=0.1),
        num_train_epochs=3.0,
        stages=(
            Finetune(),
            PruneVocabulary(),
            Export(tflite=("none", "dynamic_int8")),
        ),
    )
