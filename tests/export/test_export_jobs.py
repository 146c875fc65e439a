"""The jobs as a user runs them."""

import json
import shutil
import subprocess
import time

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2
from toy_checkpoint import VOCABULARY, P, S, write_records

from bert_tf.text.vocabulary import Vocabulary
from export.check.backends import SavedModelBackend


def error(done: subprocess.CompletedProcess[str]) -> str:
    """The job's one line of error."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_from_checkpoint_to_verified_artifacts(
    run_job, tmp_path, checkpoint_dir, records_dir, saved_model_dir
):
    tflite_files = []
    for quantization in ("none", "dynamic_int8"):
        tflite_files.append(tmp_path / f"{quantization}.tflite")
        done = run_job(
            "export_tflite",
            checkpoint=checkpoint_dir,
            output_file=tflite_files[-1],
            quantization=quantization,
            max_predictions_per_seq=P,
        )
        assert done.returncode == 0, done.stderr
        assert f"Wrote {tflite_files[-1]}" in done.stdout
        assert "Next: python -m export.verify_export" in done.stdout
        card = tmp_path / f"{quantization}.tflite.README.md"
        kind = {"none": "float32", "dynamic_int8": "int8"}[quantization]
        assert f"a TFLite file with {kind} weights" in card.read_text()
        described = json.loads((tmp_path / f"{quantization}.tflite.json").read_text())
        assert described["vocabulary"] == VOCABULARY
        assert described["task"] == "pretraining" and described["max_seq_length"] == S
    card = (saved_model_dir / "README.md").read_text()
    assert "This is a SavedModel" in card and "Exported from step 7." in card
    text = "the [MASK] of the union is [MASK] ."
    done = run_job(
        "verify_export",
        checkpoint=checkpoint_dir,
        eval_data=records_dir,
        saved_model_dir=saved_model_dir,
        tflite_file=[*tflite_files, tflite_files[0]],
        text=[text, "peace"],
        latency_calls=3,
        max_accuracy_drop=1,
        output_file=tmp_path / "verification.json",
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "verification.json").read_text())
    assert report["num_examples"] == 20
    assert report["step"] == 7
    assert report["failures"] == []
    saved_model, float32, int8 = report["artifacts"]
    for artifact, path in zip(
        report["artifacts"], [saved_model_dir, *tflite_files], strict=True
    ):
        assert artifact["path"] == str(path)
        assert artifact["latency_ms"] > 0
        assert 0 <= artifact["masked_lm_accuracy"] <= 1
    assert [a["quantized"] for a in report["artifacts"]] == [False, False, True]
    assert saved_model["max_abs_diff"] < 1e-4
    assert saved_model["max_abs_diff_of_answers"] < 1e-5
    assert saved_model["masked_lm_accuracy"] == report["keras"]["masked_lm_accuracy"]
    assert float32["max_abs_diff"] < 1e-4 < int8["max_abs_diff"]
    assert int8["num_bytes"] == tflite_files[1].stat().st_size
    assert report["answers"][0]["text"] == text
    assert [len(tokens) for tokens in report["answers"][0]["tokens"]] == [5, 5]
    assert report["answers"][1]["tokens"] == []


def test_too_large_a_loss_fails(
    run_job, tmp_path, checkpoint_dir, records_dir, tflite_files
):
    done = run_job(
        "verify_export",
        checkpoint=checkpoint_dir,
        eval_data=records_dir,
        tflite_file=tflite_files["dynamic_int8"],
        max_accuracy_drop=-1,
        latency_calls=1,
        output_file=tmp_path / "verification.json",
    )
    assert "masked_lm_accuracy is" in error(done)
    assert "at most -1 is allowed" in error(done)
    report = json.loads((tmp_path / "verification.json").read_text())
    assert len(report["failures"]) == 1


def test_existing_output_dir_is_refused(run_job, tmp_path, checkpoint_dir):
    (tmp_path / "mine").write_text("precious")
    done = run_job("export_saved_model", checkpoint=checkpoint_dir, output_dir=tmp_path)
    assert f"{tmp_path / 'mine'} is in the way" in error(done)
    assert (tmp_path / "mine").read_text() == "precious"


@pytest.mark.parametrize(
    ("job", "flag"),
    [("export_saved_model", "output_dir"), ("export_tflite", "output_file")],
)
def test_unwritable_output_is_told_before_the_work(
    run_job, tmp_path, checkpoint_dir, job, flag, without_tensorflow
):
    (tmp_path / "file").touch()
    output = {flag: tmp_path / "file" / "out"}
    done = run_job(job, env=without_tensorflow, checkpoint=checkpoint_dir, **output)
    assert f"error: {tmp_path / 'file'}" in error(done)


@pytest.mark.parametrize("job", ["export_tflite", "verify_export"])
def test_a_folder_in_place_of_the_output_is_told_before_the_work(
    run_job, tmp_path, checkpoint_dir, job, without_tensorflow
):
    inputs = {"checkpoint": checkpoint_dir}
    if job == "verify_export":
        inputs |= {"eval_data": tmp_path, "tflite_file": tmp_path / "a.tflite"}
    done = run_job(job, env=without_tensorflow, **inputs, output_file=tmp_path)
    assert f"{tmp_path}: Is a directory" in error(done)


@pytest.mark.parametrize("job", ["export_saved_model", "export_tflite"])
def test_missing_checkpoint(run_job, tmp_path, job):
    flag = "output_dir" if job == "export_saved_model" else "output_file"
    out = tmp_path / "out"
    done = run_job(job, checkpoint=tmp_path / "none", **{flag: out})
    assert f"{tmp_path / 'none'}: no checkpoint here" in error(done)
    assert not out.exists()


def test_damaged_checkpoint(run_job, tmp_path, checkpoint_dir):
    damaged = tmp_path / "damaged"
    shutil.copytree(checkpoint_dir, damaged)
    with open(damaged / "model.safetensors", "r+b") as file:
        file.truncate(1000)
    done = run_job(
        "export_tflite", checkpoint=damaged, output_file=tmp_path / "out.tflite"
    )
    assert "model.safetensors: truncated" in error(done)


def test_records_of_another_length(run_job, tmp_path, checkpoint_dir, tflite_files):
    records = write_records(tmp_path / "records", checkpoint_dir, seq_length=S + 2)
    done = run_job(
        "verify_export",
        checkpoint=checkpoint_dir,
        eval_data=records,
        tflite_file=tflite_files["none"],
        output_file=tmp_path / "verification.json",
    )
    message = error(done)
    assert f"`input_ids` is {S + 2} long, but the model takes at most {S}" in message


def test_records_of_another_vocabulary(run_job, tmp_path, checkpoint_dir, records_dir):
    records = tmp_path / "records"
    shutil.copytree(records_dir, records)
    info = records / "dataset_info.json"
    values = json.loads(info.read_text())
    words = (records / "vocab.txt").read_text().replace("the", "ye")
    (records / "vocab.txt").write_text(words)
    other = Vocabulary.load(records).hash
    info.write_text(json.dumps({**values, "vocab_hash": other}))
    done = run_job(
        "verify_export",
        checkpoint=checkpoint_dir,
        eval_data=records,
        tflite_file=tmp_path / "any.tflite",
        output_file=tmp_path / "verification.json",
    )
    assert "vocab_hash" in error(done)


def test_what_to_verify_must_be_named(run_job, tmp_path, checkpoint_dir, records_dir):
    common = {
        "checkpoint": checkpoint_dir,
        "eval_data": records_dir,
        "output_file": tmp_path / "verification.json",
    }
    assert "Name a --saved_model_dir" in error(run_job("verify_export", **common))
    done = run_job("verify_export", **common, tflite_file="a.tflite", text="[MASK]")
    assert "--text needs a --saved_model_dir" in error(done)


def test_a_search_is_for_models_that_write(run_job, tmp_path, checkpoint_dir):
    (tmp_path / "search.json").write_text('{"num_beams": 4}')
    done = run_job(
        "export_saved_model",
        checkpoint=checkpoint_dir,
        output_dir=tmp_path / "models",
        generation_config=tmp_path / "search.json",
    )
    assert "'pretraining' has no signature that writes. Leave it out." in error(done)
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("flags", [{"signatures": "ids"}, {"static_shape": "8x16"}])
def test_parts_of_no_text_are_told_before_the_work(
    run_job, tmp_path, checkpoint_dir, without_tensorflow, flags
):
    done = run_job(
        "export_saved_model",
        env=without_tensorflow,
        checkpoint=checkpoint_dir,
        output_dir=tmp_path / "models",
        tokens_at_once=64,
        **flags,
    )
    assert "--tokens_at_once: only signatures that take text" in error(done)


def test_a_killed_export_leaves_nothing_that_looks_whole(
    run_job, warm, tmp_path, checkpoint_dir
):
    models = tmp_path / "models"
    arguments = [f"--checkpoint={checkpoint_dir}", f"--output_dir={models / '1'}"]
    command = ["-m", "export.export_saved_model", *arguments]
    for moment in (".1.tmp-*", ".1.tmp-*/1/variables", ".1.tmp-*/1/saved_model.pb"):
        before = set(models.glob(moment))
        process = warm.start(command)
        while not set(models.glob(moment)) - before:
            assert process.poll() is None
            time.sleep(0.001)
        process.kill()
        process.wait()
        # TF Serving looks for folders whose names are numbers.
        assert not any(path.name.isdigit() for path in models.iterdir())
    done = run_job("export_saved_model", *arguments)
    assert done.returncode == 0, done.stderr
    assert (models / "1" / "assets.extra" / "export.json").is_file()
    # What the killed ones left is gone.
    assert [path.name for path in models.iterdir()] == ["1"]


def test_a_file_that_loses_too_much_is_not_written(
    run_job, tmp_path, checkpoint_dir, records_dir
):
    output = tmp_path / "out" / "a.tflite"
    flags = {
        "checkpoint": checkpoint_dir,
        "output_file": output,
        "quantization": "int4",
        "eval_data": records_dir,
        "max_predictions_per_seq": P,
    }
    done = run_job("export_tflite", **flags, max_metric_drop=-1)
    assert "masked_lm_accuracy is" in error(done)
    assert "at most -1 is allowed" in error(done)
    # The sensitivity pass has tried half of the groups before giving up.
    assert "With 4 weights left in float32:" in done.stderr
    assert list(output.parent.iterdir()) == []

    done = run_job("export_tflite", **flags, max_metric_drop=1, keep_float="layer_0")
    assert done.returncode == 0, done.stderr
    assert "layer_0/output/dense/kernel [64 x 128]: asked for" in done.stdout
    rows = [line.split()[-1] for line in done.stdout.splitlines() if line.strip()]
    assert {"float32", "int4"} <= set(rows)
    assert output.is_file()

    done = run_job("export_tflite", **flags, keep_float="layer_9")
    assert "--keep_float: no weight has 'layer_9' in its name. There are: " in (
        error(done)
    )
    done = run_job("export_tflite", **{**flags, "quantization": "int8"})
    assert "--quantization=int8 needs --calibration_data" in error(done)


def test_a_static_shape_is_the_only_one(run_job, tmp_path, checkpoint_dir, trained):
    output = tmp_path / "1"
    done = run_job(
        "export_saved_model",
        checkpoint=checkpoint_dir,
        output_dir=output,
        static_shape="3x12",
    )
    assert done.returncode == 0, done.stderr
    signatures = tf.saved_model.load(str(output)).signatures
    assert list(signatures) == ["serve_ids"]
    ids = signatures["serve_ids"]
    shapes = {
        name: spec.shape.as_list()
        for name, spec in ids.structured_input_signature[1].items()
    }
    assert shapes["input_ids"] == shapes["input_mask"] == [3, 12]
    assert all(None not in shape for shape in shapes.values())
    for spec in ids.structured_outputs.values():
        assert spec.shape.is_fully_defined()

    # Nothing is left that a compiler would have to ask at run time.
    functions = ids.graph.as_graph_def().library.function
    operations = {node.op for each in functions for node in each.node_def}
    assert "Shape" not in operations
    inputs = {name: np.ones(shape, np.int32) for name, shape in shapes.items()}
    expected = trained.model(inputs)
    found = ids(**{name: tf.constant(value) for name, value in inputs.items()})
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-4)

    with SavedModelBackend(output, num_threads=1) as backend:
        five = {name: value[[0, 1, 2, 0, 1]] for name, value in inputs.items()}
        for name, value in backend.predict(five).items():
            np.testing.assert_allclose(value[3:], expected[name][:2], atol=1e-4)

    warmup = output / "assets.extra" / "tf_serving_warmup_requests"
    (record,) = tf.data.TFRecordDataset(str(warmup)).as_numpy_iterator()
    log = prediction_log_pb2.PredictionLog.FromString(record)
    for name, tensor in log.predict_log.request.inputs.items():
        assert tf.make_ndarray(tensor).shape == tuple(shapes[name])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"static_shape": "8"}, "--static_shape must be a batch size and a length"),
        ({"static_shape": "0x16"}, "--static_shape must be a batch size and a length"),
        ({"static_shape": "1x16", "max_seq_length": 8}, "contradicts --static_shape"),
        ({"precision": "int8"}, "--precision=int8 is not offered for a SavedModel"),
        ({"precision": "bfloat16"}, "name held-out examples with --eval_data"),
    ],
)
def test_shapes_and_precisions_that_cannot_be_had(
    run_job, tmp_path, checkpoint_dir, flags, message
):
    done = run_job(
        "export_saved_model",
        checkpoint=checkpoint_dir,
        output_dir=tmp_path / "models",
        **flags,
    )
    assert message in error(done)
    assert not (tmp_path / "models").exists()
