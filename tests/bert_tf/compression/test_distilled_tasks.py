"""Every task with soft labels: packing, unlabelled examples, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest
from distilled_rows import ROWS, SHAPE, SOFT_LABELS_ALONE, means, open_task

from bert_tf.compression import teacher_cache
from bert_tf.compression.distillation_config import TaskDistillationConfig
from bert_tf.compression.teacher_cache import TeacherCache
from bert_tf.errors import InputError
from bert_tf.tasks import settings
from bert_tf.training import cluster


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_packing_and_unlabelled_examples(name, configure, eagerly):
    config = configure(ROWS[name], student_layers=(0, 2))
    inputs, task, model = open_task(config)
    count = inputs.train.num_examples
    assert count >= 24
    padded, weights = means(task, model, inputs.train, count, pack=False)
    packed, _ = means(task, model, inputs.train, count, pack=True)
    assert packed == pytest.approx(padded, rel=1e-3, abs=1e-7)
    assert all(value > 0 for value in padded.values())

    # The task's own loss is that of the labelled examples alone.
    alone, task, model = open_task(configure(ROWS[name], student_layers=(0, 2)))
    own = task.inner.losses[0]
    labelled = open_task(
        configure(ROWS[name], student_layers=(0, 2), unlabelled="", hard_weight=1.0)
    )
    source = labelled[0].train
    expected, own_weights = means(
        labelled[1], labelled[2], source, source.num_examples, pack=False
    )
    assert float(weights[own]) == float(own_weights[own])
    assert padded[own] == pytest.approx(0.5 * expected[own], rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_a_student_that_is_its_teacher_has_nothing_to_learn_of_it(
    name, configure, eagerly
):
    inputs, task, model = open_task(configure(ROWS[name]))
    found, _ = means(task, model, inputs.train, inputs.train.num_examples, pack=True)
    for loss in task.added_losses:
        assert found[loss] == pytest.approx(0.0, abs=1e-5), loss
    assert found[task.inner.losses[0]] > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["multiple_choice", "embedding", "extractive_summarization"]
)
def test_micro_batches_add_up(name, configure, eagerly):
    """Groups are numbered in each anew, and what they are divided by is not."""
    inputs, task, model = open_task(configure(ROWS[name], student_layers=(0, 2)))
    count = inputs.train.num_examples
    expected, weights = means(task, model, inputs.train, count, pack=True)
    found, found_weights = means(
        task, model, inputs.train, count, pack=True, micro_batches=2
    )
    assert found_weights == weights
    for loss in task.added_losses:
        assert found[loss] == pytest.approx(expected[loss], rel=1e-3)
        assert found[loss] > 1e-5


@pytest.mark.parametrize(
    ("task", "pooling"), [("embedding", "cls"), ("pretraining", "max")]
)
def test_a_teacher_pools_in_its_own_way_if_it_says_which(
    task, pooling, configure, write_teacher, tmp_path
):
    row = dataclasses.replace(
        ROWS["embedding"],
        settings=settings.EmbeddingSettings(pooling="max", normalize=True),
    )
    theirs = {"pooling": "cls", "normalize": False} if task == "embedding" else {}
    write_teacher(tmp_path / "teacher", task, (), 1, SHAPE, settings=theirs)
    config = configure(row, unlabelled="", **SOFT_LABELS_ALONE)
    lessons = open_task(config)[1]._lessons
    assert lessons._model.pooling == pooling
    assert lessons._model.normalize  # Or a student's would never reach its vectors.
    assert lessons.key["pooling"]["pooling"] == pooling


def test_layers_are_spread_evenly(configure, write_teacher):
    teacher = dataclasses.replace(SHAPE, num_hidden_layers=12)
    from bert_tf.compression.compared_states import LayerMap

    def of(count, **settings):
        config = TaskDistillationConfig(teacher="x", **settings)
        student = dataclasses.replace(SHAPE, num_hidden_layers=count)
        return LayerMap.of(config, student, teacher)

    assert of(4).teachers == (2, 5, 8, 11)  # TinyBERT's.
    assert of(12).teachers == tuple(range(12))
    assert of(5).teachers == (1, 4, 6, 9, 11)
    assert of(1, layer_map=(3,)).teachers == (3,)
    assert (of(1).relation_layer, of(1, relation_layer=10).relation_layer) == (11, 10)


ERRORS = {
    "vocabulary": ({"init_from": "other"}, {}, "has other entries than the student's"),
    "layers": ({}, {"student_layers": (0, 3)}, "those from 0 to 2. Received"),
    "twice": ({}, {"student_layers": (1, 1)}, "must name different layers"),
    "map": ({}, {"layer_map": (0, 1, 3)}, "those from 0 to 2. Received: 3"),
    "map_length": ({}, {"layer_map": (0, 1)}, "each of the student's 3"),
    "relation_layer": ({}, {"relation_layer": 3}, "relation_layer.* from 0 to 2"),
    "relation_heads": ({}, {"relation_heads": 3}, "of the teacher's attention, 8"),
    "both": (
        {},
        {"student_layers": (1,), "student_config": "mini"},
        "exclude each other",
    ),
    "size": ({}, {"student_config": "gigantic"}, "one of .*'mini'.* or a bert_config"),
    "random_from": (
        {"init_from": "other"},
        {"student_config": "mini"},
        "shape of a student that starts at random",
    ),
    "nothing": (
        {},
        dict.fromkeys(
            (
                *("hard_weight", "soft_weight", "hidden_weight", "cosine_weight"),
                *("attention_weight", "relation_weight"),
            ),
            0.0,
        ),
        "must be positive; there is nothing to learn",
    ),
    "temperature": ({}, {"temperature": 0.0}, "temperature.* must be positive"),
    "weight": ({}, {"soft_weight": -1.0}, "soft_weight.* at least 0"),
    "map_values": ({}, {"layer_map": (-1,)}, "layer_map.* counted from 0"),
    "off": ({}, {"teacher": ""}, "is set without a teacher"),
    "missing": ({}, {"teacher": "nowhere"}, "nowhere: no such file or folder"),
    "heads": (
        {"init_from": "heads"},
        {},
        "student has 4 attention heads in layer 0, the teacher 2",
    ),
    "labels": ({"labels": ("c", "b", "a")}, {}, r"labels are \['a', 'b', 'c'\]"),
    "task": ({"teacher_task": "multi_label"}, {}, "was trained for 'multi_label'"),
    "norm_first": (
        {"teacher_settings": {"norm_first": True}},
        {},
        "teacher.*: its LayerNorms come first",
    ),
    "no_vocabulary": ({"teacher": "bare"}, {}, "teacher.*: has no vocabulary"),
    "length": ({"max_seq_length": 17}, {}, "at most 16, the positions of the teacher"),
    "empty": ({"unlabelled": "\n"}, {}, "holds no text"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_what_cannot_be_is_refused(case, configure, write_teacher, tmp_path):
    changes, distillation, message = ERRORS[case]
    row = ROWS["classification"]
    if {"teacher_task", "teacher_settings"} & changes.keys():
        write_teacher(
            tmp_path / "teacher",
            changes.get("teacher_task", "classification"),
            row.labels,
            3,
            config=SHAPE,
            settings=changes.get("teacher_settings"),
        )
    config = configure(row, **distillation)
    if "init_from" in changes:
        config.init_from = str(tmp_path / "student")
        heads = 4 if changes["init_from"] == "heads" else 2
        write_teacher(
            tmp_path / "student",
            "classification",
            row.labels,
            3,
            config=dataclasses.replace(SHAPE, num_attention_heads=heads),
        )
        if changes["init_from"] == "other":
            _rename_entries(tmp_path / "student")
    if "labels" in changes:
        config.task = settings.ClassificationSettings(labels=changes["labels"])
    if "max_seq_length" in changes:
        config.data.max_seq_length = changes["max_seq_length"]
    if "unlabelled" in changes:
        (tmp_path / "empty.txt").write_text(changes["unlabelled"])
        config.distillation.unlabelled = str(tmp_path / "empty.txt")
    if "teacher" in changes:
        config.distillation.teacher = str(_without_vocabulary(tmp_path))
        config.init_from = str(tmp_path / "teacher")
    with pytest.raises(InputError, match=message):
        open_task(config)


def _rename_entries(folder):
    from bert_tf.checkpoints import conversion
    from bert_tf.checkpoints.model_folder import save_model_folder

    weights = conversion.load_any(folder)
    entries = [e.replace("heart", "liver") for e in weights.vocabulary.entries]
    vocabulary = type(weights.vocabulary).from_entries(
        entries, weights.vocabulary.config
    )
    save_model_folder(
        folder,
        config=weights.config,
        variables=weights.variables,
        vocabulary=vocabulary,
        task=weights.task,
        overwrite=True,
    )


def _without_vocabulary(folder):
    from bert_tf.checkpoints import conversion

    weights = conversion.load_any(folder / "teacher")
    conversion.save(weights, folder / "bare", "hugging_face")
    for path in (folder / "bare").glob("*"):
        if path.name not in ("config.json", "model.safetensors"):
            path.unlink()
    return folder / "bare"


def test_random_students_start_from_nothing_of_the_teacher(configure):
    inputs, _, model = open_task(
        configure(
            ROWS["classification"],
            student_config="tiny",
            relation_heads=2,
            unlabelled="",
        )
    )
    assert inputs.weights.variables == {}
    assert model.config.hidden_size == 128
    assert np.asarray(model.bert.embeddings.word_embeddings).std() < 0.03


def with_cache(config, folder):
    section = dataclasses.replace(config.distillation, cache_dir=str(folder))
    return dataclasses.replace(config, distillation=section)


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_a_teacher_that_answered_before_says_the_same(
    name, configure, tmp_path, eagerly
):
    config = configure(ROWS[name], student_layers=(0, 2))
    inputs, task, model = open_task(config)
    cached = open_task(with_cache(config, tmp_path / "cache"))
    assert cached[1]._lessons._model is None
    count = inputs.train.num_examples
    for pack in (False, True):
        expected, _ = means(task, model, inputs.train, count, pack=pack)
        found, _ = means(cached[1], cached[2], cached[0].train, count, pack=pack)
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-7)


@pytest.mark.slow
def test_a_cache_that_was_broken_off_is_finished_to_the_same_bytes(
    configure, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(teacher_cache, "_TOKENS", 40)
    monkeypatch.setattr(teacher_cache, "_BATCHES_PER_NOTE", 2)
    config = configure(ROWS["classification"])
    folder, other = tmp_path / "cache", tmp_path / "other"
    open_task(with_cache(config, folder))
    (whole,) = folder.iterdir()
    before = {path.name: path.read_bytes() for path in whole.glob("*.npy")}

    class Killed(BaseException):
        pass

    original, batches = TeacherCache._write, []

    def write(self, arrays, sequences, outputs):
        original(self, arrays, sequences, outputs)
        batches.append(len(sequences))
        if len(batches) == 5:
            raise Killed

    monkeypatch.setattr(TeacherCache, "_write", write)
    with pytest.raises(Killed):
        open_task(with_cache(config, other))
    (part,) = other.iterdir()
    assert part.name == whole.name
    assert json.loads((part / "progress.json").read_text()) == {
        "sequences": sum(batches[:4])
    }
    again = len(batches)
    open_task(with_cache(config, other))
    assert {path.name: path.read_bytes() for path in part.glob("*.npy")} == before
    written = sum(batches[:4]) + sum(batches[again:])
    assert written == len(ROWS["classification"].labelled) * 2

    # It is read from now on, and found by other settings of the same lessons.
    batches.clear()
    section = dataclasses.replace(config.distillation, temperature=7.0)
    with caplog.at_level("INFO", logger="absl"):
        open_task(with_cache(dataclasses.replace(config, distillation=section), other))
    assert not batches
    assert "The teacher's outputs are there already: 0.1 MB in" in caplog.text


def test_students_of_any_depth_share_what_is_not_compared_layer_by_layer(
    configure, tmp_path, eagerly
):
    for number, layers in enumerate([(0, 2), (1,)]):
        for weights in ({"cosine_weight": 1.0}, {"hidden_weight": 1.0}):
            settings = {**SOFT_LABELS_ALONE, **weights, "student_layers": layers}
            folder = tmp_path / next(iter(weights))
            open_task(with_cache(configure(ROWS["classification"], **settings), folder))
        assert len([*(tmp_path / "cosine_weight").iterdir()]) == 1
        assert len([*(tmp_path / "hidden_weight").iterdir()]) == 1 + number


def test_a_damaged_cache_and_several_workers_are_refused(
    configure, tmp_path, monkeypatch
):
    config = with_cache(configure(ROWS["classification"]), tmp_path / "cache")
    with monkeypatch.context() as patch:
        patch.setattr(cluster, "num_processes", lambda: 2)
        with pytest.raises(InputError, match="several workers cannot compute them"):
            open_task(config)
    open_task(config)
    with monkeypatch.context() as patch:
        patch.setattr(cluster, "num_processes", lambda: 2)
        open_task(config)
    (file,) = (tmp_path / "cache").glob("*/logits.npy")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match="logits.npy: cannot be read .*computed again"):
        open_task(config)


def test_texts_without_labels_are_pairs_where_the_others_are(configure):
    single, pair = ROWS["classification"], ROWS["pair"]
    for row, other, message in (
        (single, pair, "a text each. Received: a pair of texts"),
        (pair, single, "a pair of texts each. Received: a text"),
    ):
        config = configure(dataclasses.replace(row, unlabelled=other.unlabelled))
        with pytest.raises(
            InputError, match=f"line 1: `distillation.unlabelled` must .*{message}"
        ):
            open_task(config)


@pytest.mark.parametrize("name", ["classification", "token_classification"])
def test_the_baseline_is_that_of_the_labelled_examples(name, configure, tmp_path):
    plain = configure(ROWS[name], unlabelled="")
    alone = open_task(plain)
    expected = alone[0].task.baseline(alone[0].train, alone[0].train, seed=0)
    config = configure(ROWS[name])
    for changed in (config, with_cache(config, tmp_path / "cache")):
        inputs, task, _ = open_task(changed)
        found = task.baseline(inputs.train, alone[0].train, seed=0)
        assert found == expected
