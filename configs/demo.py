"""A BERT small enough to learn something in three minutes on two CPU cores.

Command:
    python -m bert_tf.run_pretraining --config=configs/demo.py --workdir=runs/demo
        --config.data.train_dir=data/train --config.data.eval_dir=data/eval

Time: three and a half minutes for 48,000 sequences, TensorFlow's start and compilation
included, on two cores without AVX-512.
Result: on the demo's corpus a held-out masked-LM accuracy of 0.14 and a loss of 5.9
nats; the unigram baseline has 0.05 and 6.39. Copying explains most of the difference:
a tenth of the masked tokens stay as they are. Words from their context, and sentence
pairs beyond which kind is commoner, take more text and time.
"""

from bert_tf.config import BertConfig, DataConfig, OptimizerConfig
from bert_tf.training.config import PretrainingConfig


def get_config() -> PretrainingConfig:
    """Returns the configuration."""
    return PretrainingConfig(
        model=BertConfig(
            vocab_size=0,
            hidden_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=512,
            max_position_embeddings=64,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        ),
        data=DataConfig(
            max_seq_length=64, max_predictions_per_seq=10, global_batch_size=32
        ),
        optimizer=OptimizerConfig(learning_rate=4e-3, warmup_steps=200, beta_2=0.98),
        num_train_steps=1500,
        log_interval=50,
        eval_interval=500,
        checkpoint_interval=500,
    )
