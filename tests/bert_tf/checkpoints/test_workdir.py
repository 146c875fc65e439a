import errno
import subprocess
import sys
import time

import numpy as np
import pytest

from bert_tf.checkpoints.model_folder import load_model_folder, save_model_folder
from bert_tf.checkpoints.workdir import (
    best_path,
    checkpoint_path,
    delete_old_checkpoints,
    list_checkpoints,
    mark_best,
    newest_checkpoint,
    resolve_checkpoint,
    run_name,
)
from bert_tf.config import BertConfig
from bert_tf.storage import files
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

CONFIG = BertConfig(
    vocab_size=5,
    hidden_size=4,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=8,
    hidden_act="gelu_erf",
)
VARIABLES = {
    "bert/embeddings/word_embeddings": np.arange(20, dtype=np.float32).reshape(5, 4),
    "bert/pooler/dense/bias": np.float32([1.5, -0.0, np.inf, np.nan]),
}
VOCABULARY = Vocabulary.from_entries(SPECIAL_TOKENS, TokenizerConfig())


def save(path, step=0, **kwargs):
    settings = {"config": CONFIG, "variables": VARIABLES} | kwargs
    settings.setdefault("vocabulary", VOCABULARY)
    return save_model_folder(path, step=step, **settings)


def save_steps(workdir, *steps):
    for step in steps:
        save(checkpoint_path(workdir, step), step)


def assert_same_arrays(received, expected):
    assert set(received) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(received[name], array)
        assert received[name].dtype == array.dtype


def test_everything_saved_comes_back(tmp_path):
    slots = {"bert/pooler/dense/bias/adam_m": np.float32([1, 2, 3, 4])}
    save(
        tmp_path / "model",
        step=7,
        metadata={"eval": {"masked_lm_accuracy": 0.5}},
        optimizer=slots,
        training_state={"epoch": 2, "seed": [1, 2]},
    )

    folder = load_model_folder(tmp_path / "model")

    assert folder.config == CONFIG and folder.step == 7
    assert folder.metadata == {"eval": {"masked_lm_accuracy": 0.5}}
    assert_same_arrays(folder.variables, VARIABLES)
    assert_same_arrays(folder.optimizer, slots)
    assert folder.training_state == {"epoch": 2, "seed": [1, 2]}
    assert folder.vocabulary == VOCABULARY
    assert folder.vocabulary.files == VOCABULARY.files


def test_the_same_model_gives_the_same_bytes(tmp_path):
    save(tmp_path / "a")
    save(tmp_path / "b", variables=dict(reversed(list(VARIABLES.items()))))

    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("a", "b")
    )

    assert first == second


def test_weights_alone_have_no_training_state(tmp_path):
    folder = load_model_folder(save(tmp_path / "model"))

    assert folder.optimizer is None and folder.training_state is None
    assert folder.step == 0 and folder.metadata == {}


def test_an_existing_folder_is_replaced_only_on_request(tmp_path):
    save(tmp_path / "model", step=1)

    with pytest.raises(ValueError, match="model already exists"):
        save(tmp_path / "model", step=2)
    save(tmp_path / "model", step=3, overwrite=True)

    assert load_model_folder(tmp_path / "model").step == 3
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_what_cannot_be_saved_is_refused_before_anything_is_written(tmp_path):
    half = {"bert/pooler/dense/bias": np.zeros(4, np.float16)}
    with pytest.raises(ValueError, match="dense/bias` must be float32. .*: float16"):
        save(tmp_path / "model", variables=half)

    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def fail(path):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(files, "sync", fail)

    with pytest.raises(OSError, match="No space left"):
        save(tmp_path / "model")

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name", sorted([*VOCABULARY.files, "model.safetensors", "bert_config.json"])
)
@pytest.mark.parametrize("damage", ["truncate", "flip", "delete"])
def test_every_damage_names_the_file(tmp_path, name, damage):
    path = save(tmp_path / "model") / name
    content = bytearray(path.read_bytes())
    if damage == "truncate":
        path.write_bytes(content[:-1])
    elif damage == "flip":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    else:
        path.unlink()

    reason = {"truncate": "truncated", "flip": "altered", "delete": "missing"}[damage]
    with pytest.raises(ValueError, match=f"{name}: {reason}"):
        load_model_folder(tmp_path / "model")


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("{", "checkpoint.json: not a JSON file"),
        ('{"format_version": 99}', "reads format_version 1. Received: 99"),
        ('{"format_version": 1, "files": {}}', "lists no 'bert_config.json'"),
        ("{}", "checkpoint.json: no `files`, which it must have"),
        ('{"files": []}', "checkpoint.json: `files` must be an object"),
        ('{"files": {}, "step": "7"}', "`step` must be a whole number. Received: '7'"),
        ('{"files": {}, "stop": 7}', "checkpoint.json: unknown field `stop`"),
        ('{"files": {"a": {"sha256": ""}}}', "no `files.a.num_bytes`, which it must"),
        ('{"step": 1' + "0" * 5000 + "}", "checkpoint.json: not a JSON file"),
        ('{"metadata": ' + "[" * 10**5, "checkpoint.json: not a JSON file"),
    ],
)
def test_a_damaged_manifest_is_refused(tmp_path, manifest, message):
    (save(tmp_path / "model") / "checkpoint.json").write_text(manifest)

    with pytest.raises(ValueError, match=message):
        load_model_folder(tmp_path / "model")


