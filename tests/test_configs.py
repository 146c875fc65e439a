"""Every file in configs/ is a run that could start, and so is every variant of it."""

import runpy
from pathlib import Path

import pytest

from bert_tf.chain.config import CompressionConfig
from bert_tf.cli.config_file import load_config
from bert_tf.training.config import PretrainingConfig, to_json
from bert_tf.training.finetuning_config import FinetuningConfig

CONFIGS = sorted((Path(__file__).parent.parent / "configs").glob("*.py"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config(path, tmp_path):
    module = runpy.run_path(str(path))
    variants = module.get("VARIANTS", ())
    chain = path.stem.startswith("compress_")
    labelled = (
        *("finetune_", "seq2seq_", "causal_lm"),
        *("distill_", "prune_", "qat_"),
    )
    finetuning = chain or path.stem.startswith(labelled)
    config_type = FinetuningConfig if finetuning else PretrainingConfig
    config_type = CompressionConfig if chain else config_type
    for argument in [f"{path}:{name}" for name in variants] or [str(path)]:
        config = load_config(argument, config_type)
        if finetuning:
            config.init_from, config.data.train = "a checkpoint", "a file"
            config.data.eval = "another file"
            if path.stem.startswith("distill_"):
                config.distillation.teacher = "a checkpoint"
            # As docs/finetuning.md has it: encoders on one schedule, writers on BERT's.
            writes = path.stem.startswith(("seq2seq_", "causal_lm"))
            assert config.optimizer.decay_from_warmup == (not writes)
        config.validate()
        if finetuning:
            continue  # Its configuration is written to be compared, not read.
        (tmp_path / "config.json").write_text(to_json(config))
        assert PretrainingConfig.from_json_file(tmp_path / "config.json") == config
    docstring = " ".join(module["__doc__"].split())
    assert f"--config=configs/{path.name}" in docstring
    parts = ["Command:"] if finetuning else ["Command:", "Time:", "Result:"]
    for part in (*parts, *(f" {name} " for name in variants)):
        assert part in docstring, part


def test_the_released_sizes_differ_in_the_model_only():
    (path,) = (path for path in CONFIGS if path.stem == "pretrain")
    tiny, large = (
        load_config(f"{path}:{name}", PretrainingConfig) for name in ("tiny", "large")
    )
    assert (tiny.model.hidden_size, large.model.hidden_size) == (128, 1024)
    tiny.model = large.model
    assert tiny == large
