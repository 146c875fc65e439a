"""The labelled data of `benchmarks.finetuning`, cut and written as users have it."""

import csv
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bert_tf.errors import InputError

TASKS = ("sentiment", "topics", "entities", "answers")

# Tokens of an example; of a window with its question for answers.
MAX_SEQ_LENGTH = {"sentiment": 128, "topics": 256, "entities": 128, "answers": 384}
# Tokens that two windows of a text share.
WINDOW_OVERLAP = 128

_SUFFIXES = {
    "sentiment": "csv",
    "topics": "csv",
    "entities": "conll",
    "answers": "json",
}
_HELD_OUT_SHARE = 0.1
_SEED = 0


def prepare(
    task: str,
    data_dir: Path,
    output_dir: Path,
    *,
    train_examples: int,
    eval_examples: int,
    model_dir: Path,
) -> tuple[Path, Path]:
    """Writes what every framework trains on and is scored on.

    Args:
        task: of `TASKS`.
        data_dir: holds `rotten_tomatoes.csv`, `20newsgroups-{train,test}.tab`,
            `conll2003/{train,valid}.txt`, `squad_shifts/{new_wiki,nyt}_v1.0.json`.
        output_dir: takes the two files.
        train_examples: so many drawn at random; windows for answers; 0 for all.
        eval_examples: so many texts, sentences or questions, of labels that occur among
            those to train on; 0 for all.
        model_dir: its `tokenizer.json` counts windows.

    Returns:
        Training and held-out file: CSV with the columns `text` and `label`, CoNLL with
        a word and its tag a line, or SQuAD 1.1 JSON.

    Raises:
        InputError: a file is missing.
    """
    read: Callable[[Path], tuple[list[Any], list[Any]]] = {
        "sentiment": _reviews,
        "topics": _newsgroups,
        "entities": _sentences,
        "answers": _questions,
    }[task]
    train, held_out = read(data_dir)
    if train_examples:
        if task == "answers":
            train = _up_to_windows(train, train_examples, model_dir)
        train = train[:train_examples]
    known = {label for example in train for label in _labels(task, example)}
    held_out = [e for e in held_out if known.issuperset(_labels(task, e))]
    held_out = held_out[: eval_examples or None]
    output_dir.mkdir(parents=True, exist_ok=True)
    suffix = _SUFFIXES[task]
    writers: dict[str, Callable[[Path, Any], None]] = {
        "csv": _write_csv,
        "conll": _write_conll,
        "json": _write_squad,
    }
    files = output_dir / f"train.{suffix}", output_dir / f"eval.{suffix}"
    for file, examples in zip(files, (train, held_out), strict=True):
        writers[suffix](file, examples)
    return files


def _labels(task: str, example: Any) -> list[str]:
    if task == "answers":
        return []
    return [tag for _, tag in example] if task == "entities" else [example[1]]


def _drawn(examples: list[Any]) -> list[Any]:
    """Returns the examples in an order that is random, and always the same."""
    random.Random(_SEED).shuffle(examples)
    return examples


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: no such file. --data_dir must hold the four data sets that "
            "benchmarks/finetuning_data.py names."
        ) from error


def _reviews(data_dir: Path) -> tuple[list[Any], list[Any]]:
    """Sentences of reviews, fresh or rotten, each sentence once."""
    lines = _text(data_dir / "rotten_tomatoes.csv").splitlines()
    rows = {
        row["text"]: row["category"]
        for row in csv.DictReader(lines)
        if row["text"].strip() and row["category"] != "plot"
    }
    examples = _drawn(list(rows.items()))
    split = round(len(examples) * (1.0 - _HELD_OUT_SHARE))
    return examples[:split], examples[split:]


def _newsgroups(data_dir: Path) -> tuple[list[Any], list[Any]]:
    """Messages and their newsgroup, as they have always been split."""
    splits = []
    for name in ("train", "test"):
        lines = _text(data_dir / f"20newsgroups-{name}.tab").splitlines()
        rows = [line.split("\t") for line in lines[3:] if line.strip()]
        splits.append(_drawn([(text, label) for label, text in rows if text.strip()]))
    return splits[0], splits[1]


def _sentences(data_dir: Path) -> tuple[list[Any], list[Any]]:
    """Sentences as pairs of word and tag."""
    splits = []
    for name in ("train", "valid"):
        blocks = _text(data_dir / "conll2003" / f"{name}.txt").split("\n\n")
        rows = [[line.split() for line in b.splitlines() if line] for b in blocks]
        sentences = [[(row[0], row[-1]) for row in sentence] for sentence in rows]
        splits.append(_drawn([s for s in sentences if s and s[0][0] != "-DOCSTART-"]))
    return splits[0], splits[1]


def _questions(data_dir: Path) -> tuple[list[Any], list[Any]]:
    """Questions with their text, whose answers all stand where they are said to."""
    splits = []
    for name in ("new_wiki", "nyt"):
        data = json.loads(_text(data_dir / "squad_shifts" / f"{name}_v1.0.json"))[
            "data"
        ]
        questions = [
            (paragraph["context"], question)
            for article in data
            for paragraph in article["paragraphs"]
            for question in paragraph["qas"]
        ]
        splits.append(_drawn([q for q in questions if _stand(*q)]))
    return splits[0], splits[1]


def _stand(context: str, question: dict[str, Any]) -> bool:
    return all(
        context.startswith(answer["text"], answer["answer_start"])
        for answer in question["answers"]
    )


def _up_to_windows(
    questions: Sequence[Any], num_windows: int, model_dir: Path
) -> list[Any]:
    """Returns as many questions as fit into so many windows."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model_dir / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(
        MAX_SEQ_LENGTH["answers"], stride=WINDOW_OVERLAP, strategy="only_second"
    )
    taken = []
    for context, question in questions:
        encoding = tokenizer.encode(question["question"], context)
        num_windows -= 1 + len(encoding.overflowing)
        if num_windows < 0:
            break
        taken.append((context, question))
    return taken


def _write_csv(path: Path, examples: Sequence[tuple[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows(examples)


def _write_conll(path: Path, sentences: Sequence[Sequence[tuple[str, str]]]) -> None:
    blocks = ("\n".join(f"{word} {tag}" for word, tag in s) for s in sentences)
    path.write_text("\n\n".join(blocks) + "\n", encoding="utf-8")


def _write_squad(path: Path, questions: Sequence[tuple[str, dict[str, Any]]]) -> None:
    paragraphs = [{"context": context, "qas": [qa]} for context, qa in questions]
    data = {"version": "1.1", "data": [{"title": "", "paragraphs": paragraphs}]}
    path.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
