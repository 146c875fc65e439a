"""Model Garden's checkpoints; those marked `garden` use its own models."""

import numpy as np
import pytest
import tensorflow as tf
from numpy_bert import encode

from bert_tf.checkpoints import conversion
from bert_tf.checkpoints.conversion import names

pytestmark = pytest.mark.filterwarnings(
    # Model Garden hands its functional encoder the heads' inputs too.
    "ignore:[\\s\\S]*did not match any model input:UserWarning"
)

INPUT_IDS = np.array([[2, 5, 6, 4, 3, 7, 3], [2, 8, 3, 0, 0, 0, 0]], np.int32)
INPUTS = {
    "input_word_ids": INPUT_IDS,
    "input_mask": np.int32(INPUT_IDS != 0),
    "input_type_ids": np.array([[0, 0, 0, 0, 0, 1, 1], [0] * 7], np.int32),
    "masked_lm_positions": np.array([[1, 3], [1, 0]], np.int32),
}
REAL = INPUTS["input_mask"] == 1
HEADS = (names.masked_lm_head, names.next_sentence_head)


def make_encoder(kind):
    from official.nlp.configs import encoders

    shape = {
        "vocab_size": 17,
        "hidden_size": 8,
        "num_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 12,
        "max_position_embeddings": 10,
        "type_vocab_size": 2,
    }
    return encoders.build_encoder(encoders.EncoderConfig(type=kind, **{kind: shape}))


def make_pretrainer(kind):
    """Builds Model Garden's pretrainer with random weights, biases included."""
    from official.modeling import tf_utils
    from official.nlp import modeling

    next_sentence = modeling.layers.ClassificationHead(
        inner_dim=8, num_classes=2, name="next_sentence"
    )
    pretrainer = modeling.models.BertPretrainerV2(
        encoder_network=make_encoder(kind),
        mlm_activation=tf_utils.get_activation("gelu"),
        classification_heads=[next_sentence],
    )
    pretrainer(INPUTS)
    generator = np.random.default_rng(3)
    for variable in pretrainer.variables:
        variable.assign(generator.normal(size=variable.shape, scale=0.5))
    return pretrainer


def save_theirs(pretrainer, path, layout):
    encoder = pretrainer.encoder_network
    items = {
        "as its trainer": {"model": pretrainer, **pretrainer.checkpoint_items},
        "model": {"model": pretrainer},
        "encoder": {"encoder": encoder},
        "encoder as model": {"model": encoder},
    }[layout]
    tf.train.Checkpoint(**items).write(str(path / "bert_model.ckpt"))


@pytest.mark.garden
@pytest.mark.parametrize("kind", ["bert", "bert_v2"])
@pytest.mark.parametrize(
    "layout", ["as its trainer", "model", "encoder", "encoder as model"]
)
def test_theirs_are_read(tmp_path, kind, layout):
    pretrainer = make_pretrainer(kind)
    save_theirs(pretrainer, tmp_path, layout)

    weights = conversion.load_any(tmp_path)

    assert weights.format == "model_garden"
    assert weights.config.num_hidden_layers == 3
    assert weights.config.num_attention_heads == 2
    assert "There is no bert_config.json" in weights.notes[0]
    received = encode(
        weights.variables,
        INPUT_IDS,
        INPUTS["input_mask"],
        INPUTS["input_type_ids"],
        num_heads=2,
    )
    expected = pretrainer(INPUTS)["sequence_output"].numpy()
    np.testing.assert_allclose(received[REAL], expected[REAL], rtol=1e-4, atol=1e-5)

    pooler = weights.variables["bert/pooler/dense/kernel"]
    if "encoder" in layout:
        assert weights.left_over == {} and not weights.has(HEADS[0](weights.config))
        theirs = pretrainer.encoder_network.pooler_layer
    else:
        # The next-sentence head has a pooler of its own, the trained one.
        assert sorted(weights.left_over.values()) == [(8,), (8, 8)]
        theirs = pretrainer.classification_heads[0].dense
        for head in HEADS:
            assert weights.has(head(weights.config))
    np.testing.assert_array_equal(pooler, theirs.kernel.numpy())


