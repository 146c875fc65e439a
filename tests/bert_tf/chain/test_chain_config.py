"""What a chain refuses before anything starts."""

import dataclasses

import pytest

from bert_tf.chain import plan, preparation, python_config
from bert_tf.chain.config import CompressionConfig
from bert_tf.chain.stages import (
    Distil,
    Export,
    Finetune,
    PruneStructure,
    PruneVocabulary,
    TrainQuantized,
)
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.cli.config_file import load_config
from bert_tf.compression.distillation_config import TaskDistillationConfig
from bert_tf.compression.quantization_config import QuantizationConfig
from bert_tf.errors import InputError, validated
from bert_tf.tasks.settings import (
    CausalLmSettings,
    ClassificationSettings,
    SequenceToSequenceSettings,
)
from bert_tf.training.finetuning_config import (
    FinetuningConfig,
    LabelledDataConfig,
    SweepConfig,
)

INT8 = Export(tflite=("none", "int8"))
HALF = TaskDistillationConfig(student_layers=(0, 2, 5))


def chain(*stages, **fields):
    data = LabelledDataConfig(train="train.csv", eval="held_out.csv")
    stages = stages or (Finetune(), PruneVocabulary(), Export())
    values = {"init_from": "minilm", "data": data, "stages": stages, **fields}
    return CompressionConfig(**values)


def test_a_chain_that_can_start():
    assert validated(chain(), "--config.").export == Export()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (chain(data=LabelledDataConfig(train="a")), "`data.eval` must name held-out"),
        (chain(data=LabelledDataConfig(eval="a")), "`data.train` must name files"),
        (chain(init_from=""), "`init_from` must name a checkpoint to start from"),
        (chain(num_seeds=2), "`num_seeds` and `sweep` make several runs of one"),
        (
            chain(sweep=SweepConfig(learning_rates=(1e-5, 2e-5))),
            "`num_seeds` and `sweep` make several runs of one",
        ),
        (chain(strategy="multi_worker"), "`strategy` must be one that a single"),
        (chain(task=CausalLmSettings()), "a model of 'causal_lm' writes"),
        (
            chain(task=SequenceToSequenceSettings()),
            "a model of 'sequence_to_sequence' writes",
        ),
        (
            chain(Finetune()),
            "`stages` must make a model and end with the only Export(). Received: "
            "finetune",
        ),
        (chain(Export()), "end with the only Export(). Received: export"),
        (
            chain(Finetune(), Export(), PruneVocabulary()),
            "Received: finetune, export, prune_vocabulary",
        ),
        (chain(Finetune(), Export(), Export()), "Received: finetune, export, export"),
        (chain(Finetune(), "export"), "must be stages of bert_tf.chain.stages"),
        (
            chain(Finetune(num_train_epochs=-1.0), Export()),
            "--config.stages[0].num_train_epochs must be at least 0. Received: -1.0",
        ),
        (
            chain(Finetune(), PruneVocabulary(min_count=0), Export()),
            "--config.stages[1].min_count must be at least 1. Received: 0",
        ),
        (
            chain(Finetune(), Export(tflite=("int9",))),
            "--config.stages[1].tflite must be different ones of ('none', ",
        ),
        (
            chain(Finetune(), Export(tflite=("none", "none"))),
            "--config.stages[1].tflite must be different ones of",
        ),
        (chain(Finetune(), Export(tflite=())), "at least one or a `saved_model`"),
        (
            chain(Finetune(), Export(max_examples=0)),
            "--config.stages[1].max_examples must be at least 1",
        ),
        (
            chain(Finetune(), Distil(), Export()),
            "`stages[1]`, Distil(), would learn from the very model that it starts",
        ),
        (
            chain(
                Finetune(),
                Distil(distillation=HALF),
                PruneVocabulary(),
                Distil(),
                Export(),
            ),
            "`stages[3]`, Distil(), would learn from the very model that it starts",
        ),
        (chain(Distil(), Export()), "`stages[0]`, Distil(), would learn from the very"),
        (
            chain(Finetune(), TrainQuantized(), PruneVocabulary(), INT8),
            "`stages[1]`, TrainQuantized(), must be the last one before Export(): the "
            "model of 'prune_vocabulary' has no trained ranges. Move it.",
        ),
        (
            chain(Finetune(), TrainQuantized(quantization=QuantizationConfig()), INT8),
            "--config.stages[1].quantization must be one with an `export`",
        ),
        (
            chain(quantization=QuantizationConfig(export="int8")),
            "`distillation` and `quantization` are of a stage, not of all of them",
        ),
        (
            chain(distillation=TaskDistillationConfig(teacher="x")),
            "`distillation` and `quantization` are of a stage, not of all of them",
        ),
        (
            chain(
                Finetune(),
                Distil(distillation=dataclasses.replace(HALF, temperature=0.0)),
                Export(),
            ),
            "--config.stages[1].distillation.temperature must be positive",
        ),
        (
            chain(Finetune(), TrainQuantized(), INT8, precision="bfloat16"),
            "`quantization` simulates int8 in float32",
        ),
        (
            chain(Finetune(), PruneStructure(), Export()),
            "--config.stages[1].keep_neurons must be less than 1",
        ),
        (
            chain(Finetune(), PruneStructure(keep_heads=1.5), Export()),
            "--config.stages[1].keep_heads must be in (0, 1]. Received: 1.5",
        ),
        (
            chain(Finetune(), PruneStructure(keep_layers=-1), Export()),
            "--config.stages[1].keep_layers must be at least 0. Received: -1",
        ),
        (
            chain(Finetune(), PruneStructure(0, 0.5, max_examples=-1), Export()),
            "--config.stages[1].max_examples must be at least 0. Received: -1",
        ),
        (
            chain(Finetune(), Export(num_threads=0)),
            "--config.stages[1].num_threads must be at least 1",
        ),
    ],
)
def test_a_chain_that_contradicts_itself(config, message):
    with pytest.raises(InputError) as error:
        validated(config, "--config.")
    assert message in str(error.value)


