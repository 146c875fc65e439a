"""What comes next in plain text.

Text files: lines up to a blank one are a document; or tables with `text`, a document a
row. Documents follow each other in blocks of full length, so nothing is padded.

    from_scratch  GPT-2's order of LayerNorms at random, of the size mini; init_from is
                  a vocabulary that data_prep.create_vocabulary wrote
    checkpoint    any BERT's blocks and masked-LM head, which learn to look back only

Command:
    python -m bert_tf.run_finetuning --config=configs/causal_lm.py:from_scratch
        --config.init_from=build/vocab --config.data.train='corpus/*.txt'
        --config.data.eval=held-out.txt --workdir=runs/language-model
"""

from bert_tf.config import OptimizerConfig
from bert_tf.tasks.settings import CausalLmSettings
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig

VARIANTS = ("from_scratch", "checkpoint")


def get_config(variant: str) -> FinetuningConfig:
    """Returns the configuration."""
    from_scratch = variant == "from_scratch"
    return FinetuningConfig(
        task=CausalLmSettings(
            size="mini" if from_scratch else "", norm_first=from_scratch
        ),
        data=LabelledDataConfig(
            max_seq_length=256, global_batch_size=32, pack_examples=False
        ),
        optimizer=OptimizerConfig(
            learning_rate=1e-3 if from_scratch else 1e-4,
            warmup_steps=0,
            warmup_ratio=0.05,
            beta_2=0.98,
            weight_decay_rate=0.1,
        ),
        num_train_epochs=3.0,
        checkpoint_interval=200,
    )
