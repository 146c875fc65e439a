"""Tagging words: labels of pieces, the loss, entities found back, and the whole way."""

import json

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.errors import InputError
from bert_tf.labelled.conll import sentence
from bert_tf.labelled.encoded import IGNORED
from bert_tf.labelled.examples import Place
from bert_tf.labelled.source import LabelledSource
from bert_tf.labelled.structured_records import plain_sentence
from bert_tf.prediction import predictor
from bert_tf.tasks.settings import TokenClassificationSettings
from bert_tf.tasks.tagged_words import TaggedWords, worst_sentences
from bert_tf.tasks.token_classification import TokenClassificationTask
from bert_tf.tasks.word_starts import word_starts
from bert_tf.text.pieces import tokenize_texts
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary
from bert_tf.text.words import split_words
from export.checkpoint import pretrained
from export.saved_model import saving

WORDS = (
    "anna bert ##ram smith paris rome new york lives in and likes . , ' s é - u of"
).split()
PLACE = Place("toy.conll", 1)
NAMES = {
    "Anna": ["B-PER"],
    "Bertram Smith": ["B-PER", "I-PER"],
    "Paris": ["B-LOC"],
    "New York": ["B-LOC", "I-LOC"],
    "Rome": ["B-LOC"],
}


def vocabulary():
    return Vocabulary.from_entries([*SPECIAL_TOKENS, *WORDS], TokenizerConfig())


def task(*labels, max_seq_length=32):
    return TokenClassificationTask(
        TaskDescription("token_classification", max_seq_length, labels)
    )


def toy_sentence(rng, number):
    words, tags = [], []
    for _ in range(rng.integers(1, 5)):
        name = rng.choice(list(NAMES))
        words += name.split()
        tags += NAMES[name]
        other = rng.choice(["lives in", "and", "likes", ",", "."]).split()
        words += other
        tags += ["O"] * len(other)
    return sentence(words, tags, Place("toy.conll", number))


def write_conll(path, sentences):
    rows = (zip(s.words, s.tags, strict=True) for s in sentences)
    path.write_text(
        "\n\n".join("\n".join(f"{word} {tag}" for word, tag in row) for row in rows)
        + "\n"
    )
    return path


@pytest.fixture(scope="module")
def workdir(tmp_path_factory, write_model, finetune):
    folder = tmp_path_factory.mktemp("tagging")
    rng = np.random.default_rng(0)
    toys = [toy_sentence(rng, n) for n in range(1, 201)]
    return finetune(
        TokenClassificationSettings(),
        write_model(folder / "model", WORDS),
        write_conll(folder / "train.conll", toys[:160]),
        write_conll(folder / "valid.conll", toys[160:]),
        max_seq_length=12,  # Some sentences are read in windows.
        epochs=8.0,
    )


def test_first_pieces_are_labelled_once_in_the_window_that_sees_them_best():
    words = "anna bertram smith paris rome bertram anna".split()
    tags = "A B C D E F G".split()
    tagger = task(*tags, max_seq_length=7)
    encoded = tagger.encode([sentence(words, tags, PLACE)], vocabulary())
    labels = encoded.token_targets["labels"]
    assert len(encoded) > 1
    assert sorted(labels[labels != IGNORED]) == list(range(7))
    first = ["anna", "bert", "smith", "paris", "rome", "bert", "anna"]
    for place in np.flatnonzero(labels != IGNORED):
        entry = vocabulary().entries[encoded.input_ids[place]]
        assert entry == first[labels[place]]


@pytest.mark.parametrize("pack", [False, True])
def test_the_loss_is_the_mean_over_words_packed_or_not(pack):
    tags = ("O", "B-X", "I-X")
    rng = np.random.default_rng(1)
    sentences = [
        sentence(rng.choice(WORDS[:8], n).tolist(), rng.choice(tags, n).tolist(), PLACE)
        for n in (3, 5, 1, 9, 4)
    ]
    tagger = task(*tags)
    encoded = tagger.encode(sentences, vocabulary())
    source = LabelledSource(encoded, 32, seed=0 if pack else None)
    read = source.reader(replica_batch_size=5, pack=pack).read(0, 1)
    batch = {name: value[0, 0] for name, value in read.items() if name != "num_rows"}
    # Logits that depend on the token and its place in the sequence alone.
    places = batch.get("position_ids", np.arange(batch["input_ids"].shape[1]))
    table = rng.standard_normal((100, 3), np.float32)
    logits = table[batch["input_ids"]] + table[places + 40]
    constant = {name: tf.constant(value) for name, value in batch.items()}
    padded = np.pad(logits, [(0, 0), (0, 3), (0, 0)])  # Of a model of fixed length.
    sums = tagger.sums({"logits": tf.constant(padded)}, constant)

    losses, correct = [], 0
    for number in range(5):
        row = slice(*encoded.starts[number : number + 2])
        ids, labels = encoded.input_ids[row], encoded.token_targets["labels"][row]
        for place in np.flatnonzero(labels != IGNORED):
            scores = (table[ids[place]] + table[place + 40]).astype(np.float64)
            losses.append(np.log(np.exp(scores).sum()) - scores[labels[place]])
            correct += scores.argmax() == labels[place]
    assert float(tagger.weights(constant)["token"]) == len(losses)
    assert float(sums["token_loss"]) == pytest.approx(np.sum(losses), rel=1e-5)
    assert float(sums["token_correct"]) == correct


