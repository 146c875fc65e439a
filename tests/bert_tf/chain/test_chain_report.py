"""The report of a chain, from what its commands measured."""

import json
import math

import pytest

from bert_tf.chain import plan, report
from bert_tf.chain.config import CompressionConfig
from bert_tf.chain.running import Done
from bert_tf.chain.stages import Export, Finetune, PruneVocabulary
from bert_tf.training.finetuning_config import LabelledDataConfig

FIGURES = {  # MB, ms, accuracy.
    "1_finetune/none.tflite": (90.0, 30.0, 0.85),
    "1_finetune/saved_model/1": (92.0, 40.0, 0.85),
    "2_prune_vocabulary/none.tflite": (70.0, 20.0, 0.84),
    "2_prune_vocabulary/saved_model/1": (72.0, 41.0, None),
}


@pytest.fixture
def chain(tmp_path):
    """A plan, and the files that its commands wrote when it stood elsewhere."""
    config = CompressionConfig(
        init_from="minilm",
        data=LabelledDataConfig(train="train.csv", eval="held_out.csv"),
        stages=(
            Finetune(),
            PruneVocabulary(),
            Export(tflite=("none",), saved_model=True),
        ),
    )
    todo = plan.make_plan(config, tmp_path / "chain")

    def write(step, value):
        step.output.parent.mkdir(parents=True, exist_ok=True)
        step.output.write_text(json.dumps(value))

    timed = [
        {"path": f"/runs/before/{path}", "num_bytes": mb * 1e6, "best_ms": ms}
        for path, (mb, ms, _) in FIGURES.items()
    ]
    write(todo.latency, {"length": 128, "num_threads": 2, "calls": 90, "files": timed})
    for stage in todo.stages:
        artifacts = [
            {"path": f"/runs/before/{path}", "accuracy": accuracy}
            for path, (_, _, accuracy) in reversed(FIGURES.items())
            if path.startswith(stage.folder.name)
        ]
        write(
            stage.accuracy,
            {"quality": "accuracy", "num_examples": 1500, "artifacts": artifacts},
        )
    return config, todo


def test_each_file_has_its_own_figures(chain):
    config, todo = chain
    results = report.read_results(todo)
    found = {
        point.path: (point.mb, point.latency_ms, point.quality)
        for point in results.points
    }
    for path, (mb, ms, accuracy) in FIGURES.items():
        expected = (mb, ms, math.nan if accuracy is None else accuracy)
        whole = str(todo.latency.folder / path)
        assert found[whole] == pytest.approx(expected, nan_ok=True)
    assert [point.name for point in results.of_form("tflite")] == [
        *("1_finetune float32", "2_prune_vocabulary float32")
    ]


def test_phones_and_servers_have_frontiers_of_their_own(chain):
    config, todo = chain
    results = report.read_results(todo)
    for_phones, for_servers = lines = results.advice(80.0, None)
    assert for_phones.startswith("Ship 2_prune_vocabulary float32, 70.00 MB, 20.00 ms")
    assert for_servers.startswith("None fits --max_mb=80: the smallest is 2_prune_voc")
    done = [(step, Done("x", 1.5)) for step in todo.steps]
    workdir = todo.latency.folder
    report.write(workdir, config, results, done, lines)
    text = (workdir / "report.md").read_text()
    assert all(line in text for line in lines)
    rows = [line for line in text.splitlines() if line.startswith("| 2_prune")]
    assert "| 2_prune_vocabulary float32 | 70 | 1.29 | 20 | 1.5 | 0.84 | 1 | yes |" in (
        rows
    )
    assert "1,500 held-out examples. The fastest of 90 calls" in text
    # Twice the binomial's standard deviation, sqrt(1500 * 0.85 * 0.15) examples.
    assert text.count("1_finetune float32 would be within 1.8 points of its") == 2
    assert f"| 1_finetune/make | 1.5 | {todo.stages[0].make.command} |" in text
    assert "1_finetune.num_train_epochs" in text
    page = (workdir / "report.html").read_text()
    assert (
        page.count("<h2>TFLite files</h2>") == page.count("<h2>SavedModels</h2>") == 1
    )
    # Accuracy by size and by latency; what computes no number is in neither.
    assert page.count("<circle") == 6
