"""Structured pruning: what stays computes what it did, and what goes matters least."""

import dataclasses
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_tf.checkpoints import conversion
from bert_tf.checkpoints.conversion import ModelWeights, names, resizing
from bert_tf.checkpoints.model_folder import load_model_folder
from bert_tf.checkpoints.quantization_ranges import ProductRanges, Range
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.compression import structure
from bert_tf.compression.importance import Importance
from bert_tf.compression.structure import Shares, Structure
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

WORDS = "the state union is strong war peace we must work for . ##s".split()
TEXTS = [f"{WORDS[i % 13]} {WORDS[i * i % 7]} {WORDS[i % 5]}" for i in range(24)]
CONFIG = BertConfig(
    vocab_size=len(SPECIAL_TOKENS) + len(WORDS),
    hidden_size=24,
    num_hidden_layers=3,
    num_attention_heads=4,
    intermediate_size=40,
    max_position_embeddings=16,
    initializer_range=0.5,
)
KEPT = Structure(
    layers=[0, 2],
    heads=[np.array([1, 3]), np.array([0])],
    neurons=[np.arange(0, 40, 3), np.array([5, 7, 39])],
)


def make_vocabulary():
    return Vocabulary.from_entries([*SPECIAL_TOKENS, *WORDS], TokenizerConfig())


@pytest.fixture(scope="module")
def classifier(make_weights):
    """A classifier of random weights, all of which matter."""
    weights = make_weights(config=CONFIG, vocabulary=make_vocabulary())
    generator = np.random.default_rng(2)
    head = {
        name: generator.standard_normal(shape, np.float32)
        for name, shape in names.task_head("classification", 2, CONFIG).items()
    }
    variables = {name: 0.3 * array for name, array in weights.variables.items()}
    return dataclasses.replace(
        weights,
        variables=variables | head,
        task=TaskDescription("classification", 16, labels=("bad", "good")),
    )


def with_zeros(weights, kept):
    """The model whose other heads and neurons give nothing: its layers are `kept`'s."""
    shorter = resizing.keep_layers(weights, kept.layers)
    variables = dict(shorter.variables)
    for layer, (heads, neurons) in enumerate(
        zip(kept.heads, kept.neurons, strict=True)
    ):
        root = f"bert/encoder/layer_{layer}"
        for name, stays in (
            (f"{root}/attention/output/dense/kernel", heads),
            (f"{root}/output/dense/kernel", neurons),
        ):
            size = weights.config.head_size if "attention" in name else 1
            kernel = variables[name].reshape(-1, size, weights.config.hidden_size)
            gone = np.delete(np.arange(len(kernel)), stays)
            kernel = kernel.copy()
            kernel[gone] = 0
            variables[name] = kernel.reshape(variables[name].shape)
    return dataclasses.replace(shorter, variables=variables)


def random_importance(generator, heads, neurons):
    return Importance(
        layers=generator.random(len(heads)),
        heads=[generator.random(count) for count in heads],
        neurons=[generator.random(count) for count in neurons],
    )