def test_a_training_stage_runs_as_the_chain_says_but_for_its_own_fields(tmp_path):
    stage = Finetune(num_train_epochs=7.0, learning_rate=1e-3)
    config = chain(Finetune(), stage, Export(), num_train_epochs=2.0, seed=5)
    first, second = plan.make_plan(config, tmp_path).stages
    assert first.make.run.init_from == "minilm"
    assert first.make.run.num_train_epochs == 2.0
    run = second.make.run
    assert type(run) is FinetuningConfig
    assert run.init_from == str(tmp_path / "1_finetune" / "model")
    assert (run.num_train_epochs, run.optimizer.learning_rate) == (7.0, 1e-3)
    assert (run.seed, run.data, run.optimizer.decay) == (5, config.data, "linear")
    assert config.optimizer.learning_rate == 5e-5


def names_of_models(config, tmp_path):
    """What each stage with a teacher starts from, and the teacher."""
    found = []
    for stage in plan.make_plan(config, tmp_path).stages:
        if stage.make.run and stage.make.run.distillation.is_on:
            start, teacher = (
                path.removeprefix(f"{tmp_path}/").removesuffix("/model")
                for path in (
                    stage.make.run.init_from,
                    stage.make.run.distillation.teacher,
                )
            )
            found.append((start, teacher))
    return found


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        ([Finetune(), Distil(distillation=HALF)], [("1_finetune", "1_finetune")]),
        ([Distil(distillation=HALF)], [("minilm", "minilm")]),
        (
            [Finetune(), Distil(distillation=HALF), PruneStructure(0, 0.5), Distil()],
            [("1_finetune", "1_finetune"), ("3_prune_structure", "1_finetune")],
        ),
        # A teacher needs the student's vocabulary.
        (
            [Finetune(), PruneVocabulary(), PruneStructure(2), Distil()],
            [("3_prune_structure", "2_prune_vocabulary")],
        ),
        ([PruneStructure(2), Distil()], [("1_prune_structure", "minilm")]),
        (
            [Finetune(), Distil(distillation=TaskDistillationConfig(teacher="large"))],
            [("1_finetune", "large")],
        ),
        (
            [Finetune(), PruneStructure(2), TrainQuantized(distillation=HALF)],
            [("2_prune_structure", "1_finetune")],
        ),
        ([Finetune(), TrainQuantized()], []),
    ],
)
def test_who_teaches_whom(stages, expected, tmp_path):
    config = chain(*stages, INT8).validate()
    assert names_of_models(config, tmp_path) == expected