def test_a_folder_without_a_manifest_is_not_a_model_folder(tmp_path):
    with pytest.raises(ValueError, match="holds no checkpoint.json"):
        load_model_folder(tmp_path)


def test_a_workdir_means_its_newest_checkpoint(tmp_path):
    save_steps(tmp_path, 5, 20, 100)

    assert resolve_checkpoint(tmp_path).step == 100
    step_5 = checkpoint_path(tmp_path, 5)
    assert step_5.name == "step-00000005"
    assert resolve_checkpoint(step_5).step == 5


def test_a_damaged_newest_checkpoint_falls_back_with_a_warning(tmp_path, caplog):
    save_steps(tmp_path, 1, 2, 3)
    damaged = checkpoint_path(tmp_path, 3) / "model.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    # A writer killed before the manifest leaves no candidate at all.
    (checkpoint_path(tmp_path, 2) / "checkpoint.json").unlink()

    assert resolve_checkpoint(tmp_path).step == 1
    assert f"{damaged}: truncated" in caplog.text


def test_no_whole_checkpoint_says_so(tmp_path):
    save_steps(tmp_path, 1)
    (checkpoint_path(tmp_path, 1) / "vocab.txt").unlink()

    with pytest.raises(ValueError, match="each of its 1 checkpoints is damaged"):
        resolve_checkpoint(tmp_path)


@pytest.mark.parametrize("name", ["", "absent"])
def test_no_checkpoint_says_what_was_looked_for_and_what_to_do(tmp_path, name):
    with pytest.raises(ValueError, match="Looked for .*run_pretraining.*convert_c"):
        resolve_checkpoint(tmp_path / name)
    assert newest_checkpoint(tmp_path / name) is None


def test_the_best_checkpoint_survives_cleaning(tmp_path):
    save_steps(tmp_path, 1, 2, 3, 4)
    mark_best(tmp_path, 4)
    mark_best(tmp_path, 1)
    (tmp_path / "checkpoints" / ".step-00000005.tmp-abc").mkdir()

    delete_old_checkpoints(tmp_path, step=4, keep=2)

    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["best", "step-00000001", "step-00000003", "step-00000004"]
    assert resolve_checkpoint(best_path(tmp_path)).step == 1
    assert resolve_checkpoint(tmp_path).step == 4


def test_a_damaged_checkpoint_takes_no_newer_ones_place(tmp_path):
    save_steps(tmp_path, 400, 500)
    (checkpoint_path(tmp_path, 500) / "vocab.txt").write_bytes(b"")
    assert newest_checkpoint(tmp_path).step == 400
    save_steps(tmp_path, 450)  # The run went on, and was interrupted.

    delete_old_checkpoints(tmp_path, step=450, keep=1)

    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-00000450"]


def test_a_killed_writer_leaves_no_checkpoint_that_looks_whole(tmp_path):
    writer = """
import sys
import numpy as np
from bert_tf.checkpoints.workdir import checkpoint_path
from bert_tf.config import BertConfig
from bert_tf.checkpoints.model_folder import save_model_folder
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary
variables = {"bert/pooler/dense/bias": np.ones(1_000_000, np.float32)}
vocabulary = Vocabulary.from_entries(SPECIAL_TOKENS, TokenizerConfig())
for step in range(10**6):
    save_model_folder(
        checkpoint_path(sys.argv[1], step),
        config=BertConfig(), variables=variables, vocabulary=vocabulary, step=step)
    print(step, flush=True)
"""
    for attempt in range(4):
        workdir = tmp_path / str(attempt)
        process = subprocess.Popen(
            [sys.executable, "-c", writer, str(workdir)],
            stdout=subprocess.PIPE,
            text=True,
        )
        first = process.stdout.readline()
        time.sleep(0.007 * attempt)
        process.kill()
        told = [first, *process.communicate()[0].split("\n")]
        finished = [int(line) for line in told if line.strip()]

        found = [load_model_folder(path).step for path in list_checkpoints(workdir)]

        assert found[: len(finished)] == finished
        delete_old_checkpoints(workdir, step=10**6, keep=1)
        assert len(list((workdir / "checkpoints").iterdir())) == 1


def test_a_checkpoint_is_called_what_its_run_is(tmp_path, monkeypatch):
    for path in ("", "checkpoints/best", "checkpoints/step-00000400/"):
        assert run_name(f"runs/reviews/{path}") == "reviews"
    for name in ("all-MiniLM-L6-v2", "checkpoints/mini", "runs/best"):
        assert run_name(name) == name.rsplit("/", maxsplit=1)[-1]
    monkeypatch.chdir(tmp_path)
    assert run_name(".") == run_name("checkpoints/best") == tmp_path.name
