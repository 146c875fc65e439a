"""One file for several lengths: what each signature answers, and what is shared."""

import dataclasses

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from toy_checkpoint import S, read_examples

from bert_tf.errors import InputError
from export.check import litert, tflite_weights
from export.check.backends import KerasBackend
from export.tflite import exporter
from export.tflite.settings import Settings

pytestmark = pytest.mark.slow

NAMES = ("input_ids", "input_mask", "segment_ids")


@pytest.fixture(scope="module", params=["none", "dynamic_int8", "int8"])
def files(request, trained, records_dir, tmp_path_factory):
    """A file of one length, and the same with a shorter one."""
    settings = Settings(request.param, calibration_data=str(records_dir))
    folder = tmp_path_factory.mktemp(request.param)
    paths = []
    for more in ((), (S // 2,)):
        changed = dataclasses.replace(settings, more_lengths=more)
        exported = exporter.export(trained, changed, folder)
        paths.append(folder / f"{len(more)}.tflite")
        paths[-1].write_bytes(exported.content)
    return paths


def test_short_examples_get_the_same_answers(files, model, records_dir):
    one, two = (Interpreter(str(path)) for path in files)
    assert litert.signatures(files[1]) == {
        S // 2: f"tokens_{S // 2}",
        S: "serving_default",
    }
    examples = read_examples(records_dir)
    short = {name: examples[name] * (np.arange(S) < S // 2) for name in NAMES}
    short["masked_lm_positions"] = np.minimum(examples["masked_lm_positions"], 7)
    expected = KerasBackend(model).predict(short)["masked_lm_logits"]
    found = []
    for interpreter, name, size in (
        (one, "serving_default", S),
        (two, "serving_default", S),
        (two, f"tokens_{S // 2}", S // 2),
    ):
        run = interpreter.get_signature_runner(name)
        rows = []
        for i in range(len(expected)):
            given = {n: v[i : i + 1] for n, v in short.items()}
            given.update({n: given[n][:, :size] for n in NAMES})
            rows.append(run(**given)["masked_lm_logits"][0])
        found.append(np.stack(rows))
    np.testing.assert_array_equal(found[0], found[1])
    # A quantized row's scale counts all of a tensor, padding too.
    tolerance = {"none": 1e-4, "dynamic_int8": 0.05, "int8": 0.2}
    limit = tolerance[files[0].parent.name[:-1]]
    assert np.linalg.norm(found[2] - expected) < limit * np.linalg.norm(expected)


def test_weights_stand_once(files):
    one, two = (path.read_bytes() for path in files)
    by_name = {weight.name: weight for weight in tflite_weights.weights(one)}
    again = {weight.name: weight for weight in tflite_weights.weights(two)}
    assert again == by_name
    shared = sum(weight.num_bytes for weight in by_name.values())
    assert len(two) - len(one) < len(one) - shared


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"more_lengths": (S,)}, "less than the longest, 16"),
        ({"more_lengths": (2,)}, "Received: 2"),
        ({"more_lengths": (8, 8)}, "different lengths"),
    ],
)
def test_lengths_that_cannot_be(trained, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        exporter.export(trained, Settings(**changes), tmp_path)


def test_mediapipe_takes_one_length():
    from export.tflite import lengths

    with pytest.raises(InputError, match="one signature"):
        lengths.check((8,), S, mediapipe=True)
