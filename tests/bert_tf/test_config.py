import dataclasses
import json

import pytest

from bert_tf.config import (
    SIZES,
    BertConfig,
    DataConfig,
    OptimizerConfig,
    model_config,
)
from bert_tf.storage.json_files import read_json
from bert_tf.training.config import (
    PhaseConfig,
    PretrainingConfig,
    RunConfig,
    check_same_run,
    to_json,
)

RELEASED = {
    "attention_probs_dropout_prob": 0.1,
    "directionality": "bidi",
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 768,
    "initializer_range": 0.02,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "pooler_fc_size": 768,
    "pooler_num_attention_heads": 12,
    "pooler_num_fc_layers": 3,
    "pooler_size_per_head": 128,
    "pooler_type": "first_token_transform",
    "type_vocab_size": 2,
    "vocab_size": 21128,
}
"""bert_config.json of google-research/bert's Chinese model."""


def test_a_released_bert_config_loads_unchanged(tmp_path):
    path = tmp_path / "bert_config.json"
    path.write_text(json.dumps(RELEASED))
    assert BertConfig.from_json_file(path) == BertConfig(vocab_size=21128)


def test_sizes_have_the_released_parameter_counts():
    # Millions of parameters of the encoder with its pooler, google-research/bert's
    # README.
    published = {
        "tiny": 4.4,
        "mini": 11.3,
        "small": 29.1,
        "medium": 41.7,
        "base": 110.1,
    }
    for size, millions in published.items():
        c = SIZES[size]
        h, f = c.hidden_size, c.intermediate_size
        embeddings = h * (c.vocab_size + c.max_position_embeddings + 2 + 2)
        layer = 4 * (h * h + h) + 2 * h * f + f + h + 4 * h
        total = embeddings + c.num_hidden_layers * layer + h * h + h
        assert total / 1e6 == pytest.approx(millions, rel=0.02), size


def test_model_config_is_a_copy_with_overrides():
    assert model_config("mini", vocab_size=7).vocab_size == 7
    assert SIZES["mini"].vocab_size == 30522
    with pytest.raises(ValueError, match="`size` must be one of.*Received: 'huge'"):
        model_config("huge")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (BertConfig(vocab_size=0), "BertConfig.vocab_size` must be at least 1"),
        (BertConfig(hidden_size=10), "hidden_size` must be a multiple of 12"),
        (BertConfig(hidden_act="relu"), "hidden_act` must be one of"),
        (BertConfig(hidden_dropout_prob=1.0), r"must be in \[0, 1\). Received: 1.0"),
        (BertConfig(layer_norm_eps=0.0), "layer_norm_eps` must be positive"),
        (DataConfig(global_batch_size=0), "global_batch_size` must be at least 1"),
        (DataConfig(batch_ramp_steps=-1), "batch_ramp_steps` must be at least 0"),
        (DataConfig(initial_batch_size=512), "initial_batch_size` must be <= 256"),
        (OptimizerConfig(name="sgd"), "OptimizerConfig.name` must be one of"),
        (OptimizerConfig(decay="step"), "OptimizerConfig.decay` must be one of"),
        (OptimizerConfig(learning_rate=0.0), "learning_rate` must be positive"),
        (OptimizerConfig(warmup_steps=-1), "warmup_steps` must be at least 0"),
        (OptimizerConfig(beta_1=1.0), r"beta_1` must be in \[0, 1\)"),
        (RunConfig(precision="int8"), "RunConfig.precision` must be one of"),
        (RunConfig(steps_per_call=0), "steps_per_call` must be at least 1"),
        (RunConfig(eval_interval=-1), "eval_interval` must be at least 0"),
        (
            RunConfig(early_stopping_evaluations=3),
            "early_stopping_evaluations` must be 0, or positive with",
        ),
        (PhaseConfig(num_train_steps=0), "num_train_steps` must be at least 1"),
        (
            PretrainingConfig(data=DataConfig(max_seq_length=1024)),
            "max_seq_length` must be <= 512",
        ),
        (
            PretrainingConfig(accumulation_steps=3),
            "global_batch_size` must be a multiple of 3",
        ),
        (
            PretrainingConfig(strategy="tpu", data=DataConfig(pack_examples=True)),
            "DataConfig.pack_examples` must be False on TPUs",
        ),
        (
            PretrainingConfig(phase_2=PhaseConfig(optimizer=OptimizerConfig(name=""))),
            "OptimizerConfig.name` must be one of",
        ),
    ],
)
def test_a_wrong_value_is_named(config, message):
    with pytest.raises(ValueError, match=message):
        config.validate()


def test_configurations_survive_json(tmp_path):
    config = PretrainingConfig(
        phase_2=PhaseConfig(optimizer=OptimizerConfig(name="lamb")), seed=7
    )
    path = tmp_path / "config.json"
    path.write_text(to_json(config))
    assert PretrainingConfig.from_json_file(path) == config


@pytest.mark.parametrize("content", ["{", "[1]", "\xff"])
def test_what_is_no_json_object_is_refused(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match=r"x.json: (not a JSON file|expected a JSON)"):
        read_json(path)


def test_a_workdir_refuses_another_run_but_not_other_operation(tmp_path):
    config = PretrainingConfig()
    path = tmp_path / "config.json"
    path.write_text(to_json(config))
    check_same_run(
        dataclasses.replace(config, strategy="mirrored", log_interval=7), path
    )
    other = dataclasses.replace(config, optimizer=OptimizerConfig(learning_rate=1e-3))
    with pytest.raises(
        ValueError, match="`optimizer.learning_rate` is 0.0001. Received: 0.001"
    ):
        check_same_run(other, path)
    two_phases = dataclasses.replace(config, phase_2=PhaseConfig())
    with pytest.raises(ValueError, match="holds another run: its `phase_2"):
        check_same_run(two_phases, path)
