"""What a fine-tuning run makes of its files before it trains."""

import dataclasses

import pytest

from bert_tf.tasks.settings import TokenClassificationSettings
from bert_tf.training import finetuning


@pytest.fixture
def open_inputs(finetuning_config, tmp_path):
    """`open_inputs(task, name of a file, its content, **data) -> Inputs`."""

    def open_inputs(task, name, content, **data):
        path = tmp_path / name
        path.write_text(content)
        data = dataclasses.replace(finetuning_config.data, train=str(path), **data)
        config = dataclasses.replace(finetuning_config, task=task, data=data)
        return finetuning.open_inputs(config.validate())

    return open_inputs


def test_the_card_counts_examples_not_their_windows(open_inputs, finetuning_config):
    content = "".join(f"the X{n % 2}\n" * 9 + "\n" for n in range(8))
    found = open_inputs(
        TokenClassificationSettings(), "a.conll", content, eval_share=0.0
    )
    assert len(found.train.encoded) > 8
    origin = finetuning.describe_origin(finetuning_config, found.train)
    assert "on 8 examples of" in origin
