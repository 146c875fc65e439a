"""The data that all frameworks get, and what Hugging Face makes of them."""

import csv
import json
import subprocess
import sys
import time

import numpy as np
import pytest

from benchmarks import finetuning_answers, finetuning_data, finetuning_peers
from benchmarks.finetuning_work import HEADLINE, Run

WORDS = "alpha beta gamma delta good bad Paris Rome lives in who where ? .".split()


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    """A Hugging Face folder with a BERT of 8 dimensions."""
    import transformers

    folder = tmp_path_factory.mktemp("model")
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(str.lower, WORDS)]
    tokens += ["##s", *"abcdefgh"]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    tokenizer = transformers.BertTokenizerFast(
        {token: i for i, token in enumerate(tokens)}, model_max_length=512
    )
    tokenizer.save_pretrained(folder)
    transformers.BertModel(
        transformers.BertConfig(
            vocab_size=len(tokens),
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=384,
        )
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """The four data sets in their own formats, small."""
    folder = tmp_path_factory.mktemp("data")
    with (folder / "rotten_tomatoes.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["category", "text", "movie_name", "has_plot_and_reviews"])
        writer.writerow(["plot", "alpha, beta", "x", "True"])
        writer.writerow(["fresh", "", "x", "True"])
        for i in range(40):
            label, word = ("fresh", "good") if i % 2 else ("rotten", "bad")
            row = [label, f'{word} "{WORDS[i % 4]}", {i}', "x", "True"]
            writer.writerows([row, row])
    for name in ("train", "test"):
        rows = [f"group.{i % 3}\talpha {WORDS[i % 5]} {i}" for i in range(12)]
        text = "\n".join(["Category\tText", "d\tstring", "class\t", "", *rows])
        (folder / f"20newsgroups-{name}.tab").write_text(text + "\n")
    (folder / "conll2003").mkdir()
    sentence = "Paris NNP I-NP B-LOC\nRome NNP I-NP I-LOC\nlives V B-VP O"
    for name in ("train", "valid"):
        text = "\n\n".join(["-DOCSTART- -X- -X- O", *[sentence] * 10])
        (folder / "conll2003" / f"{name}.txt").write_text(text + "\n\n")
    (folder / "squad_shifts").mkdir()
    for name in ("new_wiki", "nyt"):
        questions = [
            {
                "id": f"{name}-{i}",
                "question": " who lives in Rome ?",
                "answers": [{"text": "alpha  beta", "answer_start": 5 + (i == 3)}],
            }
            for i in range(10)
        ]
        context = "Rome alpha  beta. " + "gamma delta " * 300
        paragraphs = [{"context": context, "qas": questions}]
        (folder / "squad_shifts" / f"{name}_v1.0.json").write_text(
            json.dumps({"version": "1.1", "data": [{"paragraphs": paragraphs}]})
        )
    return folder


def prepare(task, data_dir, model_dir, output_dir, train=0, held_out=0):
    return finetuning_data.prepare(
        task,
        data_dir,
        output_dir,
        train_examples=train,
        eval_examples=held_out,
        model_dir=model_dir,
    )


def read_csv(path):
    with path.open(newline="") as file:
        return [tuple(row.values()) for row in csv.DictReader(file)]


@pytest.mark.slow
def test_reviews_are_split_without_overlap(data_dir, model_dir, tmp_path):
    files = prepare("sentiment", data_dir, model_dir, tmp_path / "a")
    train, held_out = map(read_csv, files)
    # 40 sentences, each twice, without plots and empty texts; a tenth is held out.
    assert len(train) == 36 and len(held_out) == 4
    assert len({text for text, _ in train + held_out}) == 40
    assert {label for _, label in train} == {"fresh", "rotten"}
    again = prepare("sentiment", data_dir, model_dir, tmp_path / "b")
    assert [f.read_bytes() for f in files] == [f.read_bytes() for f in again]
    fewer = prepare("sentiment", data_dir, model_dir, tmp_path / "c", 10, 2)
    assert [read_csv(f) for f in fewer] == [train[:10], held_out[:2]]


def test_held_out_examples_have_labels_that_are_trained(data_dir, model_dir, tmp_path):
    files = prepare("topics", data_dir, model_dir, tmp_path, train=1)
    train, held_out = map(read_csv, files)
    assert len(train) == 1 and len(held_out) == 4
    assert {label for _, label in held_out} == {train[0][1]}


def test_sentences_keep_words_and_tags(data_dir, model_dir, tmp_path):
    train, _ = prepare("entities", data_dir, model_dir, tmp_path, train=2)
    assert train.read_text().split("\n\n") == [
        "Paris B-LOC\nRome I-LOC\nlives O",
        "Paris B-LOC\nRome I-LOC\nlives O\n",
    ]


def test_answers_are_counted_in_windows(data_dir, model_dir, tmp_path):
    train, held_out = prepare("answers", data_dir, model_dir, tmp_path, train=7)
    # Nine of ten answers stand where they are said to; a text of 604 tokens beside a
    # question of 5 takes two windows, of 376 tokens of it each, that share 128.
    assert len(finetuning_peers._squad_questions(held_out)) == 9
    questions = finetuning_peers._squad_questions(train)
    assert len(questions) == 3
    tokenizer = load_tokenizer(model_dir)
    assert len(finetuning_answers.windows(questions, tokenizer, False, 384)) == 6


def load_tokenizer(model_dir):
    import transformers

    return transformers.AutoTokenizer.from_pretrained(model_dir)


@pytest.mark.parametrize("padding", [False, "max_length"])
def test_answers_are_found_where_they_were_placed(
    data_dir, model_dir, tmp_path, padding
):
    _, held_out = prepare("answers", data_dir, model_dir, tmp_path, held_out=2)
    questions = finetuning_peers._squad_questions(held_out)
    cut = finetuning_answers.windows(questions, load_tokenizer(model_dir), padding, 384)
    starts, ends = np.full((2, len(cut), 384), -9.0)
    for i, window in enumerate(cut):
        start = window.feature["start_positions"]
        end = window.feature["end_positions"]
        assert (start > 0) == (window.offsets[1:, 0] == 5).any()
        # Where there is no answer, [CLS] is surest, and gives none.
        starts[i, start], ends[i, end] = (5.0, 5.0) if start else (9.0, 9.0)
    found = finetuning_answers.best_answers(questions, cut, starts, ends)
    assert found == ["alpha  beta"] * 2


def test_words_cut_into_pieces_are_tagged_once():
    assert finetuning_peers._first_pieces([None, 0, 0, 1, None]) == [
        (0, False),
        (0, True),
        (0, False),
        (1, True),
        (0, False),
    ]


@pytest.mark.parametrize("padding", [False, "max_length"])
@pytest.mark.parametrize(("max_seq_length", "recall"), [(32, 1.0), (3, 0.5)])
def test_right_tags_score_as_right(
    data_dir, model_dir, tmp_path, padding, max_seq_length, recall
):
    sentence = "Paris B-LOC\nRomes B-LOC\nlives O\n"  # Of one, two and one pieces.
    (tmp_path / "x.conll").write_text(sentence)
    path = str(tmp_path / "x.conll")
    run = Run("entities", path, path, str(model_dir), "", 1, max_seq_length)
    work = finetuning_peers.entities(run, load_tokenizer(model_dir), padding)
    (feature,) = work.held_out
    labels = np.array(feature["labels"])
    assert labels[labels >= 0].tolist() == [0, 0, 1][: max_seq_length - 2]
    logits = np.eye(2)[np.maximum(labels, 0)][None]
    # Words that were cut off count as not found.
    assert work.score(logits)["recall"] == recall


@pytest.mark.slow
@pytest.mark.parametrize("setting", finetuning_peers.SETTINGS)
@pytest.mark.parametrize("task", finetuning_data.TASKS)
def test_hugging_face_runs(data_dir, model_dir, tmp_path, task, setting):
    train, held_out = prepare(task, data_dir, model_dir, tmp_path, 8, 4)
    run = Run(
        task=task,
        train_file=str(train),
        eval_file=str(held_out),
        model_dir=str(model_dir),
        output_dir=str(tmp_path / "run"),
        seed=1,
        max_seq_length=384 if task == "answers" else 32,
        batch_size=4,
        num_epochs=1,
    )
    result = finetuning_peers.fine_tune(run, setting, time.perf_counter())
    assert 0.0 <= result.metrics[HEADLINE[task]] <= 1.0
    assert result.train_examples == 8
    assert result.train_examples_per_second > 0
    predicts = task in ("sentiment", "topics")
    assert (result.predict_examples_per_second is not None) == predicts


def test_data_that_are_not_there(model_dir, tmp_path):
    result = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.finetuning"),
            *(f"--data_dir={tmp_path}", f"--model_dir={model_dir}"),
        ],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    line = result.stderr.splitlines()[-1]
    assert "rotten_tomatoes.csv: no such file. --data_dir must hold" in line
