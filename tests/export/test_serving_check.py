"""What `verify_export MODEL_DIR` says of a sound export, and of unsound ones."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from bert_tf.checkpoints.model_folder import load_model_folder
from bert_tf.errors import InputError
from bert_tf.storage.tfrecord import RecordWriter, read_records
from export.check.backends import RefusedRequestError, SavedModelBackend
from export.checkpoint import pretrained
from export.saved_model import prediction_log, saving, serving_check, warmup

pytestmark = pytest.mark.slow


def test_a_sound_export(run_job, saved_model_dir, tmp_path):
    output = tmp_path / "check.json"
    # The model's folder: its newest version is meant.
    done = run_job("verify_export", str(saved_model_dir.parent), output_file=output)
    assert done.returncode == 0, done.stderr
    report = json.loads(output.read_text())
    assert report["saved_model"] == str(saved_model_dir)
    names = ["embed", "serve_examples", "serve_ids", "serving_default"]
    assert report["signatures"] == sorted(report["max_abs_diff"]) == names
    assert max(report["max_abs_diff"].values()) < 1e-4
    records = saved_model_dir / "assets.extra" / warmup.FILE_NAME
    assert report["warmup_requests"] == len(list(read_records(records))) >= 12

    outcomes = {
        (entry["signature"], entry["what"]): entry["outcome"]
        for entry in report["invalid_requests"]
    }
    for signature in names:
        assert outcomes[signature, "no inputs"].startswith("refused: ")
    for what in ("NaN", "numbers", "one dimension more"):
        assert outcomes["embed", f"text: {what}"].startswith("refused: ")
    # A text is never refused, whatever it holds.
    for what in ("invalid UTF-8", "NUL", "empty", "a word of 1 MB", "1 MB of words"):
        assert outcomes["serving_default", f"text: {what}"] == "answered"
        refused = outcomes["serve_examples", f"examples: {what}"]
        assert refused.startswith("refused: ")
    for what in ("NaN", "int64", "text", "a value of -1", "a value of 2147483647"):
        assert outcomes["serve_ids", f"input_ids: {what}"].startswith("refused: ")
    assert outcomes["embed", "an empty batch"] == "answered"
    for line in done.stdout.splitlines()[:1]:
        assert line == f"Signatures: {', '.join(names)}"
    assert "Warm-up requests answered: " in done.stdout


def test_an_export_of_other_weights_or_with_a_bad_warm_up_fails(
    saved_model_dir, trained, tmp_path
):
    directory = tmp_path / "1"
    shutil.copytree(saved_model_dir, directory)
    path = directory / "assets.extra" / warmup.FILE_NAME
    path.unlink()
    ids = {
        "input_ids": np.array([[99]], np.int32),
        "input_mask": np.ones([1, 1], np.int32),
        "segment_ids": np.zeros([1, 1], np.int32),
        "masked_lm_positions": np.zeros([1, 1], np.int32),
    }
    with RecordWriter(path) as writer:
        writer.write([prediction_log.encode("toy", "serve_ids", ids)])
    export = directory / "assets.extra" / "export.json"
    described = json.loads(export.read_text())
    described["signatures"].append("classify")
    export.write_text(json.dumps(described))
    name = "bert/pooler/dense/kernel"
    variables = {**trained.folder.variables}
    variables[name] = variables[name] + np.float32(0.01)
    folder = dataclasses.replace(trained.folder, variables=variables)

    with SavedModelBackend(directory, num_threads=1) as served:
        report = serving_check.check(directory, pretrained.load(folder), served)

    failures = "\n".join(report["failures"])
    assert "but export.json says ['classify', 'embed'" in failures
    assert "serve_ids differs from the checkpoint's by up to" in failures
    assert "embed differs from the checkpoint's" in failures
    assert "serving_default differs" not in failures  # It does not use the pooler.
    assert "record 0: " in failures and "input_ids must be at least 0" in failures
    assert len(report["failures"]) == 5


def test_an_export_of_a_static_shape_is_sound(trained, tmp_path):
    shorter = dataclasses.replace(trained, max_seq_length=12)
    saving.save(tmp_path, shorter, static_batch_size=3)
    warmup.write(tmp_path, shorter, model_name="toy")
    with SavedModelBackend(tmp_path, num_threads=1) as served:
        report = serving_check.check(tmp_path, shorter, served)
    assert report["failures"] == [] and report["warmup_requests"] == 1
    assert 0 < report["max_abs_diff"]["serve_ids"] < 1e-4
    loaded = serving_check.load_as_exported(trained.folder, tmp_path)
    assert loaded.max_seq_length == 12


def test_a_checkpoint_is_compared_with_the_settings_of_its_export(
    run_job, trained, records_dir, tmp_path
):
    changed = trained.folder.task.with_settings(top_k=3)
    folder = dataclasses.replace(trained.folder, task=changed)
    saving.save(tmp_path / "toy" / "1", pretrained.load(folder))
    done = run_job(
        "verify_export",
        checkpoint=trained.folder.path,
        eval_data=records_dir,
        saved_model_dir=tmp_path / "toy",  # Of its versions the newest.
        text="the [MASK] of the union",
        latency_calls=1,
        output_file=tmp_path / "report.json",
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert [len(tokens) for tokens in report["answers"][0]["tokens"]] == [3]


def test_a_signature_that_is_not_there_is_told(saved_model_dir):
    with SavedModelBackend(saved_model_dir, num_threads=1) as served:
        with pytest.raises(RefusedRequestError, match="classify: no such signature"):
            served.call("classify", {})


def test_what_to_check_must_be_there(saved_model_dir, tmp_path, checkpoint_dir):
    with pytest.raises(InputError, match="no SavedModel here .* no versions of one"):
        serving_check.version_in(tmp_path)
    with pytest.raises(InputError, match="Is .* an export of `python -m"):
        serving_check.description_of(tmp_path)
    assert serving_check.version_in(saved_model_dir) == saved_model_dir
    described = serving_check.description_of(saved_model_dir)
    assert described["checkpoint"] == str(checkpoint_dir.resolve())
    with pytest.raises(InputError, match="not there. Name it with --checkpoint"):
        moved = {**described, "checkpoint": str(tmp_path / "gone")}
        serving_check.load_checkpoint(moved, None)
    with pytest.raises(InputError, match="step 7, but the export is of step 8"):
        serving_check.load_checkpoint({**described, "step": 8}, str(checkpoint_dir))
    folder = load_model_folder(checkpoint_dir)
    loaded = serving_check.load_checkpoint(described, None)
    assert loaded.folder.vocabulary.hash == folder.vocabulary.hash
