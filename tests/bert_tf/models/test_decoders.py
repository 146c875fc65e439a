"""Causal and encoder-decoder models: against Hugging Face, and against themselves."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
import transformers

from benchmarks.pytorch_pretraining import hugging_face_name
from bert_tf.config import BertConfig
from bert_tf.errors import InputError
from bert_tf.models import CausalLM, EncoderDecoder, named_variables

SHAPE = {
    "vocab_size": 41,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 24,
}
CONFIG = BertConfig(**SHAPE, hidden_act="gelu_erf", initializer_range=0.3)
# Another vocabulary, another width, another number of layers.
OTHER_SHAPE = {
    **SHAPE,
    "vocab_size": 37,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}
OTHER = BertConfig(**OTHER_SHAPE, hidden_act="gelu_erf", initializer_range=0.3)
BATCH, SOURCE, TARGET = 3, 9, 7


def make_inputs(seed=0, target_vocab=37):
    rng = np.random.default_rng(seed)
    mask = (np.arange(SOURCE) < rng.integers(4, SOURCE + 1, (BATCH, 1))).astype(int)
    inputs = {
        "input_ids": rng.integers(0, 41, (BATCH, SOURCE)) * mask,
        "input_mask": mask,
        "segment_ids": rng.integers(0, 2, (BATCH, SOURCE)) * mask,
        "decoder_input_ids": rng.integers(0, target_vocab, (BATCH, TARGET)),
    }
    return {name: value.astype(np.int32) for name, value in inputs.items()}


def close(actual, expected, tolerance=1e-5):
    actual, expected = np.asarray(actual, float), np.asarray(expected, float)
    assert actual.shape == expected.shape
    error = np.linalg.norm(actual - expected)
    assert error < tolerance * max(1e-6, np.linalg.norm(expected)), error


def torch_ids(values):
    return torch.from_numpy(np.asarray(values, np.int64))


def perturb(module):
    """Gives every parameter a value that makes its part of the model matter."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.2 * torch.randn_like(parameter)


def copy_bert(variables, prefix, state):
    """Assigns the variables below a prefix from a `BertLMHeadModel`'s parameters."""
    for name, variable in variables.items():
        if name.startswith(prefix):
            value = state[hugging_face_name(name.removeprefix(prefix))].numpy()
            variable.assign(value.T if name.endswith("kernel") else value)


def bert_config(shape, **settings):
    return transformers.BertConfig(
        **shape, attn_implementation="eager", **settings, bos_token_id=2
    )


def test_causal_lm_scores_as_bert_lm_head_model():
    theirs = transformers.BertLMHeadModel(bert_config(SHAPE, is_decoder=True)).eval()
    perturb(theirs)
    model = CausalLM(CONFIG)
    copy_bert(named_variables(model), "", theirs.state_dict())
    ids = make_inputs(target_vocab=41)["decoder_input_ids"]
    with torch.no_grad():
        expected = theirs(torch_ids(ids)).logits
    close(model({"input_ids": ids})["logits"], expected)
    close(model({"input_ids": ids}, fused=True)["logits"], expected)


def test_pre_ln_causal_lm_scores_as_gpt2():
    theirs = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=41,
            n_positions=24,
            n_embd=24,
            n_layer=2,
            n_head=3,
            n_inner=40,
            attn_implementation="eager",
            layer_norm_epsilon=1e-5,
        )
    ).eval()
    perturb(theirs)
    config = dataclasses.replace(
        CONFIG, hidden_act="gelu", layer_norm_eps=1e-5, type_vocab_size=1
    )
    model = CausalLM(config, norm_first=True)
    state = {n: v.numpy() for n, v in theirs.transformer.state_dict().items()}
    values = {
        "bert/embeddings/word_embeddings": state["wte.weight"],
        "bert/embeddings/position_embeddings": state["wpe.weight"],
        "bert/embeddings/token_type_embeddings": np.zeros((1, 24)),
        "bert/encoder/LayerNorm/gamma": state["ln_f.weight"],
        "bert/encoder/LayerNorm/beta": state["ln_f.bias"],
        "cls/predictions/output_bias": np.zeros(41),
    }
    for i in range(2):
        ours, block = f"bert/encoder/layer_{i}/", f"h.{i}."
        kernels = np.split(state[block + "attn.c_attn.weight"], 3, axis=1)
        biases = np.split(state[block + "attn.c_attn.bias"], 3)
        for name, kernel, bias in zip(
            ("query", "key", "value"), kernels, biases, strict=True
        ):
            values[f"{ours}attention/self/{name}/kernel"] = kernel
            values[f"{ours}attention/self/{name}/bias"] = bias
        for mine, dense, norm in (
            ("attention/output", "attn.c_proj", "ln_1"),
            ("output", "mlp.c_proj", "ln_2"),
            ("intermediate", "mlp.c_fc", None),
        ):
            values[f"{ours}{mine}/dense/kernel"] = state[f"{block}{dense}.weight"]
            values[f"{ours}{mine}/dense/bias"] = state[f"{block}{dense}.bias"]
            if norm:
                values[f"{ours}{mine}/LayerNorm/gamma"] = state[f"{block}{norm}.weight"]
                values[f"{ours}{mine}/LayerNorm/beta"] = state[f"{block}{norm}.bias"]
    variables = named_variables(model)
    assert set(variables) == set(values)
    for name, variable in variables.items():
        variable.assign(values[name])
    ids = make_inputs(target_vocab=41)["decoder_input_ids"]
    with torch.no_grad():
        expected = theirs(torch_ids(ids)).logits
    close(model({"input_ids": ids})["logits"], expected)