@pytest.mark.garden
@pytest.mark.parametrize("kind", ["bert", "bert_v2"])
def test_they_restore_ours(tmp_path, make_weights, kind):
    weights = make_weights()
    conversion.save(weights, tmp_path / "model", "model_garden")
    path = str(tmp_path / "model" / "bert_model.ckpt")

    for items in (
        lambda pretrainer: {"model": pretrainer},
        lambda pretrainer: {"model": pretrainer, **pretrainer.checkpoint_items},
        lambda pretrainer: {"encoder": pretrainer.encoder_network},
        lambda pretrainer: {"model": pretrainer.encoder_network},
    ):
        pretrainer = make_pretrainer(kind)
        checkpoint = tf.train.Checkpoint(**items(pretrainer))
        checkpoint.read(path).assert_existing_objects_matched()
        outputs = pretrainer(INPUTS)
        expected = encode(
            weights.variables,
            INPUT_IDS,
            INPUTS["input_mask"],
            INPUTS["input_type_ids"],
            num_heads=2,
        )
        np.testing.assert_allclose(
            outputs["sequence_output"].numpy()[REAL],
            expected[REAL],
            rtol=1e-4,
            atol=1e-5,
        )

    # The last pretrainer took only the encoder; this one takes the heads too.
    pretrainer = make_pretrainer(kind)
    tf.train.Checkpoint(model=pretrainer).read(path).assert_existing_objects_matched()
    head = pretrainer.classification_heads[0]
    for theirs, name in (
        (head.dense.kernel, "bert/pooler/dense/kernel"),
        (head.out_proj.bias, "cls/seq_relationship/output_bias"),
        (pretrainer.masked_lm.dense.kernel, "cls/predictions/transform/dense/kernel"),
        (pretrainer.masked_lm.bias, "cls/predictions/output_bias"),
    ):
        np.testing.assert_array_equal(theirs.numpy(), weights.variables[name])
    np.testing.assert_array_equal(
        head.out_proj.kernel.numpy().T,
        weights.variables["cls/seq_relationship/output_weights"],
    )


def test_shapes_tell_the_configuration_where_no_file_does(tmp_path, make_weights):
    expected = make_weights()
    conversion.save(expected, tmp_path / "model", "model_garden")
    for name in ("bert_config.json", "vocab.txt", "tokenizer_config.json"):
        (tmp_path / "model" / name).unlink()

    weights = conversion.load_any(tmp_path / "model")

    theirs = expected.config
    theirs.hidden_dropout_prob = theirs.attention_probs_dropout_prob = 0.1
    theirs.initializer_range = 0.02
    assert weights.config == theirs and weights.vocabulary is None
    for name, array in expected.variables.items():
        np.testing.assert_array_equal(weights.variables[name], array)


def test_older_checkpoints_of_numbered_layers_are_read(
    tmp_path, make_weights, assert_same
):
    expected = make_weights(shapes=lambda c: names.encoder(c) | names.pooler(c))
    conversion.save(expected, tmp_path / "new", "model_garden")
    reader = tf.train.load_checkpoint(str(tmp_path / "new" / "bert_model.ckpt"))
    arrays = {
        key.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE"): reader.get_tensor(key)
        for key in reader.get_variable_to_shape_map()
        if key.endswith("VARIABLE_VALUE")
    }
    numbers = {
        "_embedding_layer": 0,
        "_position_embedding_layer": 1,
        "_type_embedding_layer": 2,
        "_embedding_norm_layer": 3,
        **{f"_transformer_layers/{i}": 4 + i for i in range(3)},
        "_pooler_layer": 7,
    }
    numbered = {f"layer_with_weights-{number}" for number in numbers.values()}
    root = tf.Module()
    for key, array in arrays.items():
        path = key.partition("/")[2]
        for attribute, number in numbers.items():
            if path.startswith(f"{attribute}/"):
                rest = path.removeprefix(f"{attribute}/")
                path = f"layer_with_weights-{number}/{rest}"
        node = root
        *parents, leaf = path.split("/")
        assert parents[0] in numbered
        for parent in parents:
            if not hasattr(node, parent):
                setattr(node, parent, tf.Module())
            node = getattr(node, parent)
        setattr(node, leaf, tf.Variable(array))
    (tmp_path / "old").mkdir()
    tf.train.Checkpoint(model=root).write(str(tmp_path / "old" / "ckpt"))
    for name in ("bert_config.json", "vocab.txt", "tokenizer_config.json"):
        (tmp_path / "new" / name).rename(tmp_path / "old" / name)

    weights = conversion.load_any(tmp_path / "old" / "ckpt")

    assert weights.source_names[names.WORD_EMBEDDINGS].startswith("model/layer_with")
    assert_same(weights, expected)


def test_half_an_encoder_is_refused(tmp_path):
    encoder = tf.Module()
    encoder._embedding_layer = tf.Module()
    encoder._embedding_layer.embeddings = tf.Variable(tf.zeros([17, 8]))
    tf.train.Checkpoint(encoder=encoder).write(str(tmp_path / "half"))

    with pytest.raises(ValueError, match="lacks `bert/encoder/layer_0/"):
        conversion.load_any(tmp_path / "half")
