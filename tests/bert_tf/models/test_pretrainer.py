import numpy as np
import pytest
import tensorflow as tf

from bert_tf.config import BertConfig, model_config
from bert_tf.models import BertEncoder, BertPretrainer, named_variables

CONFIG = BertConfig(
    vocab_size=31,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=24,
    max_position_embeddings=16,
    hidden_dropout_prob=0.3,
    attention_probs_dropout_prob=0.3,
)


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(0)
    batch = {
        "input_ids": rng.integers(0, 31, (3, 12)),
        "input_mask": np.arange(12) < [[12], [7], [9]],
        "segment_ids": rng.integers(0, 2, (3, 12)),
        "masked_lm_positions": rng.integers(0, 7, (3, 4)),
    }
    return {name: tf.constant(value, tf.int32) for name, value in batch.items()}


@pytest.fixture(scope="module")
def model():
    return BertPretrainer(CONFIG, seed=1)


def test_names_are_those_of_released_checkpoints():
    variables = named_variables(BertPretrainer(model_config("tiny", vocab_size=50)))
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    layer = "bert/encoder/layer_1"
    expected = {
        "bert/embeddings/word_embeddings": (50, 128),
        "bert/embeddings/token_type_embeddings": (2, 128),
        "bert/embeddings/position_embeddings": (512, 128),
        "bert/embeddings/LayerNorm/gamma": (128,),
        f"{layer}/attention/self/query/kernel": (128, 128),
        f"{layer}/attention/self/key/bias": (128,),
        f"{layer}/attention/self/value/kernel": (128, 128),
        f"{layer}/attention/output/dense/kernel": (128, 128),
        f"{layer}/attention/output/LayerNorm/beta": (128,),
        f"{layer}/intermediate/dense/kernel": (128, 512),
        f"{layer}/output/dense/kernel": (512, 128),
        f"{layer}/output/LayerNorm/gamma": (128,),
        "bert/pooler/dense/kernel": (128, 128),
        "cls/predictions/transform/dense/kernel": (128, 128),
        "cls/predictions/transform/LayerNorm/gamma": (128,),
        "cls/predictions/output_bias": (50,),
        "cls/seq_relationship/output_weights": (2, 128),
        "cls/seq_relationship/output_bias": (2,),
    }
    assert expected.items() <= shapes.items()
    assert len(shapes) == 5 + 2 * 16 + 2 + 5 + 2


def test_the_seed_determines_the_initial_values(model):
    same = named_variables(BertPretrainer(CONFIG, seed=1))
    other = named_variables(BertPretrainer(CONFIG, seed=2))
    kernels = set()
    for name, variable in named_variables(model).items():
        value = variable.numpy()
        assert value.tobytes() == same[name].numpy().tobytes()
        if name.endswith(("kernel", "embeddings", "weights")):
            assert value.tobytes() != other[name].numpy().tobytes()
            kernels.add(value.ravel()[:4].tobytes())
    assert len(kernels) == 3 + 2 * 6 + 1 + 2  # No two alike.


def test_initial_values_follow_the_paper():
    word_embeddings = BertEncoder(model_config("tiny"), name="bert")
    word_embeddings.build()
    values = word_embeddings.embeddings.word_embeddings.numpy()
    assert np.abs(values).max() <= 0.04 + 1e-6  # Two standard deviations.
    assert abs(values.mean()) < 1e-4
    # A normal distribution cut off there keeps 0.88 of its deviation.
    assert abs(values.std() / 0.02 - 0.88) < 0.01


