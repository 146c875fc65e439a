"""Which lengths an export takes, and from where."""

import dataclasses
import shutil

import pytest
from toy_checkpoint import P, S

from bert_tf.checkpoints.model_folder import load_model_folder
from bert_tf.config import BertConfig, DataConfig
from bert_tf.training.config import PhaseConfig, PretrainingConfig, to_json
from export.pretrained import load_model, sequence_lengths


@pytest.fixture
def trained(tmp_path, checkpoint_dir):
    """The toy checkpoint as if a run had written it."""

    def place(config: PretrainingConfig):
        path = tmp_path / "workdir" / "checkpoints" / "step-00000007"
        shutil.copytree(checkpoint_dir, path)
        (tmp_path / "workdir" / "config.json").write_text(to_json(config))
        return load_model_folder(path)

    return place


def run_config(**fields) -> PretrainingConfig:
    return PretrainingConfig(
        model=BertConfig(max_position_embeddings=S, num_attention_heads=1), **fields
    )


def test_lengths_come_from_the_run(trained):
    data = DataConfig(max_seq_length=8, max_predictions_per_seq=2)
    assert sequence_lengths(trained(run_config(data=data))) == (8, 2)


def test_lengths_come_from_the_last_phase(trained):
    config = run_config(
        data=DataConfig(max_seq_length=8, max_predictions_per_seq=2),
        phase_2=PhaseConfig(DataConfig(max_seq_length=S, max_predictions_per_seq=3)),
    )
    assert sequence_lengths(trained(config)) == (S, 3)


def test_lengths_without_a_run_are_the_models(folder):
    assert sequence_lengths(folder) == (S, S)


def test_flags_come_first(folder):
    assert sequence_lengths(folder, max_seq_length=9, max_predictions_per_seq=P) == (
        9,
        P,
    )


@pytest.mark.parametrize("length", [2, S + 1])
def test_length_beyond_the_position_table(folder, length):
    with pytest.raises(ValueError, match=rf"`max_seq_length`.*{S}.*Received: {length}"):
        sequence_lengths(folder, max_seq_length=length)


@pytest.mark.parametrize("predictions", [0, 10])
def test_more_predictions_than_tokens(folder, predictions):
    with pytest.raises(ValueError, match=rf"seq_length`, 9. Received: {predictions}"):
        sequence_lengths(folder, max_seq_length=9, max_predictions_per_seq=predictions)


def test_a_checkpoint_without_heads(folder):
    encoder = {
        name: folder.variables[name]
        for name in folder.variables
        if name.startswith("bert/")
    }
    with pytest.raises(ValueError, match="lacks .* 'cls/predictions"):
        load_model(dataclasses.replace(folder, variables=encoder))


def test_variables_that_were_never_trained_are_told(folder, caplog):
    name = "cls/predictions/output_bias"
    metadata = {**folder.metadata, "newly_initialised": [name]}
    load_model(dataclasses.replace(folder, metadata=metadata))
    assert "1 variables were never trained" in caplog.text
    assert name in caplog.text
