"""Extractive summarization: windows, scores, and a run from documents to exports."""

import json

import numpy as np
import pytest
import tensorflow as tf
from untrained import (
    check_packing_keeps_the_loss,
    export_and_verify,
    make_config,
    make_vocabulary,
    write_pretrainer,
)

import bert_tf
from bert_tf.checkpoints.task_description import TaskDescription
from bert_tf.errors import InputError
from bert_tf.labelled.examples import Place, SummarizationExample
from bert_tf.labelled.source import LabelledSource
from bert_tf.labelled.summarization import select_sentences
from bert_tf.prediction.predictor import Predictor
from bert_tf.tasks.extractive_summarization import ExtractiveSummarizationTask
from bert_tf.tasks.settings import ExtractiveSummarizationSettings
from bert_tf.tasks.summary_endpoint import select
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.training import finetuning
from bert_tf.training.finetuning_config import FinetuningConfig, LabelledDataConfig

WORDS = "red blue green old new big small cat dog bird tree house runs sleeps".split()
VOCABULARY = make_vocabulary([".", *WORDS])
CONFIG = make_config(VOCABULARY, 48)
PLACE = Place("a file", 1)


def make_task(max_seq_length=16, **settings):
    description = TaskDescription(
        "extractive_summarization", max_seq_length, settings=settings
    )
    return ExtractiveSummarizationTask(description)


def make_predictor(task):
    """A task with a model whose scores differ visibly."""
    model = task.create_model(CONFIG, seed=3)
    rng = np.random.default_rng(0)
    for variable in model.weights:
        if "seed" not in variable.path:
            noise = 0.3 * rng.normal(size=variable.shape)
            variable.assign(variable.numpy() + noise.astype("float32"))
    return Predictor(task, model, VOCABULARY)


def document(*sentences, labels=None, summary=None):
    return SummarizationExample(
        sentences=sentences, labels=labels, summary=summary, place=PLACE
    )


def sentence(rng, most=6):
    return " ".join(rng.choice(WORDS[1:], rng.integers(1, most)))


def labelled_documents(count, seed=0):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 8, count)
    return [
        document(
            *(sentence(rng) for _ in range(size)),
            labels=tuple(rng.random(size) < 0.4),
        )
        for size in sizes
    ]


@pytest.mark.parametrize("layers", [0, 1])
def test_packed_batches_give_the_same_loss(layers):
    task = make_task(num_inter_sentence_layers=layers)
    examples = labelled_documents(9)
    encoded = task.encode(examples, VOCABULARY)
    assert len(encoded) > len(examples)  # Some documents are several windows.
    source = LabelledSource(encoded, 48, seed=0)
    check_packing_keeps_the_loss(
        task,
        make_predictor(task).model,
        source,
        batch_size=len(encoded),
        weight=sum(len(example.sentences) for example in examples),
    )


def test_batches_say_where_sentences_stand():
    task = make_task()
    examples = [
        document("red", "big cat runs", "new", labels=(True, False, True)),
        document("old " * 20, "dog", labels=(False, True)),
    ]
    encoded = task.encode(examples, VOCABULARY)
    assert encoded.num_cut == 1
    assert encoded.example_of.tolist() == [0, 1, 1]
    source = LabelledSource(encoded, 16, seed=None, examples=examples)
    batch = source.reader(replica_batch_size=3).read(0, 1)
    batch = {name: source.in_order(v[0, 0])[1] for name, v in batch.items()}

    assert set(batch) == {
        *("input_ids", "input_mask", "segment_ids", "cls_positions", "labels"),
        "example_weights",
    }
    assert batch["segment_ids"][0].tolist() == [0] * 3 + [1] * 5 + [0] * 8
    starts, labels = batch["cls_positions"], batch["labels"]
    assert starts.tolist() == [[0, 3, 8, *[0] * 5], [0] * 8, [0] * 8]
    assert labels[:, :3].tolist() == [[1, 0, 1], [0, -1, -1], [1, -1, -1]]
    assert (labels[:, 3:] == -1).all()
    tokens = np.take_along_axis(batch["input_ids"], starts, axis=1)
    assert (tokens == VOCABULARY.cls_id).all()
    assert batch["example_weights"][:, 0].tolist() == [1, 1, 1]


