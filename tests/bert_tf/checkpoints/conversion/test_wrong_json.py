"""JSON that is well-formed but wrong, in every file of every format."""

import copy
import json
import shutil

import pytest

from bert_tf.checkpoints import conversion
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.errors import InputError

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"  # of Keras
)

WRONG = [None, True, -1, 1e300, "x", [], {}, [[]], {"a": []}, 10**15]
UNREADABLE = ["{" * 100_000, "[" * 100_000 + "]" * 100_000, "9" * 5_000, "", "\ud800"]


def places(value, path=()):
    """Yields the path of every value within a JSON value."""
    yield path
    if isinstance(value, dict | list):
        # The first of a long list or vocabulary stands for the others.
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in list(items)[:12]:
            yield from places(inner, (*path, key))


def changed(value, path, new):
    """Returns a copy with another value at a path."""
    if not path:
        return new
    value = copy.deepcopy(value)
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return value


def check(folder, expected):
    """Loads a folder: the weights, or one line that names a file."""
    try:
        weights = conversion.load_any(folder)
    except InputError as error:
        assert str(folder) in str(error)
        assert "\n" not in str(error)
        assert len(str(error)) < 700
        return 1
    assert set(weights.variables) <= set(expected.variables)
    return 0


@pytest.fixture
def weights(make_weights, make_vocabulary):
    weights = make_weights(vocabulary=make_vocabulary(*"abcdefghijkl"))
    weights.task = TaskDescription(max_seq_length=7)
    return weights


@pytest.mark.parametrize(
    ("format", "name"),
    [
        ("hugging_face", "config.json"),
        ("hugging_face", "tokenizer_config.json"),
        ("hugging_face", "tokenizer.json"),
        ("hugging_face", "model.safetensors.index.json"),
        ("tf1", "bert_config.json"),
        ("tf1", "heads.json"),
        ("tf1", "tokenizer_config.json"),
    ],
)
def test_every_value_of_a_wrong_type_is_told(tmp_path, weights, format, name):
    folder = tmp_path / "model"
    conversion.save(weights, folder, format)
    if name == "tokenizer.json":
        write_tokenizer_json(folder)
    if name == "model.safetensors.index.json":
        split_into_shards(folder)
    path = folder / name
    values = json.loads(path.read_text())
    assert check(folder, weights) == 0

    refused = 0
    for place in places(values):
        for wrong in WRONG:
            path.write_text(json.dumps(changed(values, place, wrong)))
            refused += check(folder, weights)
    assert refused > 0
    for text in UNREADABLE:
        path.write_text(text, errors="surrogatepass")
        assert check(folder, weights) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["config.json", "task.json", "tokenizer.json"])
def test_wrong_values_in_a_preset_are_told(tmp_path, weights, name):
    folder = tmp_path / "model"
    conversion.save(weights, folder, "keras_hub")
    for own in ("vocab.txt", "tokenizer_config.json"):
        (folder / own).unlink()
    path = folder / name
    values = json.loads(path.read_text())

    refused = 0
    for place in places(values):
        if len(place) < 3:  # KerasHub takes a third of a second each time.
            path.write_text(json.dumps(changed(values, place, [])))
            refused += check(folder, weights)
    assert refused > 0
    for text in UNREADABLE[:3]:
        path.write_text(text)
        assert check(folder, weights) == 1


def write_tokenizer_json(folder):
    import transformers

    transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(folder / "t")
    shutil.copy(folder / "t" / "tokenizer.json", folder)
    shutil.rmtree(folder / "t")
    (folder / "vocab.txt").unlink()


def split_into_shards(folder):
    from safetensors.numpy import load_file, save_file

    arrays = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    files = {name: f"part-{len(name) % 2}.safetensors" for name in arrays}
    for file in set(files.values()):
        part = {name: arrays[name] for name in arrays if files[name] == file}
        save_file(part, folder / file)
    index = {"metadata": {"total_size": 1}, "weight_map": files}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