def test_students_learn_from_unlabelled_texts(tmp_path):
    own = TaskDistillationConfig(student_layers=(0,), unlabelled="own.txt")
    stages = (Finetune(), Distil(distillation=HALF), Distil(distillation=own), Export())
    config = chain(*stages, unlabelled="more.txt").validate()
    runs = [stage.make.run for stage in plan.make_plan(config, tmp_path).stages]
    named = [run.distillation.unlabelled for run in runs]
    assert named == ["", "more.txt", "own.txt"]
    assert runs[1].distillation.student_layers == (0, 2, 5)


def test_a_student_of_another_shape_starts_from_nothing(tmp_path):
    random = TaskDistillationConfig(student_config="mini")
    config = chain(Finetune(), Distil(distillation=random), Export()).validate()
    run = plan.make_plan(config, tmp_path).stages[1].make.run
    assert (run.init_from, run.distillation.student_config) == ("", "mini")
    assert run.distillation.teacher == str(tmp_path / "1_finetune" / "model")


def test_a_model_trained_for_int8_is_exported_as_that_alone(tmp_path):
    export = Export(tflite=("none", "int4"), saved_model=True)
    config = chain(
        Finetune(),
        TrainQuantized(num_train_epochs=1.0),
        export,
        hidden_dropout_prob=0.2,
        classifier_dropout=0.3,
    )
    first, second = plan.make_plan(config.validate(), tmp_path).stages
    assert len(first.exports) == 3
    assert [file.quantization for _, file in second.exports] == ["int8"]
    assert second.make.run.quantization.export == "int8"
    assert not first.make.run.quantization.export
    run = second.make.run  # Without dropout, the head's too.
    assert (run.hidden_dropout_prob, run.classifier_dropout) == (0.0, -1.0)


def test_the_structure_is_pruned_by_the_training_examples(tmp_path):
    stage = PruneStructure(keep_heads=0.5, uniform=True, max_examples=100)
    config = chain(Finetune(), stage, PruneStructure(keep_layers=2), Export())
    _, second, third = plan.make_plan(config.validate(), tmp_path).stages
    assert second.make.command == (
        f"python -m bert_tf.prune_model --checkpoint={tmp_path}/1_finetune/model "
        f"--input_file=train.csv --output_dir={tmp_path}/2_prune_structure/model "
        "--keep_heads=0.5 --keep_neurons=1.0 --uniform=True --max_examples=100"
    )
    assert third.make.flags["keep_layers"] == 2


def test_the_written_configuration_is_the_run(tmp_path):
    """A stage can be run by hand, with the file that the chain wrote for it."""
    task = ClassificationSettings(labels=("it's", 'a "b"\n'))
    config = chain(task=task)
    config.data.reading.columns.text = "Text"
    run = config.training(config.stages[0], "minilm", "")
    (tmp_path / "config.py").write_text(python_config.as_python(run))
    assert load_config(str(tmp_path / "config.py"), FinetuningConfig) == run


def test_each_stage_is_made_exported_and_measured(tmp_path):
    export = Export(tflite=("none", "int8"), saved_model=True, num_threads=1)
    config = chain(Finetune(), PruneVocabulary(keep_file="k.txt", min_count=2), export)
    todo = plan.make_plan(config, tmp_path)
    assert [step.label for step in todo.steps] == [
        *("1_finetune/make", "1_finetune/none", "1_finetune/int8"),
        *("1_finetune/saved_model", "1_finetune/accuracy"),
        *("2_prune_vocabulary/make", "2_prune_vocabulary/none"),
        *("2_prune_vocabulary/int8", "2_prune_vocabulary/saved_model"),
        *("2_prune_vocabulary/accuracy", f"{tmp_path.name}/latency"),
    ]
    steps = list(todo.steps)
    second = tmp_path / "2_prune_vocabulary"
    assert steps[5].command == (
        f"python -m bert_tf.prune_vocabulary --checkpoint={tmp_path}/1_finetune/model "
        f"--input_file=train.csv --output_dir={second}/model --min_count=2 "
        "--keep_file=k.txt"
    )
    assert "--calibration_data=train.csv" in steps[7].arguments
    assert "calibration_data" not in steps[6].flags
    assert [file.path for file in todo.files][3:] == [
        *(second / "none.tflite", second / "int8.tflite", second / "saved_model/1")
    ]
    assert steps[-1].arguments.count(f"--tflite_file={second}/none.tflite") == 1


