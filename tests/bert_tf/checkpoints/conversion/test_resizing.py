import numpy as np
import pytest

from bert_tf.checkpoints.conversion import names, resizing
from bert_tf.errors import InputError
from bert_tf.text.special_tokens import SPECIAL_TOKENS


def rows_of(weights, name):
    return dict(zip(weights.vocabulary.entries, weights.variables[name], strict=False))


@pytest.mark.parametrize("name", [names.WORD_EMBEDDINGS, names.MASKED_LM_BIAS])
def test_a_new_vocabulary_starts_from_the_old_ones_pieces(
    make_weights, make_vocabulary, name
):
    weights = make_weights()
    words = ["cardiac", "heart", "##aches", "Hearts", "zz", "##zz"]
    new = make_vocabulary(*words, do_lower_case=False)

    resized = resizing.with_vocabulary(weights, new)

    old, now = rows_of(weights, name), rows_of(resized, name)
    for kept in [*SPECIAL_TOKENS, "heart"]:
        np.testing.assert_array_equal(now[kept], old[kept])
    for entry, pieces in {
        "cardiac": ["card", "##iac"],
        "##aches": ["##ache", "##s"],
        "Hearts": ["heart", "##s"],
    }.items():
        expected = np.mean([old[piece] for piece in pieces], axis=0)
        np.testing.assert_allclose(now[entry], expected, rtol=1e-6)
    assert np.abs(now["zz"]).max() <= 2 * weights.config.initializer_range
    assert resized.config.vocab_size == len(new) == 11
    assert resized.vocabulary is new
    assert "11: 6 entries keep their rows, 3 start at the mean" in resized.notes[0]
    assert "2 anew" in resized.notes[0]
    assert weights.config.vocab_size == 17  # the source is as it was


def test_a_model_without_a_vocabulary_takes_its_own(make_weights, make_vocabulary):
    weights = make_weights(vocabulary=None)
    own = make_vocabulary("a")

    named = resizing.with_vocabulary(weights, own)

    assert named.vocabulary == own and named.variables is weights.variables
    assert named.config.vocab_size == 17
    with pytest.raises(ValueError, match="has 18 entries. Expected at most 17"):
        resizing.with_vocabulary(weights, make_vocabulary(*map(str, range(13))))


def test_longer_positions_repeat_the_learned_ones(make_weights):
    weights = make_weights()
    old = weights.variables[names.POSITION_EMBEDDINGS]

    longer = resizing.with_positions(weights, 25)

    table = longer.variables[names.POSITION_EMBEDDINGS]
    np.testing.assert_array_equal(table, np.concatenate([old, old, old[:5]]))
    assert longer.config.max_position_embeddings == 25
    cut = resizing.with_positions(longer, 4)
    np.testing.assert_array_equal(cut.variables[names.POSITION_EMBEDDINGS], old[:4])


@pytest.mark.parametrize(
    ("layers", "num_kept", "kept"),
    [(12, 6, [0, 2, 4, 7, 9, 11]), (3, 2, [0, 2]), (3, 1, [0]), (3, 3, [0, 1, 2])],
)
def test_fewer_layers_are_evenly_spread(make_weights, layers, num_kept, kept):
    config = make_weights().config
    config.num_hidden_layers = layers
    weights = make_weights(config=config)

    student = resizing.with_layers(weights, num_kept)

    assert student.config.num_hidden_layers == num_kept
    assert set(student.variables) == set(names.pretrainer(student.config))
    for index, source in enumerate(kept):
        name = "bert/encoder/layer_{}/output/dense/kernel"
        np.testing.assert_array_equal(
            student.variables[name.format(index)],
            weights.variables[name.format(source)],
        )
    assert student.notes == [f"Layers kept, of {layers}: {kept}."]


@pytest.mark.parametrize("max_position_embeddings", [0, -3])
def test_no_positions_are_refused(make_weights, max_position_embeddings):
    with pytest.raises(InputError, match="must be at least 1. Received: "):
        resizing.with_positions(make_weights(), max_position_embeddings)


@pytest.mark.parametrize("num_hidden_layers", [0, 4])
def test_layers_that_are_not_there_are_refused(make_weights, num_hidden_layers):
    with pytest.raises(ValueError, match="from 1 to the source's 3. Received: "):
        resizing.with_layers(make_weights(), num_hidden_layers)
