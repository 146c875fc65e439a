"""One class for each text, learned while most of the encoder's weights become zeros.

Movement pruning leaves 15 % of them; `--config.pruning.method=magnitude` is better with
a few thousand examples, or where half of them stay. Pruning wants more epochs and a
higher rate than fine-tuning alone.

Command:
    python -m bert_tf.run_finetuning --config=configs/prune_classification.py
        --config.init_from=all-MiniLM-L6-v2 --config.data.train=reviews.csv
        --workdir=runs/reviews_pruned
"""

from bert_tf.compression.pruning_config import PruningConfig
from bert_tf.config import OptimizerConfig
from bert_tf.tasks.settings import ClassificationSettings
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig


def get_config() -> FinetuningConfig:
    """Returns the configuration."""
    return FinetuningConfig(
        task=ClassificationSettings(),
        data=LabelledDataConfig(max_seq_length=128, global_batch_size=32),
        optimizer=OptimizerConfig(
            learning_rate=1e-4, warmup_steps=0, warmup_ratio=0.1, decay_from_warmup=True
        ),
        num_train_epochs=6.0,
        pruning=PruningConfig(method="movement", final_sparsity=0.85),
    )