def test_training_computes_what_inference_does(model, inputs):
    plain = model(inputs)
    fused = tf.function(lambda x: model(x, fused=True))(inputs)
    for name, value in plain.items():
        assert value.dtype == tf.float32
        np.testing.assert_allclose(fused[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", ["eager", "graph of any length"])
def test_outputs_at_positions_equal_all_outputs_there(model, inputs, mode):
    every = model.bert(inputs)
    positions = inputs["masked_lm_positions"]
    run = model.bert
    if mode != "eager":
        names = [*inputs, "output_positions"]
        any_shape = {name: tf.TensorSpec([None, None], tf.int32) for name in names}
        run = tf.function(lambda x: model.bert(x), input_signature=[any_shape])
    some = run({**inputs, "output_positions": positions})
    assert every["sequence_output"].shape == (3, 12, 16)
    expected = {
        "sequence_output": tf.gather(every["sequence_output"], positions, batch_dims=1),
        "pooled_output": every["pooled_output"],
    }
    assert set(some) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(some[name], value, rtol=1e-4, atol=1e-5)


def test_padding_does_not_matter(model, inputs):
    changed = dict(inputs)
    padding = 1 - inputs["input_mask"]
    changed["input_ids"] = (inputs["input_ids"] + 5 * padding) % 31
    before, after = model(inputs), model(changed)
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name])


def test_dropout_comes_from_the_seed_alone(model, inputs):
    @tf.function
    def logits(seed):
        return model(inputs, dropout_seed=seed, training=True)["masked_lm_logits"]

    first, again = logits(tf.constant([1, 2])), logits(tf.constant([1, 2]))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - logits(tf.constant([1, 3]))).max() > 1e-3
    none = model(inputs, fused=True)["masked_lm_logits"]
    assert np.abs(first - none).max() > 1e-3
    # Inference has none, whatever the seed.
    seeded = model(inputs, dropout_seed=tf.constant([1, 2]))["masked_lm_logits"]
    np.testing.assert_array_equal(seeded, model(inputs)["masked_lm_logits"])


@pytest.mark.slow
def test_every_variable_gets_a_gradient(model, inputs):
    with tf.GradientTape() as tape:
        outputs = model(inputs, dropout_seed=tf.constant([5, 6]), training=True)
        loss = sum(tf.reduce_sum(tf.square(value)) for value in outputs.values())
    variables = named_variables(model)
    gradients = tape.gradient(loss, [v.value for v in variables.values()])
    for name, gradient in zip(variables, gradients, strict=True):
        assert gradient is not None, name
        assert np.isfinite(tf.convert_to_tensor(gradient)).all(), name


@pytest.mark.parametrize(
    ("policy", "tolerance"), [("mixed_bfloat16", 0.05), ("mixed_float16", 0.01)]
)
def test_mixed_precision(inputs, policy, tolerance, model):
    mixed = BertPretrainer(CONFIG, seed=1, dtype=policy)
    assert {v.dtype for v in mixed.weights} == {"float32"}
    for fused in (False, True):
        outputs = mixed(inputs, fused=fused)
        for name, expected in model(inputs).items():
            assert outputs[name].dtype == tf.float32
            error = np.linalg.norm(outputs[name] - expected) / np.linalg.norm(expected)
            assert error < tolerance


@pytest.mark.slow
def test_rematerialisation_changes_no_number(inputs):
    def gradients(rematerialize):
        model = BertPretrainer(CONFIG, seed=1, rematerialize=rematerialize)
        variables = [v.value for v in named_variables(model).values()]

        @tf.function
        def compute():
            with tf.GradientTape() as tape:
                outputs = model(inputs, dropout_seed=tf.constant([5, 6]), training=True)
                loss = sum(
                    tf.reduce_sum(tf.square(value)) for value in outputs.values()
                )
            found = tape.gradient(loss, variables)
            return [tf.convert_to_tensor(gradient) for gradient in found]

        graph = compute.get_concrete_function().graph
        products = sum("MatMul" in op.type for op in graph.get_operations())
        return compute(), products

    kept, products = gradients(rematerialize=False)
    computed_again, more_products = gradients(rematerialize=True)
    assert more_products > products
    for a, b in zip(kept, computed_again, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_inference_holds_nothing_compiled_by_xla(model, inputs):
    function = tf.function(lambda x: model(x)).get_concrete_function(inputs)
    graph = function.graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    assert not any(n.attr["_XlaMustCompile"].b for n in nodes)
    for f in graph.library.function:
        assert not f.attr["_XlaMustCompile"].b


def test_refuses_a_bad_configuration():
    with pytest.raises(ValueError, match="`BertConfig.hidden_size` must be a multiple"):
        BertPretrainer(BertConfig(hidden_size=10, num_attention_heads=3))
