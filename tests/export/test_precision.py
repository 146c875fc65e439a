"""SavedModels in another precision: what is chosen, measured and refused."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text  # noqa: F401  (registers its operations)
from toy_checkpoint import S, read_examples

from bert_tf.errors import InputError
from export.saved_model import precision_request


def test_what_cannot_be_had_is_refused_before_any_work():
    for requested in ("float32", "auto"):
        precision_request.check(requested, has_eval_data=False)
    precision_request.check("bfloat16", has_eval_data=True)
    with pytest.raises(InputError, match="name held-out examples with --eval_data"):
        precision_request.check("bfloat16", has_eval_data=False)
    with pytest.raises(
        InputError, match="int8 is not offered for a SavedModel: .*lite"
    ):
        precision_request.check("int8", has_eval_data=True)


def test_auto_takes_bfloat16_only_where_it_is_faster(tmp_path, monkeypatch, trained):
    from export.saved_model import precision

    cpuinfo = tmp_path / "cpuinfo"
    for flags, expected in (
        ("flags : sse avx512f avx512_bf16", True),
        ("flags : amx_bf16 amx_tile", True),
        ("Features : asimd bf16", True),
        ("flags : sse avx512f", False),
    ):
        cpuinfo.write_text(flags)
        assert precision.multiplies_bfloat16(str(cpuinfo)) is expected
    assert not precision.multiplies_bfloat16(str(tmp_path / "none"))

    assert precision.fastest({"float32": 0.2, "bfloat16": 0.1}).name == "bfloat16"
    close = precision.fastest({"float32": 0.2, "bfloat16": 0.19})
    assert close.name == "float32"
    assert "float32 200.0 ms, bfloat16 190.0 ms" in close.reason

    def choose(requested, has_eval_data=True):
        return precision.choose(requested, trained, has_eval_data=has_eval_data)

    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: False)
    assert "does not multiply" in choose("auto").reason
    assert "no held-out examples" in choose("auto", has_eval_data=False).reason
    assert choose("bfloat16").name == "bfloat16"
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: True)
    seconds = {"float32": 0.3, "mixed_bfloat16": 0.1}
    monkeypatch.setattr(
        precision,
        "seconds_per_batch",
        lambda trained: seconds[trained.model.dtype_policy.name],
    )
    assert choose("auto").name == "bfloat16"
    seconds["mixed_bfloat16"] = 0.4
    assert choose("auto").name == "float32"


@pytest.mark.slow
def test_an_export_in_bfloat16_says_what_it_loses(
    run_job, tmp_path, checkpoint_dir, records_dir, model
):
    output = tmp_path / "1"
    done = run_job(
        "export_saved_model",
        checkpoint=checkpoint_dir,
        output_dir=output,
        precision="bfloat16",
        eval_data=records_dir,
        max_metric_drop=1.0,
    )
    assert done.returncode == 0, done.stderr
    assert "in bfloat16" in done.stdout
    said = json.loads((output / "assets.extra" / "export.json").read_text())
    assert (said["precision"], said["precision_reason"]) == ("bfloat16", "requested")
    assert said["held_out"]["metric"] == "masked_lm_accuracy"
    assert said["held_out"]["num_examples"] == 20

    ids = tf.saved_model.load(str(output)).signatures["serve_ids"]
    functions = ids.graph.as_graph_def().library.function
    operations = [node for function in functions for node in function.node_def]
    products = {node.attr["T"].type for node in operations if node.op == "MatMul"}
    assert tf.bfloat16.as_datatype_enum in products
    examples = read_examples(records_dir)
    inputs = {
        name: examples[name]
        for name in ("input_ids", "input_mask", "segment_ids", "masked_lm_positions")
    }
    found = ids(**{name: tf.constant(value) for name, value in inputs.items()})
    expected = model(inputs)["masked_lm_logits"].numpy()
    difference = np.abs(found["masked_lm_logits"].numpy() - expected)
    # Eight bits of mantissa, through two layers.
    assert 0 < difference.max() < 0.1 * np.abs(expected).max()


@pytest.mark.slow
def test_an_export_that_loses_too_much_is_refused(
    saved_model_dir, trained, records_dir, tmp_path, run_job, checkpoint_dir
):
    from export.saved_model import precision

    with pytest.raises(
        InputError, match="masked_lm_accuracy on .*--max_metric_drop al"
    ):
        # Even no loss is more than a gain that is demanded.
        precision.check_accuracy(saved_model_dir, trained, str(records_dir), -1.0)
    done = run_job(
        "export_saved_model",
        checkpoint=checkpoint_dir,
        output_dir=tmp_path / "models",
        precision="bfloat16",
        eval_data=tmp_path / "missing",
    )
    assert done.returncode != 0
    assert str(tmp_path / "missing") in done.stderr
    assert not list((tmp_path / "models").glob("[0-9]*"))


def test_small_weights_are_constants_and_large_ones_are_shared(model, monkeypatch):
    from export.saved_model import inference_weights
    from export.saved_model.inference_weights import InferenceWeights

    monkeypatch.setattr(inference_weights, "MAX_CONSTANT_BYTES", 64 * 64 * 4)
    weights = InferenceWeights(model)
    inputs = {
        "input_ids": tf.ones([2, S], tf.int32),
        "input_mask": tf.ones([2, S], tf.int32),
        "segment_ids": tf.zeros([2, S], tf.int32),
        "masked_lm_positions": tf.ones([2, 1], tf.int32),
    }

    @tf.function(autograph=False)
    def run(inputs):
        with weights.scope():
            return model(inputs)

    graph = run.get_concrete_function(inputs).graph
    large = {(64, 128), (128, 64)}
    assert {tuple(variable.shape) for variable in graph.variables} == large
    expected = model(inputs)
    for name, value in run(inputs).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5)


@pytest.mark.slow
def test_little_but_the_model_is_in_the_graph(saved_model_dir):
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    ids = tf.saved_model.load(str(saved_model_dir)).signatures["serve_ids"]
    frozen = convert_variables_to_constants_v2(ids, lower_control_flow=False)
    operations = [node.op for node in frozen.graph.as_graph_def().node]
    # Two layers, two heads, and the checks of four inputs.
    assert len([name for name in operations if name != "Const"]) < 300
    assert not {"If", "StatelessIf", "While", "OneHot", "Einsum"} & set(operations)
    # The optimizer fuses a bias that stands right behind its product.
    assert operations.count("BiasAdd") == 2 * 6 + 3