def test_unlabelled_texts_decide_the_vocabulary_too(tmp_path):
    config = chain(Finetune(), PruneVocabulary(), Export(), unlabelled="more.txt")
    pruning = plan.make_plan(config, tmp_path).stages[1].make
    assert pruning.flags["input_file"] == "train.csv,more.txt"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\na,b\n")
    (tmp_path / "held_out.csv").write_text("text,label\nc,b\n")
    data = LabelledDataConfig(
        train=str(tmp_path / "train.csv"), eval=str(tmp_path / "held_out.csv")
    )
    return lambda *stages, **fields: chain(*stages, data=data, **fields)


def test_a_workdir_is_of_one_chain_with_its_data(files, tmp_path):
    workdir = tmp_path / "chain"
    with preparation.open_workdir(files(), workdir):
        with pytest.raises(InputError, match="another run is at work here"):
            preparation.open_workdir(files(), workdir)
    preparation.open_workdir(files(), workdir).close()
    (tmp_path / "held_out.csv").write_text("text,label\nd,b\n")
    with pytest.raises(InputError, match="began with other files of `data.eval`"):
        preparation.open_workdir(files(), workdir)


def test_a_folder_with_something_else_in_it(files, tmp_path):
    (tmp_path / "chain").mkdir()
    (tmp_path / "chain" / "precious").touch()
    with pytest.raises(InputError, match="holds files but no chain.json"):
        preparation.open_workdir(files(), tmp_path / "chain")


def test_missing_data_is_told_before_anything_starts(files, tmp_path):
    with pytest.raises(InputError, match=r"train\.csv: no such file"):
        preparation.open_workdir(chain(), tmp_path / "chain")
    for stage, name in (
        (PruneVocabulary(keep_file="words.txt"), "words.txt"),
        (Distil(distillation=dataclasses.replace(HALF, unlabelled="m.txt")), "m.txt"),
    ):
        with pytest.raises((InputError, FileNotFoundError), match=name):
            preparation.open_workdir(
                files(Finetune(), stage, Export()), tmp_path / "chain"
            )
    assert not (tmp_path / "chain").exists()


def test_a_chain_without_training_starts_from_a_model_of_its_task(
    files, tmp_path, make_weights
):
    from bert_tf.checkpoints import conversion
    from bert_tf.checkpoints.conversion import names

    def shapes(config):
        head = names.task_head("classification", 2, config)
        return {**names.encoder(config), **names.pooler(config), **head}

    weights = make_weights(shapes=shapes)
    conversion.save(weights, tmp_path / "pretrained", "native")
    task = TaskDescription("classification", max_seq_length=8, labels=("a", "b"))
    conversion.save(
        dataclasses.replace(weights, task=task), tmp_path / "classifier", "native"
    )

    def open_from(name):
        start = str(tmp_path / name)
        config = files(PruneVocabulary(), Export(), init_from=start)
        return preparation.open_workdir(config, tmp_path / "chain")

    with pytest.raises(InputError) as error:
        open_from("pretrained")
    assert "must be a model of the task 'classification'" in str(error.value)
    assert "Received: one of 'pretraining'. Put Finetune() before it" in str(
        error.value
    )
    open_from("classifier").close()
    classifier = conversion.load_any(tmp_path / "classifier")
    conversion.save(classifier, tmp_path / "theirs", "hugging_face")
    open_from("theirs").close()


def test_limits_are_positive():
    preparation.check_limits(max_mb=1.0, max_latency_ms=None)
    with pytest.raises(InputError, match="--max_latency_ms must be positive. Receive"):
        preparation.check_limits(max_mb=None, max_latency_ms=0.0)
