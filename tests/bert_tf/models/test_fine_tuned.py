"""Models with heads against Hugging Face's, and packed rows against padded ones."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers

from bert_tf.checkpoints import conversion
from bert_tf.checkpoints.conversion import names
from bert_tf.config import BertConfig
from bert_tf.models import (
    MultipleChoice,
    SentenceEncoder,
    SentenceScorer,
    SequenceClassifier,
    SpanPredictor,
    TokenClassifier,
    assign_variables,
    named_variables,
)

BATCH, LENGTH, HIDDEN, VOCAB = 4, 10, 24, 41
SHAPE = {
    "vocab_size": VOCAB,
    "hidden_size": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 24,
}
CONFIG = BertConfig(**SHAPE, hidden_act="gelu_erf")
LENGTHS = np.array([10, 7, 5, 8])


def make_inputs(seed=0, lengths=LENGTHS):
    rng = np.random.default_rng(seed)
    mask = (np.arange(LENGTH) < lengths[:, None]).astype(np.int32)
    shape = (len(lengths), LENGTH)
    return {
        "input_ids": (rng.integers(0, VOCAB, shape) * mask).astype(np.int32),
        "input_mask": mask,
        "segment_ids": (rng.integers(0, 2, shape) * mask).astype(np.int32),
    }


def pack(inputs):
    """Puts two examples in each row, the second right behind the first."""
    rows, lengths = BATCH // 2, inputs["input_mask"].sum(1)
    width = int((lengths[::2] + lengths[1::2]).max()) + 2
    packed = {
        name: np.zeros((rows, width), np.int32)
        for name in (*inputs, "position_ids", "example_ids")
    }
    packed["cls_positions"] = np.zeros((rows, 3), np.int32)  # One is unused.
    for example, length in enumerate(lengths):
        row, number = divmod(example, 2)
        start = 0 if number == 0 else lengths[example - 1]
        place = slice(start, start + length)
        for name, values in inputs.items():
            packed[name][row, place] = values[example, :length]
        packed["position_ids"][row, place] = np.arange(length)
        packed["example_ids"][row, place] = number + 1
        packed["cls_positions"][row, number] = start
    return packed


def unpack(values, lengths):
    """Cuts `[rows, places, ...]` into examples of their lengths."""
    for example, length in enumerate(lengths):
        row, number = divmod(example, 2)
        start = 0 if number == 0 else lengths[example - 1]
        yield example, values[row, start : start + length]


def their_inputs(inputs):
    tensors = {name: torch.from_numpy(np.int64(v)) for name, v in inputs.items()}
    return {
        "input_ids": tensors["input_ids"],
        "attention_mask": tensors["input_mask"],
        "token_type_ids": tensors["segment_ids"],
    }


def load(architecture, folder, **settings):
    """Returns their model with weights larger than initial ones, and those as ours."""
    torch.manual_seed(0)
    config = transformers.BertConfig(
        **SHAPE, attn_implementation="eager", architectures=[architecture], **settings
    )
    theirs = getattr(transformers, architecture)(config).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    theirs.save_pretrained(folder)
    return theirs, conversion.load_any(folder)


def close(actual, expected, tolerance=1e-5):
    error = np.linalg.norm(np.asarray(actual) - np.asarray(expected))
    assert error < tolerance * np.linalg.norm(expected)


CASES = {
    "classification": (
        "BertForSequenceClassification",
        lambda: SequenceClassifier(CONFIG, num_labels=3),
        {"num_labels": 3},
    ),
    "regression": (
        "BertForSequenceClassification",
        lambda: SequenceClassifier(CONFIG),
        {"num_labels": 1},
    ),
    "token_classification": (
        "BertForTokenClassification",
        lambda: TokenClassifier(CONFIG, num_labels=5),
        {"num_labels": 5},
    ),
    "question_answering": (
        "BertForQuestionAnswering",
        lambda: SpanPredictor(CONFIG),
        {},
    ),
    "multiple_choice": ("BertForMultipleChoice", lambda: MultipleChoice(CONFIG), {}),
}


@pytest.mark.parametrize("case", list(CASES))
def test_logits_are_hugging_faces(tmp_path, case):
    architecture, make_model, settings = CASES[case]
    theirs, weights = load(architecture, tmp_path, **settings)
    model = make_model()
    assert weights.task.name == case
    variables = named_variables(model)
    assert set(variables) == set(weights.variables)
    head = names.task_head(case, model.num_labels, CONFIG)
    assert {n: tuple(variables[n].shape) for n in head} == head
    assign_variables(model, weights.variables)

    plain = make_inputs()
    inputs = plain
    if case == "multiple_choice":
        inputs = {n: v.reshape(2, 2, LENGTH) for n, v in plain.items()}
    with torch.no_grad():
        expected = theirs(**their_inputs(inputs))
    keys = (
        ("start_logits", "end_logits") if case == "question_answering" else ("logits",)
    )
    expected = {name: expected[name].numpy() for name in keys}
    outputs, fused = model(inputs), model(inputs, fused=True)
    assert set(outputs) == set(keys)
    packed = model(pack(plain))
    more = model(inputs, output_hidden_states=True, output_attentions=True)
    assert len(more["hidden_states"]) == 3 and len(more["attentions"]) == 2
    assert more["hidden_states"][-1].shape == (BATCH, LENGTH, HIDDEN)
    for name, logits in expected.items():
        of_tokens = logits.shape[:2] == (BATCH, LENGTH)
        real = plain["input_mask"] == 1 if of_tokens else ...
        assert outputs[name].dtype == tf.float32
        assert outputs[name].shape == logits.shape
        for values in (outputs, fused, more):
            close(values[name].numpy()[real], logits[real])
        if of_tokens:
            for example, values in unpack(packed[name].numpy(), LENGTHS):
                close(values, logits[example, : LENGTHS[example]])
        else:
            values = packed[name].numpy()[:, :2]
            close(values.reshape(logits.shape), logits)


def test_hidden_states_and_attentions_are_hugging_faces(tmp_path):
    theirs, weights = load("BertForSequenceClassification", tmp_path, num_labels=2)
    model = SequenceClassifier(CONFIG, num_labels=2)
    assign_variables(model, weights.variables)
    inputs = make_inputs()
    real = inputs["input_mask"] == 1
    wanted = {"output_hidden_states": True, "output_attentions": True}
    with torch.no_grad():
        expected = theirs(**their_inputs(inputs), **wanted)
    for fused in (False, True):
        outputs = model(inputs, fused=fused, **wanted)
        for ours, hidden in zip(
            outputs["hidden_states"], expected.hidden_states, strict=True
        ):
            close(ours.numpy()[real], hidden.numpy()[real])
        for ours, attention in zip(
            outputs["attentions"], expected.attentions, strict=True
        ):
            actual = np.moveaxis(ours.probabilities.numpy(), 1, 2)[real]
            close(actual, np.moveaxis(attention.numpy(), 1, 2)[real])


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("pooling", ["cls", "pooler", "mean", "max"])
def test_sentence_embeddings(tmp_path, pooling, normalize):
    theirs, weights = load("BertModel", tmp_path)
    model = SentenceEncoder(CONFIG, pooling=pooling, normalize=normalize)
    assign_variables(model, weights.variables)
    inputs = make_inputs()
    with torch.no_grad():
        encoded = theirs(**their_inputs(inputs))
    hidden = encoded.last_hidden_state.numpy()
    expected = {
        "cls": hidden[:, 0],
        "pooler": encoded.pooler_output.numpy(),
        "mean": np.stack([h[:n].mean(0) for h, n in zip(hidden, LENGTHS, strict=True)]),
        "max": np.stack([h[:n].max(0) for h, n in zip(hidden, LENGTHS, strict=True)]),
    }[pooling]
    if normalize:
        expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    for fused in (False, True):
        close(model(inputs, fused=fused)["sentence_embedding"], expected)
    packed = model(pack(inputs))["sentence_embedding"].numpy()
    close(packed[:, :2].reshape(BATCH, HIDDEN), expected)
    assert np.isfinite(packed).all()


@pytest.mark.parametrize("num_layers", [0, 2])
def test_sentence_scores(tmp_path, num_layers):
    """Against BertModel with PyTorch's own pre-LN transformer on top."""
    theirs, weights = load("BertModel", tmp_path)
    model = SentenceScorer(CONFIG, num_inter_sentence_layers=num_layers)
    assign_variables(model, weights.variables, strict=False)
    variables = named_variables(model)
    rng = np.random.default_rng(3)
    for name, variable in variables.items():
        if not name.startswith("bert/"):
            variable.assign(rng.normal("gamma" in name, 0.3, variable.shape))
    inputs = make_inputs()
    starts = np.array([[0, 3, 6, 8], [0, 4, 0, 0], [0, 0, 0, 0], [0, 2, 5, 0]])
    counts = np.array([4, 2, 1, 3])
    stack = reference_stack(variables, num_layers)
    score = [variables[n].numpy() for n in ("output_weights", "output_bias")]
    expected = []
    with torch.no_grad():
        hidden = theirs(**their_inputs(inputs)).last_hidden_state
        for row, count in enumerate(counts):
            x = hidden[row, starts[row, :count]]
            if num_layers:
                x = stack((x + sinusoids(count, HIDDEN))[None])[0]
            expected.append(x.numpy() @ score[0][0] + score[1])

    outputs = model({**inputs, "cls_positions": starts.astype(np.int32)}, fused=True)
    assert set(outputs) == {"logits"}
    for row, values in enumerate(expected):
        close(outputs["logits"][row, : len(values)], values)

    packed = pack(inputs)
    packed["cls_positions"] = np.zeros((2, 7), np.int32)
    for row in range(2):
        first, second = starts[2 * row][: counts[2 * row]], starts[2 * row + 1]
        places = [*first, *(second[: counts[2 * row + 1]] + LENGTHS[2 * row])]
        packed["cls_positions"][row, : len(places)] = places
    scores = model(packed)["logits"].numpy()
    for row in range(2):
        both = np.concatenate(expected[2 * row : 2 * row + 2])
        close(scores[row, : len(both)], both)