@pytest.mark.parametrize("width", [24, 16], ids=["same_width", "projected"])
def test_encoder_decoder_scores_as_hugging_faces(width):
    decoder_shape = {**OTHER_SHAPE, "hidden_size": width}
    theirs = transformers.EncoderDecoderModel(
        encoder=transformers.BertModel(bert_config(SHAPE)),
        decoder=transformers.BertLMHeadModel(
            bert_config(decoder_shape, is_decoder=True, add_cross_attention=True)
        ),
    ).eval()
    perturb(theirs)
    model = EncoderDecoder(CONFIG, dataclasses.replace(OTHER, hidden_size=width))
    state, variables = theirs.state_dict(), named_variables(model)
    copy_bert(
        variables,
        "bert/",
        {n.removeprefix("encoder."): v for n, v in state.items()},
    )
    copy_bert(
        variables,
        "decoder/",
        {n.removeprefix("decoder."): v for n, v in state.items()},
    )
    if width == 16:
        for ours, name in (("kernel", "weight"), ("bias", "bias")):
            value = state[f"enc_to_dec_proj.{name}"].numpy()
            variables[f"enc_to_dec_proj/{ours}"].assign(value.T)
    inputs = make_inputs()
    with torch.no_grad():
        expected = theirs(
            input_ids=torch_ids(inputs["input_ids"]),
            attention_mask=torch_ids(inputs["input_mask"]),
            token_type_ids=torch_ids(inputs["segment_ids"]),
            decoder_input_ids=torch_ids(inputs["decoder_input_ids"]),
        ).logits
    close(model(inputs)["logits"], expected)
    close(model(inputs, fused=True)["logits"], expected)


MODELS = {
    "causal_lm": lambda: CausalLM(OTHER),
    "pre_ln": lambda: CausalLM(OTHER, norm_first=True),
    "encoder_decoder": lambda: EncoderDecoder(CONFIG, OTHER),
    "shared": lambda: EncoderDecoder(OTHER, shared="all"),
}


def whole(model, inputs):
    if isinstance(model, CausalLM):
        return model({"input_ids": inputs["decoder_input_ids"]})["logits"]
    return model(inputs)["logits"]


def start(model, inputs, max_length):
    if isinstance(model, CausalLM):
        inputs = {"input_ids": inputs["decoder_input_ids"]}
    return model.encode(inputs, max_length)


@pytest.mark.parametrize("case", list(MODELS))
def test_decoding_with_the_cache_equals_recomputation(case):
    """Prompts of each row's own length at once, then one token at a time."""
    model = MODELS[case]()
    inputs = make_inputs()
    inputs["input_ids"] %= 37
    expected = whole(model, inputs).numpy()
    ids = tf.constant(inputs["decoder_input_ids"])
    state = start(model, inputs, TARGET + 2)
    assert {len(tensor) for tensor in state.values()} == {BATCH}
    assert state["past_keys_0"].shape == (BATCH, 2, TARGET + 2, 8)

    prompts = np.array([3, 1, 2])
    hidden, state = tf.function(model.decode)(ids[:, :3], 0, state)
    logits = model.logits_of(hidden)
    for row, length in enumerate(prompts):
        close(logits[row, :length], expected[row, :length])

    # Rows in another order, as beams are.
    order = np.array([2, 0, 1])
    state = {name: tf.gather(tensor, order) for name, tensor in state.items()}
    ids, expected, prompts = tf.gather(ids, order), expected[order], prompts[order]

    @tf.function
    def generate(state):
        def step(index, state, found):
            position = tf.constant(prompts, tf.int32) + index
            token_ids = tf.gather(ids, position[:, None], batch_dims=1)
            hidden, state = model.decode(token_ids, position, state)
            logits = model.logits_of(hidden)
            return index + 1, state, found.write(index, logits[:, 0])

        found = tf.TensorArray(tf.float32, 4)
        return tf.while_loop(lambda i, *_: i < 4, step, [0, state, found])[2].stack()

    for index, logits in enumerate(generate(state)):
        close(logits, expected[np.arange(BATCH), prompts + index])


