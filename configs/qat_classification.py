"""One class for each text, learned with the rounding of the int8 file to be.

`--config.init_from` is best a model that has learned the task in float32. Afterwards

    python -m export.export_tflite --checkpoint=runs/reviews_int8
        --output_file=reviews.tflite --quantization=int8 --eval_data=held_out.csv

writes the file that training simulated, and measures that it is. It loses least with

    --config.distillation.teacher=runs/reviews
    --config.distillation.unlabelled=more.csv

Command:
    python -m bert_tf.run_finetuning --config=configs/qat_classification.py
        --config.init_from=runs/reviews --config.data.train=reviews.csv
        --workdir=runs/reviews_int8
"""

from bert_tf.compression.quantization_config import QuantizationConfig
from bert_tf.config import OptimizerConfig
from bert_tf.tasks.settings import ClassificationSettings
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig


def get_config() -> FinetuningConfig:
    """Returns the configuration."""
    return FinetuningConfig(
        task=ClassificationSettings(),
        data=LabelledDataConfig(max_seq_length=128, global_batch_size=32),
        optimizer=OptimizerConfig(
            learning_rate=2e-5, warmup_steps=0, warmup_ratio=0.1, decay_from_warmup=True
        ),
        num_train_epochs=1.0,
        # Dropout scales up what it leaves, and with it the ranges.
        hidden_dropout_prob=0.0,
        quantization=QuantizationConfig(export="int8"),
    )
