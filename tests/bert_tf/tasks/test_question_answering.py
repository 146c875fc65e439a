"""Answers from contexts: windows, the loss, the scores, and the whole way."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from bert_tf.errors import InputError
from bert_tf.labelled.examples import Answer, Place, QuestionExample
from bert_tf.labelled.source import LabelledSource
from bert_tf.prediction import predictor
from bert_tf.tasks.answer_rows import answer_row
from bert_tf.tasks.question_answering import QuestionAnsweringTask
from bert_tf.tasks.settings import QuestionAnsweringSettings
from bert_tf.text.answer_spans import AnswerScores, ScoredAnswer
from bert_tf.text.special_tokens import SPECIAL_TOKENS
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary
from export.checkpoint import pretrained
from export.saved_model import saving

WORDS = "who is it anna bert ##ram smith went to the sea and saw é . , a".split()
SETTINGS = QuestionAnsweringSettings(
    doc_stride=5, max_query_length=4, max_answer_length=4, n_best_size=5
)
LENGTH = 16


def vocabulary():
    return Vocabulary.from_entries([*SPECIAL_TOKENS, *WORDS], TokenizerConfig())


def toy_question(rng, number, share_answered=0.7):
    words = rng.choice("went to the sea and saw é . , a".split(), rng.integers(2, 18))
    words, answers = words.tolist(), []
    if rng.random() < share_answered:
        name = rng.choice(["Anna", "Bertram", "Anna Smith", "Bertram  Smith"])
        words.insert(rng.integers(len(words) + 1), name)
        start = len(" ".join(words[: words.index(name)] + [""]))
        answers = [Answer(str(name), start)]
    context = " ".join(words)
    return QuestionExample(
        id=str(number),
        question="who is it",
        context=context,
        answers=tuple(answers),
        place=Place("toy.json", number, "question"),
    )


def write_squad(path, questions):
    paragraphs = [
        {
            "context": q.context,
            "qas": [
                {
                    "id": q.id,
                    "question": q.question,
                    "is_impossible": not q.answers,
                    "answers": [
                        {"text": a.text, "answer_start": a.start} for a in q.answers
                    ],
                }
            ],
        }
        for q in questions
    ]
    path.write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    return path


def toy_questions(count, **settings):
    rng = np.random.default_rng(0)
    return [toy_question(rng, number, **settings) for number in range(1, count + 1)]


def toy_task(examples):
    description = QuestionAnsweringTask.describe(SETTINGS, examples, LENGTH)
    return QuestionAnsweringTask(description)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory, write_model, finetune):
    folder = tmp_path_factory.mktemp("answers")
    questions = toy_questions(300)
    return finetune(
        SETTINGS,
        write_model(folder / "model", WORDS),
        write_squad(folder / "train.json", questions[:240]),
        write_squad(folder / "valid.json", questions[240:]),
        max_seq_length=LENGTH,
        epochs=6.0,
    )


@pytest.mark.parametrize("pack", [False, True])
def test_the_loss_looks_at_a_window_alone_packed_or_not(pack):
    examples = toy_questions(8)
    task = toy_task(examples)
    encoded = task.encode(examples, vocabulary())
    assert len(encoded) > len(examples)
    source = LabelledSource(encoded, 3 * LENGTH, seed=0 if pack else None)
    read = source.reader(replica_batch_size=len(encoded), pack=pack).read(0, 1)
    batch = {name: value[0, 0] for name, value in read.items() if name != "num_rows"}
    # Logits that depend on the token and its place in the sequence alone.
    rng = np.random.default_rng(1)
    tables = rng.standard_normal((2, 100), np.float32)
    places = batch.get("position_ids", np.arange(batch["input_ids"].shape[1]))
    outputs = {
        name: tf.constant(table[batch["input_ids"]] + table[places + 40])
        for name, table in zip(("start_logits", "end_logits"), tables, strict=True)
    }
    constant = {name: tf.constant(value) for name, value in batch.items()}
    assert float(task.weights(constant)["span"]) == len(encoded)

    expected = 0.0
    for number, positions in enumerate(encoded.targets["answer_positions"]):
        ids = encoded.input_ids[slice(*encoded.starts[number : number + 2])]
        for table, position in zip(tables, positions, strict=True):
            scores = (table[ids] + table[np.arange(len(ids)) + 40]).astype(np.float64)
            expected += (np.log(np.exp(scores).sum()) - scores[position]) / 2
    loss = float(task.sums(outputs, constant)["span_loss"])
    assert loss == pytest.approx(expected, rel=1e-5)


def test_perfect_logits_score_perfectly_and_a_part_of_the_questions_too():
    examples = toy_questions(30)
    task = toy_task(examples)
    source = task.held_out_source(examples, vocabulary())
    order = source.order
    positions = source.encoded.targets["answer_positions"][order]
    predictions = {
        name: 5.0 * np.eye(LENGTH, dtype=np.float32)[positions[:, side]]
        for side, name in enumerate(("start_logits", "end_logits"))
    }
    # A window that has the answer has it surely; the others know nothing of it.
    assert task.score(source, predictions)["exact_match"] == 1.0
    some = source.num_positions(7)
    part = {name: value[:some] for name, value in predictions.items()}
    found = task._found(source, part)
    assert len(found) == 7
    assert task.score(source, part)["f1"] == 1.0


def test_it_learns_and_says_where_answers_stand(workdir):
    results = json.loads((workdir / "eval.json").read_text())
    assert results["f1"] > 0.9 > results["never_answering_f1"]
    assert results["train_examples"] == 240, "questions, not their windows"
    assert "## Held-out predictions" in (workdir / "report.md").read_text()
    context = "é went to the sea and saw the a and  Bertram  Smith, and a sea. " * 2
    empty = {"question": "Who is it?", "context": "a sea"}
    answers = predictor.load(workdir).predict(
        [{"question": "Who is it?", "context": context}, empty]
    )
    best = answers[0]
    assert best["answer"] == "Bertram  Smith"
    assert context[best["start"] : best["end"]] == best["answer"]
    assert all(context[a["start"] : a["end"]] == a["text"] for a in best["n_best"])
    total = sum(a["probability"] for a in best["n_best"])
    assert best["probability"] == best["n_best"][0]["probability"] < total <= 1.0
    assert (answers[1]["answer"], answers[1]["start"]) == ("", None)


def test_an_export_answers_as_prediction_does_in_windows(workdir, tmp_path):
    from bert_tf.checkpoints.workdir import resolve_checkpoint

    trained = pretrained.load(resolve_checkpoint(str(workdir)))
    saving.save(tmp_path / "saved", trained)
    serve = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    asked = [
        {"question": q.question * (1 + n % 2), "context": q.context}
        for n, q in enumerate(toy_questions(40, share_answered=0.8))
    ]
    asked.append({"question": "", "context": ""})
    given = serve(
        question=tf.constant([q["question"] for q in asked]),
        context=tf.constant([q["context"] for q in asked]),
    )
    given = {name: value.numpy() for name, value in given.items()}
    expected = predictor.load(workdir).predict(asked)
    assert any(row["answer"] for row in expected)
    for number, row in enumerate(expected):
        assert given["answer"][number].decode() == row["answer"]
        span = (given["start"][number], given["end"][number])
        assert span == (row["start"] or 0, row["end"] or 0)
        if row["n_best"]:
            score = row["n_best"][0]["score"]
            assert given["score"][number] == pytest.approx(score, abs=1e-3)
            assert given["null_score_difference"][number] == pytest.approx(
                row["null_score_difference"], abs=1e-3
            )


def test_rows_have_the_same_fields_without_a_context_to_answer_from():
    answer = ScoredAnswer("a", 0, 1, score=1.0, probability=0.6)
    full, empty = (AnswerScores(n_best, 0.5) for n_best in ((answer,), ()))
    assert answer_row(full, 0.0).keys() == answer_row(empty, 0.0).keys()


def test_without_unanswered_questions_there_is_always_an_answer():
    examples = toy_questions(6, share_answered=1.0)
    task = toy_task(examples)
    encoded = task.encode(examples, vocabulary())
    sure_of_none = np.zeros((len(encoded), LENGTH), np.float32)
    sure_of_none[:, 0] = 100.0
    logits = {"start_logits": sure_of_none, "end_logits": sure_of_none}
    assert all(row["answer"] for row in task.decode(examples, encoded, logits))
    unanswered = dataclasses.replace(examples[3], answers=())
    with pytest.raises(InputError, match="toy.json: question 4: .* has no answer, but"):
        task.encode([*examples[:3], unanswered], vocabulary())


def test_bad_input_is_named(workdir):
    from bert_tf.checkpoints.workdir import resolve_checkpoint

    nothing = [dataclasses.replace(q, answers=()) for q in toy_questions(3)]
    with pytest.raises(InputError, match="None of the 3 training questions has"):
        QuestionAnsweringTask.describe(SETTINGS, nothing, LENGTH)
    with pytest.raises(InputError, match="doc_stride` must be at least 1"):
        dataclasses.replace(SETTINGS, doc_stride=0).validate()
    with pytest.raises(InputError, match="question answering takes a text, a pair"):
        predictor.load(workdir).predict(["who is it"])
    trained = pretrained.load(resolve_checkpoint(str(workdir)), 7)
    with pytest.raises(InputError, match="must be more than 7"):
        saving.save(workdir / "unused", trained)