def test_repeated_rows_decode_alike():
    model = EncoderDecoder(CONFIG, OTHER)
    inputs = make_inputs()
    state = model.encode(inputs, TARGET)
    repeated = {name: tf.repeat(tensor, 2, 0) for name, tensor in state.items()}
    ids = inputs["decoder_input_ids"]
    expected, _ = model.decode(ids, 0, state)
    hidden, _ = model.decode(np.repeat(ids, 2, 0), tf.zeros(6, tf.int32), repeated)
    close(hidden, np.repeat(expected, 2, 0))


def test_packed_rows_score_as_padded_ones():
    model = EncoderDecoder(CONFIG, OTHER)
    inputs = make_inputs()
    lengths, target_lengths = inputs["input_mask"].sum(1), np.array([7, 4, 5])
    expected = model(inputs)["logits"].numpy()
    packed = {}
    for side, counts in (("", lengths), ("decoder_", target_lengths)):
        rows = np.repeat(np.arange(BATCH), counts)
        within = np.concatenate([np.arange(count) for count in counts])
        for name in [n for n in inputs if n.startswith("decoder_") == bool(side)]:
            packed[name] = inputs[name][rows, within][None]
        packed[f"{side}position_ids"] = within[None]
        packed[f"{side}example_ids"] = rows[None] + 1
    for fused in (False, True):
        logits = np.asarray(model(packed, fused=fused)["logits"])[0]
        for row, end in enumerate(np.cumsum(target_lengths)):
            count = target_lengths[row]
            close(logits[end - count : end], expected[row, :count])


@pytest.mark.slow
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_sums_are_the_loss_of_the_logits(smoothing):
    model = EncoderDecoder(CONFIG, OTHER)
    inputs = make_inputs()
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 37, (BATCH, TARGET))
    weights = rng.integers(0, 2, (BATCH, TARGET)).astype(np.float32)
    with tf.GradientTape() as tape:
        sums = model(
            inputs, fused=True, labels=(labels, weights), label_smoothing=smoothing
        )["sums"]
    gradients = tape.gradient(sums[0], model.trainable_variables)
    logits = torch.from_numpy(model(inputs)["logits"].numpy())
    losses = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1),
        torch_ids(labels).flatten(),
        reduction="none",
        label_smoothing=smoothing,
    )
    close(sums[0], (losses.numpy() * weights.ravel()).sum())
    assert sums[1] == ((logits.argmax(-1).numpy() == labels) * weights).sum()
    paths = [v.path for v in model.trainable_variables]
    # Queries and keys of a single position, or of all types, may weigh nothing.
    for path, gradient in zip(paths, gradients, strict=True):
        assert gradient is not None, path


def test_sharing_leaves_one_of_each_variable():
    config = dataclasses.replace(CONFIG, num_hidden_layers=1)
    apart = {n: v.shape for n, v in named_variables(EncoderDecoder(config)).items()}
    decoder = {name for name in apart if name.startswith("decoder/")}
    words = EncoderDecoder(config, shared="word_embeddings")
    assert set(apart) - set(named_variables(words)) == {
        "decoder/bert/embeddings/word_embeddings"
    }
    shared = EncoderDecoder(config, shared="all")
    variables = named_variables(shared)
    assert len(variables) == len(shared.weights) == len({*variables})
    left = {name for name in variables if name.startswith("decoder/")}
    assert left == {n for n in decoder if "crossattention" in n or "/cls/" in n}
    # It decodes with the encoder's weights, whatever they come to be.
    same = EncoderDecoder(config)
    for name, variable in named_variables(same).items():
        source = name if name in variables else name.removeprefix("decoder/")
        variable.assign(variables[source])
    inputs = make_inputs()
    close(shared(inputs)["logits"], same(inputs)["logits"])


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("shared", ["nothing", "all"])
def test_models_survive_keras_save(tmp_path, shared):
    models = [CausalLM(CONFIG, norm_first=True)]
    models += [EncoderDecoder(CONFIG, None if shared == "all" else OTHER, shared)]
    for model in models:
        path = tmp_path / f"{model.name}.keras"
        expected = whole(model, make_inputs())
        model.save(path)
        close(whole(keras.models.load_model(path), make_inputs()), expected, 1e-7)


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="max_position_embeddings`, 24. Received: 25"):
        CausalLM(CONFIG).encode({"input_ids": np.zeros([1, 1], int)}, 25)
    with pytest.raises(ValueError, match="`shared` must be one of"):
        EncoderDecoder(CONFIG, shared="head")
    with pytest.raises(ValueError, match="same `vocab_size`. Received: 41 and 37"):
        EncoderDecoder(CONFIG, OTHER, shared="word_embeddings")