def test_all_processes_pad_alike():
    """One has the short documents, the other one the long one."""
    examples = [document(*["red"] * n, labels=(True,) * n) for n in (1, 1, 1, 14)]
    source = LabelledSource(
        make_task(48).encode(examples, VOCABULARY), 48, seed=None, examples=examples
    )
    shapes = [
        {
            name: values.shape
            for name, values in source.reader(
                replica_batch_size=2, num_replicas=2, local_replicas=range(i, i + 1)
            )
            .read(0, 1)
            .items()
        }
        for i in range(2)
    ]
    assert shapes[0] == shapes[1]
    assert shapes[0]["cls_positions"] == (1, 1, 2, 16)


def test_documents_are_scored_whole():
    task = make_task(max_sentences=2, block_trigrams=False)
    examples = [
        document(
            "red cat",
            "blue dog",
            "old house",
            labels=(True, False, True),
            summary="red cat\nold house",
        ),
        document(
            "big bird " * 5, "new tree", "green " * 9, labels=(False, True, False)
        ),
    ]
    source = task.held_out_source(examples, VOCABULARY)
    splits = source.encoded.cls_splits
    logits = np.array([3.0, 1.0, 2.0, 0.5, 5.0, -1.0], np.float32)
    scores = np.full([len(splits) - 1, 8], 9.0, np.float32)  # Padding must not count.
    for row, (first, last) in enumerate(zip(splits, splits[1:], strict=False)):
        scores[row, : last - first] = logits[first:last]

    found = task.score(source, {"scores": scores[source.order]})
    assert found["selection_f1"] == pytest.approx(2 * 3 / (3 + 4))
    # The second document's summary is its labelled sentence, 2 of the 12 words taken.
    second = 2 * (2 / 12) / (1 + 2 / 12)
    assert found["rouge1"] == pytest.approx((1 + second) / 2)
    one = task.score(source, {"scores": scores[source.order][:2]})
    assert one["rouge1"] == pytest.approx(second)
    baseline = task.baseline(source, source, 0)
    assert baseline["lead_rouge1"] == pytest.approx((0.5 + second) / 2)
    line = task.conclusion({**found, **baseline, "loss": 1.0})
    assert f"ROUGE-1 {found['rouge1']:.4f} (first 2 sentences: 0.3" in line


def test_predictions_have_their_places_in_the_text():
    text = "  Red cats run.\u3000A small dog sleeps!\n\n\tThe café 🐦 — new, old. "
    predictor = make_predictor(make_task(max_sentences=2))
    row, empty, listed = predictor.predict(
        [text, " \n", ["Red cats run.", "A small dog sleeps!"]]
    )
    assert len(row["probabilities"]) == 3 and len(row["selected"]) == 2
    for chosen in row["selected"]:
        assert text[chosen["start"] : chosen["end"]] == chosen["sentence"]
        assert chosen["probability"] == row["probabilities"][chosen["index"]]
    assert row["summary"] == " ".join(c["sentence"] for c in row["selected"])
    assert empty == {"summary": "", "selected": [], "probabilities": []}
    assert [c["start"] for c in listed["selected"]] == [None, None]
    assert listed["summary"] == "Red cats run. A small dog sleeps!"


def test_what_cannot_be_learned_is_refused():
    with pytest.raises(InputError, match="None of the 1 training documents has a"):
        ExtractiveSummarizationTask.describe(
            ExtractiveSummarizationSettings(), [document("a", labels=(False,))], 16
        )
    with pytest.raises(InputError, match="max_sentences` must be at least 1"):
        make_task(max_sentences=0)
    with pytest.raises(InputError, match="`classifier_dropout`: nothing is dropped"):
        make_task(classifier_dropout=0.1)
    with pytest.raises(InputError, match="num_inter_sentence_layers` must be at least"):
        make_task(num_inter_sentence_layers=-1)


