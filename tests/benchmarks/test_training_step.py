import numpy as np
import pytest

from benchmarks import training_step, training_step_work, training_step_workers
from bert_tf.config import BertConfig, model_config

CONFIG = BertConfig(
    vocab_size=50,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=16,
    max_position_embeddings=16,
)


def test_operations_of_bert_base():
    # 85 million weights in products and 30,522 entries of 768 at the masked positions:
    # 6 operations a weight and token, and the attention's products besides.
    tokens = 16 * 128
    flops = training_step.step_flops(model_config("base"), 16, 128, 20)
    weights = 6 * 85e6 * tokens + 6 * 16 * 20 * (30522 + 768) * 768
    assert weights < flops < 1.05 * weights


@pytest.mark.slow
def test_all_frameworks_take_the_batch():
    batch = training_step_work.make_batch(
        CONFIG, batch_size=3, seq_length=12, predictions=4
    )
    assert (batch["input_mask"] == 1).all() and (batch["masked_lm_weights"] == 1).all()
    for name in ("bert_tf", "keras_hub", "hugging_face"):
        run = training_step_workers.FRAMEWORKS[name](CONFIG, batch, "float32")
        seconds = run(2)
        assert len(seconds) == 2 and np.min(seconds) > 0