@settings(deadline=None, max_examples=60)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 6), st.integers(1, 9)), min_size=1),
    data=st.data(),
    seed=st.integers(0, 99),
)
def test_the_most_important_parts_stay(sizes, data, seed):
    heads, neurons = zip(*sizes, strict=True)
    found = random_importance(np.random.default_rng(seed), heads, neurons)
    shares = Shares(
        data.draw(st.integers(1, len(sizes))),
        data.draw(st.floats(0.3, 1.0)),
        data.draw(st.floats(0.3, 1.0)),
        data.draw(st.booleans()),
    )
    try:
        kept = structure.choose(found, shares)
    except InputError as error:
        assert "leaves" in str(error)
        return

    out = set(range(len(sizes))) - set(kept.layers)
    assert len(kept.layers) == shares.layers
    assert kept.layers == sorted(kept.layers)
    if out:
        assert found.layers[kept.layers].min() >= found.layers[[*out]].max()
    for parts, values, share in (
        (kept.heads, found.heads, shares.heads),
        (kept.neurons, found.neurons, shares.neurons),
    ):
        values = [values[layer] for layer in kept.layers]
        total = round(share * sum(map(len, values)))
        for chosen, of_layer in zip(parts, values, strict=True):
            assert len(chosen) >= 1
            assert [*chosen] == sorted({*chosen})
            gone = np.delete(of_layer, chosen)
            if gone.size:
                assert of_layer[chosen].min() >= gone.max()
        counts = [len(chosen) for chosen in parts]
        if share == 1:
            assert counts == [len(of_layer) for of_layer in values]
        elif shares.uniform:
            fewest = min(map(len, values))
            assert {*counts} == {min(total // len(values), fewest)}
        else:
            assert sum(counts) == total


def test_layers_are_compared_by_the_length_of_their_importances():
    found = Importance(
        layers=np.ones(2),
        heads=[np.array([3.0, 4.0, 0.1]), np.array([0.6, 0.2, 0.8])],
        neurons=[np.ones(1), np.ones(1)],
    )
    kept = structure.choose(found, Shares(heads=4 / 6))
    assert [[*heads] for heads in kept.heads] == [[0, 1], [0, 2]]
    # A layer of nothing keeps what it must.
    found = dataclasses.replace(found, heads=[np.zeros(3), found.heads[1]])
    kept = structure.choose(found, Shares(heads=0.5))
    assert [[*heads] for heads in kept.heads] == [[0], [0, 2]]


def outputs(weights, ids):
    from bert_tf.models import SequenceClassifier, assign_variables

    model = SequenceClassifier(weights.config, num_labels=2)
    assign_variables(model, weights.variables)
    inputs = {
        "input_ids": ids,
        "input_mask": np.minimum(ids, 1),
        "segment_ids": np.zeros_like(ids),
    }
    found = model(inputs, output_hidden_states=True)
    return [np.asarray(found["logits"]), *map(np.asarray, found["hidden_states"])]


@pytest.fixture(scope="module")
def ids():
    generator = np.random.default_rng(3)
    found = generator.integers(5, CONFIG.vocab_size, [6, 9]).astype(np.int32)
    found[2, 6:] = 0
    return found


def test_a_pruned_model_computes_as_with_zeros_in_the_same_places(classifier, ids):
    pruned = structure.prune(classifier, KEPT)

    assert pruned.config.num_attention_heads_by_layer == (2, 1)
    assert pruned.config.intermediate_size_by_layer == (14, 3)
    assert pruned.config.head_size == CONFIG.head_size
    shape = pruned.variables["bert/encoder/layer_0/attention/self/query/kernel"].shape
    assert shape == (24, 12)
    expected = outputs(with_zeros(classifier, KEPT), ids)
    assert np.abs(expected[0] - outputs(classifier, ids)[0]).max() > 0.1
    for ours, theirs in zip(outputs(pruned, ids), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5, rtol=1e-5)
    # And again, what is pruned already.
    once_more = Structure([1], [np.array([0])], [np.array([0, 2])])
    expected = outputs(with_zeros(pruned, once_more), ids)
    for ours, theirs in zip(
        outputs(structure.prune(pruned, once_more), ids), expected, strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-5, rtol=1e-5)


def test_layers_alike_are_an_ordinary_shape(classifier):
    whole = [np.arange(4)] * 3
    kept = Structure([0, 1, 2], whole, [np.arange(7)] * 3)
    config = structure.prune(classifier, kept).config
    assert config.is_uniform
    assert config == dataclasses.replace(CONFIG, intermediate_size=7)
    assert "num_attention_heads_by_layer" not in config.to_dict()


def test_ranges_of_int8_training_do_not_outlive_it(classifier):
    limits = ProductRanges(Range(-1.0, 1.0), Range(-1.0, 1.0))
    trained = dataclasses.replace(
        classifier, ranges={"bert/pooler/dense/kernel": limits}
    )
    pruned = structure.prune(trained, KEPT)
    assert pruned.ranges == {}
    assert pruned.notes == [*classifier.notes, resizing.NO_RANGES]


def test_no_layer_loses_everything(classifier):
    none = np.array([], int)
    for heads, neurons, what in (
        ([np.arange(4), none], [np.arange(3)] * 2, "Layer 2 would lose all its heads"),
        ([np.arange(4)] * 2, [none, np.arange(3)], "Layer 0 would lose all its neuron"),
    ):
        with pytest.raises(InputError, match=what):
            structure.prune(classifier, Structure([0, 2], heads, neurons))


@pytest.mark.slow
def test_importance_is_that_of_an_independent_implementation(classifier, tmp_path):
    """Hugging Face's model, with masks of an example each in PyTorch's hooks."""
    import torch
    import transformers

    from bert_tf.compression import importance
    from bert_tf.labelled.examples import Place
    from bert_tf.models import assign_variables
    from bert_tf.tasks.catalog import create_task

    task = create_task(classifier.task)
    examples = [
        task.kind.from_line(text, Place("x", n, "line"), "")
        for n, text in enumerate(TEXTS)
    ]
    labels = [n % 2 for n in range(len(TEXTS))]
    examples = [
        dataclasses.replace(e, label=("bad", "good")[n])
        for e, n in zip(examples, labels, strict=True)
    ]
    source = task.held_out_source(examples, classifier.vocabulary)
    model = task.create_model(CONFIG)
    assign_variables(model, classifier.variables)
    source = dataclasses.replace(source, seed=0)
    found = importance.measure(task, model, source, batch_size=7)

    conversion.save(classifier, tmp_path / "theirs", "hugging_face")
    theirs = transformers.BertForSequenceClassification.from_pretrained(
        tmp_path / "theirs"
    ).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "theirs")
    inputs = tokenizer(TEXTS, padding=True, return_tensors="pt")
    count, size = len(TEXTS), CONFIG.head_size
    masks = [
        {
            "layer": torch.ones(count, 1, 1, requires_grad=True),
            "heads": torch.ones(count, 4, requires_grad=True),
            "neurons": torch.ones(count, 1, 40, requires_grad=True),
        }
        for _ in range(3)
    ]
    for layer, mask in zip(theirs.bert.encoder.layer, masks, strict=True):
        layer.attention.output.dense.register_forward_pre_hook(
            lambda _, x, m=mask: (
                x[0] * m["heads"].repeat_interleave(size, 1)[:, None],
            )
        )
        layer.output.dense.register_forward_pre_hook(
            lambda _, x, m=mask: (x[0] * m["neurons"],)
        )

        def lets_through(_, before, after, m=mask):
            whole = after[0] if isinstance(after, tuple) else after
            mixed = m["layer"] * whole + (1 - m["layer"]) * before[0]
            return (mixed, *after[1:]) if isinstance(after, tuple) else mixed

        layer.register_forward_hook(lets_through)
    logits = theirs(**inputs).logits
    losses = torch.nn.functional.cross_entropy(
        logits, torch.tensor(labels), reduction="none"
    )
    losses.sum().backward()
    for layer, mask in enumerate(masks):
        for received, part in (
            (found.layers[layer], "layer"),
            (found.heads[layer], "heads"),
            (found.neurons[layer], "neurons"),
        ):
            expected = mask[part].grad.abs().sum(0).squeeze().numpy()
            np.testing.assert_allclose(received, expected, rtol=2e-4, atol=2e-4)
    loss = importance.mean_loss(task, model, source, batch_size=7)
    assert loss == pytest.approx(losses.mean().item(), abs=1e-5)
    # What measured leaves no trace.
    assert importance.stack_of(model).observer is None


LINES = {
    "causal_lm": [{"text": f"{a} {b} {a}"} for a in TEXTS for b in TEXTS[:2]],
    "multiple_choice": [
        {"text": a, "choices": [WORDS[n % 7], "war", "peace"][: 2 + n % 2], "label": 1}
        for n, a in enumerate(TEXTS)
    ],
    "extractive_summarization": [
        {"sentences": [a, TEXTS[n // 2]], "labels": [n % 2, 1]}
        for n, a in enumerate(TEXTS)
    ],
    "pretraining": [],
}
SETTINGS = {
    "causal_lm": {"norm_first": True},
    "extractive_summarization": {"num_inter_sentence_layers": 1},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(LINES))
def test_other_tasks_and_models(name, tmp_path, dataset_writer):
    """Groups of sequences, blocks of a head, a decoder in pre-LN, records."""
    from bert_tf.compression import importance
    from bert_tf.models import assign_variables, named_variables
    from bert_tf.tasks.catalog import create_task

    path = tmp_path / f"{name}.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES[name]))
    vocabulary, config = make_vocabulary(), CONFIG
    if name == "pretraining":
        path = dataset_writer(tmp_path / "records", num_records=10)
        vocabulary = Vocabulary.load(path)
        config = dataclasses.replace(CONFIG, vocab_size=len(vocabulary.entries))
    task = create_task(TaskDescription(name, 16, settings=SETTINGS.get(name, {})))
    source = task.open_held_out(str(path), vocabulary)
    if LINES[name]:
        source = dataclasses.replace(source, seed=0)
    model = task.create_model(config)
    found = importance.measure(task, model, source, batch_size=8)
    for parts in ([found.layers], found.heads, found.neurons):
        for part in parts:
            assert np.isfinite(part).all()
            assert part.min() > 0

    weights = ModelWeights(
        format="native",
        config=config,
        variables={n: np.asarray(v) for n, v in named_variables(model).items()},
        vocabulary=vocabulary,
        task=task.description,
    )
    shares = Shares(layers=2, heads=0.5, neurons=0.5, uniform=True)
    pruned = structure.prune(weights, structure.choose(found, shares))
    conversion.save(pruned, tmp_path / "pruned", "native")
    pruned = conversion.load_any(tmp_path / "pruned")
    smaller = task.create_model(pruned.config)
    assert set(named_variables(smaller)) == set(pruned.variables)
    assign_variables(smaller, pruned.variables)
    loss = importance.mean_loss(task, smaller, source, batch_size=8)
    assert np.isfinite(loss)
    if name == "extractive_summarization":  # Its head's block keeps its width.
        assert pruned.config.intermediate_size == CONFIG.intermediate_size
        assert pruned.config.intermediate_size_by_layer == (20, 20)


def run(warm, job="prune_model", **flags):
    return warm.run(
        ["-m", f"bert_tf.{job}"]
        + [f"--{name}={value}" for name, value in flags.items()]
    )


@pytest.fixture(scope="module")
def job(warm, classifier, tmp_path_factory):
    """The job on a classifier: the folder, what was said."""
    root = tmp_path_factory.mktemp("job")
    conversion.save(classifier, root / "model", "native")
    rows = [f"{text},{('bad', 'good')[n % 2]}" for n, text in enumerate(TEXTS)]
    (root / "train.csv").write_text("\n".join(["text,label", *rows, ""]))
    done = run(
        warm,
        checkpoint=root / "model",
        input_file=root / "train.csv",
        output_dir=root / "pruned",
        keep_layers=2,
        keep_heads=0.6,
        keep_neurons=0.5,
    )
    assert done.returncode == 0, done.stderr
    return root, done.stdout


def test_the_job_says_what_it_did(job):
    root, said = job
    folder = load_model_folder(root / "pruned")
    heads = folder.config.num_attention_heads_by_layer
    assert (len(heads), sum(heads)) == (2, 5)
    assert sum(folder.config.intermediate_size_by_layer) == 40
    begin = "Of 3 layers, 12 heads and 120 neurons kept 2, 5 and 40"
    assert f"{begin}:\n  layer " in said
    assert re.search(r"Weights: 0\.\d of 0\.1 MB", said)
    assert "Loss on the examples: " in said
    assert f"--config.init_from={root / 'pruned'}" in said.splitlines()[-1]
    (step,) = folder.metadata["history"]
    assert step == f"{begin}, the most important on {root / 'train.csv'}."


def test_it_trains_resumes_and_exports(job, tmp_path, monkeypatch):
    import bert_tf
    from bert_tf.checkpoints.workdir import list_checkpoints, resolve_checkpoint
    from bert_tf.config import OptimizerConfig
    from bert_tf.training.finetuning import train_and_evaluate
    from bert_tf.training.finetuning_config import (
        FinetuningConfig,
        LabelledDataConfig,
    )
    from bert_tf.training.finetuning_preparation import prepare
    from export.check import verification
    from export.checkpoint import pretrained
    from export.saved_model import saving
    from export.tflite import converter, quantizer

    root, _ = job
    train = root / "train.csv"
    config = FinetuningConfig(
        data=LabelledDataConfig(
            train=str(train),
            eval=str(train),
            cache_dir="none",
            max_seq_length=16,
            global_batch_size=8,
        ),
        optimizer=OptimizerConfig(learning_rate=1e-3, warmup_steps=0),
        init_from=str(root / "pruned"),
        num_train_epochs=2.0,
        checkpoint_interval=2,
        keep_checkpoints=10,
    ).validate()
    before = bert_tf.load(root / "pruned").predict(TEXTS[:4])
    for name in ("whole", "cut"):
        with prepare(config, tmp_path / name):
            train_and_evaluate(config, tmp_path / name)
    whole = [path.name for path in list_checkpoints(tmp_path / "whole")]
    # As if killed after step 2: the same bytes come out.
    for path in list_checkpoints(tmp_path / "cut")[1:]:
        (path / "checkpoint.json").unlink()
    with prepare(config, tmp_path / "cut"):
        train_and_evaluate(config, tmp_path / "cut")
    variables = [
        (tmp_path / name / "checkpoints" / whole[-1] / "model.safetensors").read_bytes()
        for name in ("whole", "cut")
    ]
    assert variables[0] == variables[1]
    trained = resolve_checkpoint(tmp_path / "whole")
    assert trained.config == load_model_folder(root / "pruned").config
    after = bert_tf.load(tmp_path / "whole").predict(TEXTS[:4])
    assert after != before

    monkeypatch.setattr(quantizer, "MIN_ELEMENTS", 1)  # All weights are small.
    model = pretrained.load(trained)
    saving.save(tmp_path / "served", model)
    content = converter.convert_float(model)
    (tmp_path / "model.tflite").write_bytes(content)
    (tmp_path / "int8.tflite").write_bytes(quantizer.quantize(content, "dynamic_int8"))
    report = verification.verify(
        model,
        str(train),
        saved_model_dir=tmp_path / "served",
        tflite_files=[tmp_path / "model.tflite", tmp_path / "int8.tflite"],
        texts=[],
        settings=verification.Settings(latency_calls=1, max_drop=1.0),
    )
    assert report["failures"] == []
    for artifact in report["artifacts"]:
        if not artifact["quantized"]:
            assert artifact["max_abs_diff"] < 1e-4
    # The SavedModel's variables are those of a pruned model, and come back.
    back = conversion.load_any(tmp_path / "served")
    assert back.config == trained.config


def test_it_meets_vocabulary_pruning_before_and_after(job, warm, tmp_path):
    import bert_tf

    root, _ = job
    flags = {"input_file": root / "train.csv"}
    shares = {"keep_layers": 2, "keep_heads": 0.6, "keep_neurons": 0.5}
    for job_name, source, target, more in (
        ("prune_vocabulary", root / "pruned", "after", {}),
        ("prune_vocabulary", root / "model", "words", {}),
        ("prune_model", tmp_path / "words", "before", shares),
    ):
        done = run(
            warm,
            job_name,
            checkpoint=source,
            output_dir=tmp_path / target,
            **flags,
            **more,
        )
        assert done.returncode == 0, done.stderr
    expected = bert_tf.load(root / "pruned").predict(TEXTS)
    assert bert_tf.load(tmp_path / "after").predict(TEXTS) == expected
    assert bert_tf.load(tmp_path / "before").predict(TEXTS) == expected
    folders = [load_model_folder(tmp_path / name) for name in ("before", "after")]
    assert folders[0].config == folders[1].config
    assert [len(folder.metadata["history"]) for folder in folders] == [2, 2]


def test_formats_hold_what_they_can(classifier, tmp_path, assert_same):
    irregular = structure.prune(classifier, KEPT)
    no_heads = structure.prune(
        classifier, dataclasses.replace(KEPT, heads=[np.arange(4)] * 2)
    )
    for format in ("hugging_face", "tf1", "model_garden", "keras_hub"):
        for weights, what in (
            (irregular, r"lost heads: its layers have \[2, 1\] of 6 each"),
            (no_heads, r"one intermediate_size for all layers.*\[14, 3\]"),
        ):
            with pytest.raises(InputError, match=what):
                conversion.save(weights, tmp_path / "no", format)
    conversion.save(irregular, tmp_path / "native", "native")
    assert_same(conversion.load_any(tmp_path / "native"), irregular)
    assert not (tmp_path / "no").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__")  # Keras saves so.
@pytest.mark.parametrize("format", ["hugging_face", "tf1", "model_garden", "keras_hub"])
def test_other_formats_hold_models_of_uniform_layers(
    classifier, tmp_path, format, assert_same
):
    kept = Structure([0, 2], [np.arange(4)] * 2, [np.arange(8), np.arange(8, 16)])
    pruned = structure.prune(classifier, kept)
    conversion.save(pruned, tmp_path / "other", format)
    back = conversion.load_any(tmp_path / "other")
    assert back.config == pruned.config
    for name, array in pruned.variables.items():
        np.testing.assert_array_equal(back.variables[name], array, name)


def test_layers_of_a_pruned_model_can_be_left_out(classifier):
    pruned = structure.prune(classifier, KEPT)
    shorter = resizing.with_layers(pruned, 1)
    assert shorter.config.num_attention_heads_by_layer == (2,)
    assert shorter.config.intermediate_size_by_layer == (14,)


def test_bad_input_gets_one_line(job, warm, classifier, make_weights, tmp_path):
    root, _ = job
    pretrained = make_weights(
        config=CONFIG,
        vocabulary=make_vocabulary(),
        shapes=names.encoder,
        task=TaskDescription("classification", 16, labels=("bad", "good")),
    )
    conversion.save(pretrained, tmp_path / "headless", "native")
    conversion.save(
        dataclasses.replace(pretrained, task=TaskDescription()),
        tmp_path / "untrained",
        "native",
    )
    bare = tmp_path / "bare"
    conversion.save(classifier, bare, "hugging_face")
    for name in ("vocab.txt", "tokenizer.json"):
        (bare / name).unlink(missing_ok=True)
    flags = {
        "checkpoint": root / "model",
        "input_file": root / "train.csv",
        "output_dir": tmp_path / "out",
    }
    cases = {
        "Nothing is to be pruned. Set --keep_layers": {},
        "layers to keep must be from 1 to the model's 3. Received: 4": {
            "keep_layers": 4
        },
        "The share of heads to keep must be above 0 and at most 1": {"keep_heads": 0},
        "The share of neurons to keep must be above 0 and at mo": {"keep_neurons": 1.5},
        "A share of 0.1 of 12 heads leaves 1 for 3 layers": {"keep_heads": 0.1},
        "bare: has no vocabulary": {"checkpoint": bare, "keep_heads": 0.5},
        "pruned already exists": {"output_dir": root / "pruned", "keep_heads": 0.5},
        "nothing tells what matters to 'classification'": {
            "checkpoint": tmp_path / "headless",
            "keep_heads": 0.5,
        },
        "untrained: has learned no task yet but pretraining": {
            "checkpoint": tmp_path / "untrained",
            "keep_heads": 0.5,
        },
        "no such file, or no file matches": {"input_file": "x.csv", "keep_heads": 0.5},
    }
    for message, changed in cases.items():
        done = run(warm, **flags | changed)
        assert done.returncode == 1, message
        (line,) = [x for x in done.stderr.splitlines() if "error: " in x]
        assert line.startswith("bert_tf.prune_model: error: ")
        assert message in line
    assert not (tmp_path / "out").exists()
    two = dataclasses.replace(classifier, task=TaskDescription("sequence_to_sequence"))
    with pytest.raises(InputError, match="Prune the checkpoints that the two start"):
        structure.check_prunable(two, "model")
    config = json.loads((root / "pruned" / "bert_config.json").read_text())
    with pytest.raises(
        InputError, match="intermediate_size_by_layer` must be empty, o"
    ):
        BertConfig(**config | {"intermediate_size_by_layer": [0, 3]}).validate()