@pytest.mark.slow
@pytest.mark.parametrize("block_trigrams", [True, False])
def test_the_signature_answers_as_predictions_do(block_trigrams):
    task = make_task(max_sentences=3, block_trigrams=block_trigrams)
    predictor = make_predictor(task)
    rng = np.random.default_rng(1)
    documents = [[sentence(rng, 9) for _ in range(n)] for n in (1, 12, 0, 5, 3)]
    documents += [
        ["Red cat runs old.", "RED cat, runs!", "red «cat runs» big", "dog"],
        ["red", "", "blue dog", "..."],
        ["the dog's new house", "a dog's new tree", "state-of-the-art cat"],
        ["Äpfel ÜBER alles", "äpfel über alles - ja", "心の猫 red", "心 の"],
    ]
    width = max(map(len, documents))
    filled = [d + [""] * (width - len(d)) for d in documents]

    endpoint = task.endpoints(predictor.model, BertTokenizer(VOCABULARY), 16)
    run = tf.function(endpoint["serving_default"].function)
    served = run({"sentences": tf.constant(filled)})

    expected = predictor.predict(documents, batch_size=2)
    for row, scores, indices in zip(
        expected, served["scores"].numpy(), served["indices"].numpy(), strict=True
    ):
        count = len(row["probabilities"])
        logits = np.log(row["probabilities"]) - np.log1p(
            -np.array(row["probabilities"])
        )
        np.testing.assert_allclose(scores[:count], logits, atol=1e-4)
        assert not scores[max(1, count) :].any()
        chosen = [chosen["index"] for chosen in row["selected"]]
        assert indices.tolist() == chosen + [-1] * (3 - len(chosen))
    nothing = run({"sentences": tf.zeros([0, 3], tf.string)})
    assert nothing["indices"].shape == (0, 3)


def test_trigrams_of_the_signature_are_pythons():
    """Pairs of sentences of which the second is blocked, or not."""
    pairs = [
        ("one two three", "One, two (three)!"),
        ("one two three", "one two four"),
        ("U.S. is big", "the U.S. is big"),
        ("don't stop now", "Don't stop now"),
        ("the cat's tail", "a cat's tail"),
        ("well-known old dog", "well known old dog"),
        ("$5 a day", "5 a day"),
        ("猫が好き", "猫が好"),
        ("猫犬鳥", "私猫犬鳥"),
        ("... one two", "one two"),
        ("a b c", "A B C D"),
    ]
    scores = np.array([[2.0, 1.0]] * len(pairs), np.float32)
    settings = ExtractiveSummarizationSettings(max_sentences=2)
    found = select(tf.constant(pairs), tf.constant(scores), settings).numpy()
    expected = [
        select_sentences(pair, score, 2)
        for pair, score in zip(pairs, scores, strict=True)
    ]
    assert [[i for i in row if i >= 0] for row in found.tolist()] == expected
    assert {len(row) for row in expected} == {1, 2}


def documents_with_summaries(count, seed=0):
    """The sentences that say "red" are the summary."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        sentences = [sentence(rng, 5) for _ in range(rng.integers(3, 7))]
        chosen = sorted(rng.choice(len(sentences), 2, replace=False))
        for index in chosen:
            sentences[index] += " red"
        summary = "\n".join(sentences[index] for index in chosen)
        rows.append({"sentences": sentences, "summary": summary})
    return rows


@pytest.mark.slow
def test_training_answers_and_exports_agree(tmp_path):
    checkpoint = write_pretrainer(tmp_path / "model", CONFIG, VOCABULARY)
    file = tmp_path / "documents.jsonl"
    rows = documents_with_summaries(200)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = FinetuningConfig(
        task=ExtractiveSummarizationSettings(
            max_sentences=2, num_inter_sentence_layers=1
        ),
        init_from=str(checkpoint),
        data=LabelledDataConfig(
            train=str(file),
            max_seq_length=24,
            global_batch_size=16,
            cache_dir="none",
            pack_examples=False,
        ),
        hidden_dropout_prob=0.0,
        num_train_epochs=30.0,
        evaluations_per_epoch=0.1,
    )
    config.optimizer.learning_rate = 3e-3
    workdir = tmp_path / "run"
    finetuning.train_and_evaluate(config.validate(), workdir)
    results = json.loads((workdir / "eval.json").read_text())
    assert results["rouge2"] > results["lead_rouge2"] + 0.2
    assert results["selection_f1"] > 0.8
    assert 'pipeline_tag: "summarization"' in (workdir / "README.md").read_text()
    assert "Where the sentences stand" in (workdir / "report.md").read_text()

    inputs = [row["sentences"] for row in documents_with_summaries(5, seed=1)]
    answers = bert_tf.load(workdir).predict(inputs)
    assert bert_tf.load(workdir, max_sentences=1).predict(inputs[:1])[0]["selected"]
    _, served, report = export_and_verify(tmp_path, workdir, file)
    filled = [sentences + [""] * (7 - len(sentences)) for sentences in inputs]
    found = served.signatures["serving_default"](sentences=tf.constant(filled))
    assert found["indices"].numpy().tolist() == [
        [chosen["index"] for chosen in row["selected"]] for row in answers
    ]
    assert report["keras"]["rouge2"] > 0.5