def sinusoids(count, width):
    return torch.tensor(
        [
            [
                (np.sin, np.cos)[i % 2](position / 10_000 ** (i // 2 * 2 / width))
                for i in range(width)
            ]
            for position in range(count)
        ],
        dtype=torch.float32,
    )


def reference_stack(variables, num_layers):
    if not num_layers:
        return None
    layer = torch.nn.TransformerEncoderLayer(
        HIDDEN,
        CONFIG.num_attention_heads,
        CONFIG.intermediate_size,
        activation="gelu",
        layer_norm_eps=CONFIG.layer_norm_eps,
        batch_first=True,
        norm_first=True,
    )
    norm = torch.nn.LayerNorm(HIDDEN, eps=CONFIG.layer_norm_eps)
    stack = torch.nn.TransformerEncoder(
        layer, num_layers, norm=norm, enable_nested_tensor=False
    ).eval()

    def get(name):
        value = variables[f"inter_sentence/{name}"].numpy()
        return value.T if name.endswith("kernel") else value

    def copy(target, *parts):
        target.copy_(torch.from_numpy(np.concatenate([get(part) for part in parts])))

    with torch.no_grad():
        for index, block in enumerate(stack.layers):
            root = f"layer_{index}"
            heads = [f"{root}/attention/self/{n}" for n in ("query", "key", "value")]
            copy(block.self_attn.in_proj_weight, *(f"{n}/kernel" for n in heads))
            copy(block.self_attn.in_proj_bias, *(f"{n}/bias" for n in heads))
            for module, name in (
                (block.self_attn.out_proj, "attention/output/dense"),
                (block.linear1, "intermediate/dense"),
                (block.linear2, "output/dense"),
            ):
                copy(module.weight, f"{root}/{name}/kernel")
                copy(module.bias, f"{root}/{name}/bias")
            for module, name in (
                (block.norm1, f"{root}/attention/output/LayerNorm"),
                (block.norm2, f"{root}/output/LayerNorm"),
                (stack.norm, "LayerNorm"),
            ):
                copy(module.weight, f"{name}/gamma")
                copy(module.bias, f"{name}/beta")
    return stack


def test_dropout_before_the_scores():
    inputs = make_inputs()
    quiet = BertConfig(
        **SHAPE, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )

    def differs(model):
        first, second = (model(inputs, training=True) for _ in "ab")
        return any(np.abs(first[n] - second[n]).max() > 1e-4 for n in first)

    assert not differs(SequenceClassifier(quiet, num_labels=3))
    assert differs(SequenceClassifier(quiet, num_labels=3, classifier_dropout=0.5))
    assert differs(TokenClassifier(quiet, num_labels=3, classifier_dropout=0.5))
    assert differs(SpanPredictor(quiet, classifier_dropout=0.5))
    assert not differs(SpanPredictor(quiet))


# Keras' own writing of variables, under NumPy 2.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize(
    "make_model",
    [
        lambda: SequenceClassifier(CONFIG, 3, classifier_dropout=0.2, seed=4),
        lambda: SpanPredictor(CONFIG, seed=4, rematerialize=True),
        lambda: SentenceEncoder(CONFIG, pooling="max", normalize=True),
        lambda: SentenceScorer(CONFIG, num_inter_sentence_layers=1),
    ],
)
def test_saved_models_are_the_same(tmp_path, make_model):
    model = make_model()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_config() == model.get_config()
    assert list(named_variables(loaded)) == list(named_variables(model))
    inputs = make_inputs()
    if isinstance(model, SentenceScorer):
        inputs["cls_positions"] = np.array([[0, 3]] * BATCH, np.int32)
    for name, value in model(inputs).items():
        np.testing.assert_array_equal(loaded(inputs)[name], value)


@pytest.mark.slow
def test_fits_in_plain_keras():
    """Tells texts whose second token is small from others."""
    inputs = make_inputs(1, np.resize(LENGTHS, 64))
    labels = (inputs["input_ids"][:, 1] < 20).astype(np.int32)
    model = SequenceClassifier(CONFIG, num_labels=2, seed=1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        keras.optimizers.Adam(1e-3), loss={"logits": loss}, metrics=["accuracy"]
    )
    history = model.fit(inputs, labels, epochs=8, batch_size=16, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    logits = model.predict(inputs, verbose=0)["logits"]
    assert logits.shape == (64, 2)
    evaluated = model.evaluate(inputs, labels, verbose=0, return_dict=True)
    right = (logits.argmax(1) == labels).mean()
    assert evaluated["accuracy"] == pytest.approx(right)


def test_refuses_an_unknown_pooling():
    with pytest.raises(ValueError, match="`pooling` must be one of .*'sum'"):
        SentenceEncoder(CONFIG, pooling="sum")
