"""Evaluations that let the model write, and score that."""

import json

import pytest

import bert_tf
from bert_tf.checkpoints import conversion
from bert_tf.errors import InputError
from bert_tf.metrics.generation import translation_metrics
from bert_tf.storage.json_files import read_json
from bert_tf.tasks.settings import SequenceToSequenceSettings
from bert_tf.training.finetuning import train_and_evaluate
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig
from bert_tf.training.finetuning_preparation import prepare

pytestmark = pytest.mark.slow

TEXTS = ["heart", "the ache of the heart", "card of ache", "of of of card", "the card"]
TARGETS = ["the heart", "Ache of heart, of card", "card", "heart card the", "ache"]

EVALUATE = """
import json
import sys

import tensorflow as tf

from bert_tf.storage.json_files import from_dict
from bert_tf.tasks.settings import SequenceToSequenceSettings
from bert_tf.training.distribution import Devices, create_strategy
from bert_tf.training.evaluation import Evaluator
from bert_tf.training.finetuning import initialize, open_inputs
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)
model_dir, pairs = sys.argv[1:]
task = SequenceToSequenceSettings(max_target_length=8, max_written_examples=3)
data = LabelledDataConfig(
    train=pairs, eval=pairs, cache_dir="none", max_seq_length=8
)
found = open_inputs(
    FinetuningConfig(task=task, init_from=model_dir, data=data).validate()
)
for name, sizes in (("default", (1, 5)), ("mirrored", (2,))):
    devices = Devices.of(create_strategy(name))
    with devices.strategy.scope():
        model = found.task.create_model(found.weights.config, seed=1)
    initialize(model, found.weights, found.task)
    for size in sizes:
        evaluator = Evaluator(
            found.task, model, devices, found.held_out[0], replica_batch_size=size
        )
        print(json.dumps(evaluator.evaluate()))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, make_weights):
    folder = tmp_path_factory.mktemp("pairs")
    weights = make_weights()
    conversion.save(weights, folder / "model", "native")
    rows = [
        json.dumps({"text": text, "target": target})
        for text, target in zip(TEXTS, TARGETS, strict=True)
    ]
    (folder / "pairs.jsonl").write_text("\n".join(rows) + "\n")
    return folder


def config(folder, **settings):
    path = str(folder / "pairs.jsonl")
    return FinetuningConfig(
        task=SequenceToSequenceSettings(max_target_length=8, **settings),
        init_from=str(folder / "model"),
        data=LabelledDataConfig(
            train=path, eval=path, cache_dir="none", max_seq_length=8
        ),
        num_train_epochs=1.0,
        hidden_dropout_prob=0.0,
    ).validate()


def test_scores_do_not_depend_on_batch_or_replicas(warm, folder):
    paths = str(folder / "model"), str(folder / "pairs.jsonl")
    child = warm.run(["-c", EVALUATE, *paths])
    assert child.returncode == 0, child.stderr
    first, *others = map(json.loads, child.stdout.splitlines())
    assert len(others) == 2
    assert {"bleu", "chrf", "rouge1", "rouge2", "rougeL", "f1"} <= first.keys()
    for other in others:
        assert other == pytest.approx(first, rel=1e-5)


def test_scores_are_those_of_what_the_model_writes(folder, tmp_path):
    settings = config(folder, best_metric="chrf")
    with prepare(settings, tmp_path / "run"):
        train_and_evaluate(settings, tmp_path / "run")
    results = read_json(tmp_path / "run" / "eval.json")
    written = [
        row["generated_text"] for row in bert_tf.load(tmp_path / "run").generate(TEXTS)
    ]
    # The vocabulary is one of lower case.
    found = translation_metrics(written, TARGETS, lower_case=True)
    for name, value in found.values.items():
        assert results[name] == pytest.approx(value)
    assert results["chrf"] > 0 and results["best_step"] == 1
    report = (tmp_path / "run" / "report.html").read_text()
    assert found.signatures["bleu"] in report
    for text, target in zip(written, TARGETS, strict=True):
        assert text in report and target in report


def test_nothing_is_written_where_that_is_not_wanted(folder, tmp_path):
    settings = config(folder, max_written_examples=0)
    with prepare(settings, tmp_path / "run"):
        train_and_evaluate(settings, tmp_path / "run")
    assert "bleu" not in read_json(tmp_path / "run" / "eval.json")
    assert "Held-out texts" not in (tmp_path / "run" / "report.md").read_text()
    with pytest.raises(InputError, match="max_written_examples` must be at least 0"):
        SequenceToSequenceSettings(max_written_examples=-1).validate()