def test_words_in_the_graph_are_those_of_prediction():
    texts = [
        "Anna Smith's home, in New York.",
        "(Rome) 'Paris' u.s. U.S., J. Smith -- rome-paris...",
        "心心 café, ’anna’ O’s. and 's",
        "",
        "Bertram...,; new",
    ]
    tokenizer = BertTokenizer(vocabulary())
    pieces = tokenize_texts(tokenizer, texts, with_offsets=True)
    for index, text in enumerate(texts):
        starts, ends = pieces.offsets(index)
        strings = [text[a:b] for a, b in zip(starts, ends, strict=True)]
        follows = np.concatenate([[False], starts[1:] <= ends[:-1]])[: len(starts)]
        begins = word_starts(tf.constant(strings, tf.string), tf.constant(follows))
        expected = [start for start, _ in split_words(text)]
        assert starts[begins.numpy()].tolist() == expected, text


def test_it_learns_and_says_where_names_stand(workdir):
    results = json.loads((workdir / "eval.json").read_text())
    assert results["f1"] > 0.9
    assert results["accuracy"] > results["commonest_tag_accuracy"]
    report = (workdir / "report.md").read_text()
    assert "| LOC |" in report

    text = "  Bértram  Smith likes New York, and Ánna likes Rome. " * 3
    (found,) = predictor.load(workdir).predict([text])
    for entity in found["entities"]:
        assert text[entity["start"] : entity["end"]] == entity["text"]
        assert 0.0 < entity["probability"] <= 1.0
    names = [(e["text"], e["label"]) for e in found["entities"]]
    once = [
        ("Bértram  Smith", "PER"),
        ("New York", "LOC"),
        ("Ánna", "PER"),
        ("Rome", "LOC"),
    ]
    assert names == once * 3
    assert len(found["tags"]) == len(found["probabilities"]) == 11 * 3


def test_an_export_finds_what_prediction_finds(workdir, tmp_path):
    from bert_tf.checkpoints.workdir import resolve_checkpoint

    trained = pretrained.load(resolve_checkpoint(str(workdir)), 32)
    saving.save(tmp_path / "saved", trained)
    serve = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    texts = ["Anna, é Bertram  Smith likes New York.", "", "and likes", "Rome"]
    served = {k: v.numpy() for k, v in serve(tf.constant(texts)).items()}
    predicted = predictor.load(workdir).predict(texts)
    for row, answer in enumerate(predicted):
        count = len(answer["entities"])
        assert not any(served["label"][row][count:])
        for number, entity in enumerate(answer["entities"]):
            found = {name: value[row, number] for name, value in served.items()}
            assert found.pop("probability") == pytest.approx(
                entity["probability"], abs=1e-4
            )
            assert found["entity"].decode() == entity["text"]
            assert found["label"].decode() == entity["label"]
            assert (found["start"], found["end"]) == (entity["start"], entity["end"])


def test_tags_that_mark_no_entities_have_accuracy():
    tagger = task("NOUN", "VERB")
    assert (tagger.best.metric, tagger.quality) == ("accuracy", "accuracy")
    examples = [plain_sentence("anna likes", PLACE), plain_sentence("rome", PLACE)]
    encoded = tagger.encode(examples, vocabulary())
    found = tagger.decode(
        examples,
        encoded,
        {
            "tags": np.array([[0, 0, 1, 0], [1, 1, 0, 0]], np.int32),
            "probabilities": np.full((2, 4), 0.5, np.float32),
        },
    )
    assert [row["tags"] for row in found] == [["NOUN", "VERB"], ["VERB"]]
    true = [sentence(["anna", "likes"], ["VERB", "VERB"], PLACE)]
    table = worst_sentences(true, {0: TaggedWords(("NOUN", "VERB"), np.ones(2))})
    assert table.rows == [["anna likes", "anna: VERB, not NOUN"]]
    assert "entities" not in found[0]


def test_a_word_of_which_nothing_is_left_is_not_sure():
    example = sentence(["anna", "\u0301", "likes"], None, PLACE)
    encoded = task("O", "B-X", "I-X").encode([example], vocabulary())
    (found,) = task("O", "B-X", "I-X").decode(
        [example],
        encoded,
        {
            "tags": np.array([[0, 1, 1, 1]], np.int32),
            "probabilities": np.full((1, 4), 0.5, np.float32),
        },
    )
    assert found["tags"] == ["B-X", "O", "B-X"]
    assert found["probabilities"] == [0.5, 0.0, 0.5]


def test_bad_tags_are_named():
    with pytest.raises(InputError, match="line 2.*'B-ORG'"):
        task("O", "B-X", "I-X").encode(
            [sentence(["in", "rome"], ["O", "B-ORG"], PLACE)], vocabulary()
        )
    with pytest.raises(InputError, match="have the label 'O': there is nothing"):
        TokenClassificationTask.describe(
            TokenClassificationSettings(), [sentence(["in"], ["O"], PLACE)], 32
        )
