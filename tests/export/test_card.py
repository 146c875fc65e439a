"""The model card beside an export says what its checkpoint knows."""

import dataclasses
import json

import yaml

from export.checkpoint import card


def write(path, trained, folder=None, **metadata):
    place = folder or trained.folder.path
    folder = dataclasses.replace(trained.folder, path=place, metadata=metadata)
    trained = dataclasses.replace(trained, folder=folder)
    card.write(path, trained, name="toy", made="a SavedModel")
    return path.read_text()


def test_what_the_checkpoint_knows_is_told(tmp_path, trained):
    text = write(
        tmp_path / "README.md",
        trained,
        origin="Pretrained on 20 examples of records.",
        held_out_metrics={"masked_lm_accuracy": 0.25, "loss": None, "other": 1.0},
    )
    _, head, body = text.split("---\n", 2)
    head = yaml.safe_load(head)
    assert (head["license"], head["language"]) == ("unknown", ["und"])
    assert head["metrics"] == ["masked_lm_accuracy"]
    assert "Pretrained on 20 examples of records. Exported from step 7." in body
    assert "| masked_lm_accuracy | 0.25 |" in body
    assert "python -m bert_tf.run_pretraining, with the settings of" in body
    assert "This is a SavedModel of texts of up to 16 tokens." in body
    assert "`python -m export.verify_export` measures the export" in body


def test_what_it_does_not_know_is_told_too(tmp_path, trained):
    text = write(tmp_path / "README.md", trained, newly_initialised=["a", "b"])
    assert "does not say what it was trained on. Exported from step 7." in text
    assert "Nobody has measured this model" in text and "run_pretraining" not in text
    assert "2 of its variables were never trained" in text


def test_a_run_chosen_among_others_is_told(tmp_path, trained):
    (tmp_path / "sweep.json").write_text(json.dumps({"note": "Too good."}))
    checkpoint = tmp_path / "checkpoints" / "step-00000007"
    text = write(tmp_path / "README.md", trained, checkpoint)
    assert "- Too good." in text


def test_a_folder_elsewhere_is_of_no_sweep(tmp_path, trained):
    (tmp_path / "sweep.json").write_text("of something else")
    text = write(tmp_path / "README.md", trained, tmp_path / "models" / "mine")
    assert "of something else" not in text
