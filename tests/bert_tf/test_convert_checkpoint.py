"""The job, as users start it."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from bert_tf.checkpoints import conversion

VOCABULARY = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nheart\n##s\n"


def run(**flags):
    command = [sys.executable, "-m", "bert_tf.convert_checkpoint"]
    command += [f"--{name}={value}" for name, value in flags.items()]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def source(tmp_path):
    """Writes a Hugging Face `BertModel` of one layer, by hand."""
    folder = tmp_path / "source"
    folder.mkdir()
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": 7,
        "hidden_size": 4,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 8,
        "max_position_embeddings": 6,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocab.txt").write_text(VOCABULARY)
    shapes = {
        "embeddings.word_embeddings.weight": (7, 4),
        "embeddings.position_embeddings.weight": (6, 4),
        "embeddings.token_type_embeddings.weight": (2, 4),
        "embeddings.LayerNorm.weight": (4,),
        "embeddings.LayerNorm.bias": (4,),
        "pooler.dense.weight": (4, 4),
        "pooler.dense.bias": (4,),
        "extra.weight": (3,),
    }
    for layer in ("encoder.layer.0", "encoder.layer.1"):
        for dense, shape in {
            "attention.self.query": (4, 4),
            "attention.self.key": (4, 4),
            "attention.self.value": (4, 4),
            "attention.output.dense": (4, 4),
            "intermediate.dense": (8, 4),
            "output.dense": (4, 8),
        }.items():
            shapes[f"{layer}.{dense}.weight"] = shape
            shapes[f"{layer}.{dense}.bias"] = shape[:1]
        for norm in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"{layer}.{norm}.weight"] = shapes[f"{layer}.{norm}.bias"] = (4,)
    generator = np.random.default_rng(0)
    arrays = {n: generator.normal(size=s).astype("f4") for n, s in shapes.items()}
    save_file(arrays, folder / "model.safetensors")
    return folder


def test_the_table_says_what_became_of_every_variable(source, tmp_path):
    done = run(**{"from": source, "to": tmp_path / "model"})

    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    word_embeddings = "bert/embeddings/word_embeddings"
    assert [
        "mapped",
        word_embeddings,
        "[7,",
        "4]",
        "1",
        "embeddings.word_embeddings.weight",
    ] in rows
    assert [
        "mapped",
        "bert/encoder/layer_#/intermediate/dense/kernel",
        "[4,",
        "8]",
        "2",
        "encoder.layer.#.intermediate.dense.weight",
    ] in rows
    assert ["new", "cls/seq_relationship/output_weights", "[2,", "4]", "1"] in rows
    assert ["left", "over", "[3]", "1", "extra.weight"] in rows
    assert "39 variables mapped, 7 newly initialized, 1 left over." in done.stdout
    assert f"{source} (hugging_face) -> {tmp_path / 'model'} (native)" in done.stdout

    arrays = load_file(tmp_path / "model" / "model.safetensors")
    np.testing.assert_array_equal(
        arrays[word_embeddings],
        load_file(source / "model.safetensors")["embeddings.word_embeddings.weight"],
    )


def test_strict_writes_nothing_where_there_is_a_gap(source, tmp_path):
    to_format = {"to": tmp_path / "model", "to_format": "hugging_face"}

    done = run(**{"from": source, "strict": True}, **to_format)

    assert done.returncode == 1
    assert "strict conversion allows no gap" in done.stderr
    assert "there are 1: left over: extra.weight." in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["source"]

    path = source / "model.safetensors"
    arrays = load_file(path)
    del arrays["extra.weight"]
    save_file(arrays, path)
    assert run(**{"from": source, "strict": True}, **to_format).returncode == 0


def test_resizing_on_the_way(source, tmp_path):
    (tmp_path / "vocab.txt").write_text(VOCABULARY + "hearts\nHeart\n")

    done = run(
        **{"from": source, "to": tmp_path / "model"},
        vocab_file=tmp_path / "vocab.txt",
        max_position_embeddings=12,
        num_hidden_layers=1,
    )

    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "model" / "bert_config.json").read_text())
    assert config["vocab_size"] == 9
    assert config["max_position_embeddings"] == 12
    assert config["num_hidden_layers"] == 1
    tokenizer = json.loads((tmp_path / "model/tokenizer_config.json").read_text())
    assert tokenizer["do_lower_case"] is False
    assert "7 entries keep their rows, 2 start at the mean" in done.stdout
    assert "Positions: 12, repeating the first 6." in done.stdout
    assert "Layers kept, of 2: [0]." in done.stdout


def test_bad_input_gets_one_line(source, tmp_path):
    model = {"from": source, "to": tmp_path / "model"}
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "pytorch_model.bin").touch()
    (source / "vocab.txt").rename(tmp_path / "own_vocab.txt")
    cases = {
        "source has no vocabulary, .* --vocab_file": model,
        "absent: no such file or folder": model | {"from": tmp_path / "absent"},
        "full already exists": model | {"to": tmp_path / "full"},
        "pytorch_model.bin: a pickle file": model
        | {"from": tmp_path / "pytorch_model.bin"},
        "full: no BERT recognized. Looked for": model | {"from": tmp_path / "full"},
        "--to_format.*should be one of": model | {"to_format": "onnx"},
        "missing --to ": {"from": source},
        "missing --from ": model | {"from": ""},
        "num_hidden_layers` must be from 1 to .*: 0": model | {"num_hidden_layers": 0},
        "max_position_embeddings` must be at least 1.*: 0": model
        | {"max_position_embeddings": 0},
    }
    for message, flags in cases.items():
        done = run(**flags)
        assert done.returncode in (1, 2)
        assert done.stderr.startswith("bert_tf.convert_checkpoint: error: ")
        assert len(done.stderr.splitlines()) == 1
        assert re.search(message, done.stderr), done.stderr
    assert not (tmp_path / "model").exists()

    done = run(**model, vocab_file=tmp_path / "own_vocab.txt")
    assert done.returncode == 0, done.stderr


def test_help_names_the_formats():
    done = subprocess.run(
        [sys.executable, "-m", "bert_tf.convert_checkpoint", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "|".join(conversion.WRITERS) in done.stdout
    assert "python -m bert_tf.convert_checkpoint --from=" in done.stdout
