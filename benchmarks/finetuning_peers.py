"""The peer of `benchmarks.finetuning`: Hugging Face's Trainer, in PyTorch.

A process of its own for each run, which is given as JSON; the answer is a line of JSON.
What is done to examples follows Hugging Face's `run_glue.py`, `run_ner.py` and
`run_qa.py`: their defaults ("padded": every example padded to the maximum) or the best
that its options give ("dynamic": padded to the longest of the batch, examples of like
length together).
"""

import csv
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmarks.finetuning_answers import best_answers, windows
from benchmarks.finetuning_work import Result, Run
from bert_tf.metrics.classification import classification_metrics
from bert_tf.metrics.squad import squad_v1_metrics
from bert_tf.metrics.tagging import tagging_metrics

SETTINGS = ("padded", "dynamic")

# Of word pieces that have no tag of their own.
_IGNORED = -100

Feature = dict[str, Any]
Score = Callable[[Any], dict[str, float]]


@dataclasses.dataclass(frozen=True)
class Work:
    """A task, ready for the Trainer.

    Attributes:
        model_class: name in `transformers`.
        labels: their names; empty where there are none.
        train: tokenized examples.
        held_out: likewise.
        score: of the Trainer's predictions for `held_out`.
    """

    model_class: str
    labels: Sequence[str]
    train: list[Feature]
    held_out: list[Feature]
    score: Score


def classification(run: Run, tokenizer: Any, padding: Any) -> Work:
    """One label a text."""
    rows = [_csv_rows(path) for path in (run.train_file, run.eval_file)]
    labels = sorted({label for _, label in rows[0]})

    def features(pairs: Sequence[tuple[str, str]]) -> list[Feature]:
        encoded = tokenizer(
            [text for text, _ in pairs],
            truncation=True,
            max_length=run.max_seq_length,
            padding=padding,
        )
        return _rows(encoded, labels=[labels.index(label) for _, label in pairs])

    held_out = features(rows[1])
    truth = np.array([feature["labels"] for feature in held_out])
    return Work(
        "AutoModelForSequenceClassification",
        labels,
        features(rows[0]),
        held_out,
        lambda logits: classification_metrics(logits, truth),
    )


def entities(run: Run, tokenizer: Any, padding: Any) -> Work:
    """A tag a word, learned and predicted at its first piece."""
    splits = [_conll_sentences(path) for path in (run.train_file, run.eval_file)]
    labels = sorted({tag for sentence in splits[0] for _, tag in sentence})

    def features(sentences: Sequence[Sequence[tuple[str, str]]]) -> list[Feature]:
        encoded = tokenizer(
            [[word for word, _ in sentence] for sentence in sentences],
            is_split_into_words=True,
            truncation=True,
            max_length=run.max_seq_length,
            padding=padding,
        )
        return _rows(
            encoded,
            labels=[
                [
                    labels.index(sentence[word][1]) if first else _IGNORED
                    for word, first in _first_pieces(encoded.word_ids(i))
                ]
                for i, sentence in enumerate(sentences)
            ],
        )

    held_out = features(splits[1])

    def score(logits: np.ndarray) -> dict[str, float]:
        predictions, truth = [], []
        for row, feature, sentence in zip(logits, held_out, splits[1], strict=True):
            pieces = np.flatnonzero(np.array(feature["labels"]) != _IGNORED)
            tags = [labels[i] for i in row[pieces].argmax(axis=-1)]
            # Words cut off have no prediction, and count as none.
            predictions.append(tags + ["O"] * (len(sentence) - len(tags)))
            truth.append([tag for _, tag in sentence])
        return tagging_metrics(predictions, truth)

    return Work(
        "AutoModelForTokenClassification", labels, features(splits[0]), held_out, score
    )


def answers(run: Run, tokenizer: Any, padding: Any) -> Work:
    """The first and last token of an answer in its text."""
    train, held_out = (_squad_questions(f) for f in (run.train_file, run.eval_file))
    held_out_windows = windows(held_out, tokenizer, padding, run.max_seq_length)

    def score(logits: Sequence[np.ndarray]) -> dict[str, float]:
        texts = best_answers(held_out, held_out_windows, logits[0], logits[1])
        truth = [[a["text"] for a in qa["answers"]] for _, qa in held_out]
        return squad_v1_metrics(texts, truth)

    return Work(
        "AutoModelForQuestionAnswering",
        (),
        [w.feature for w in windows(train, tokenizer, padding, run.max_seq_length)],
        [w.feature for w in held_out_windows],
        score,
    )


WORKS = {
    "sentiment": classification,
    "topics": classification,
    "entities": entities,
    "answers": answers,
}


def fine_tune(run: Run, setting: str, started: float) -> Result:
    """Trains, scores and predicts.

    Args:
        run: what to do.
        setting: of `SETTINGS`.
        started: `time.perf_counter` when the process began.
    """
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    transformers.set_seed(run.seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(run.model_dir)
    padding = "max_length" if setting == "padded" else False
    work = WORKS[run.task](run, tokenizer, padding)
    names = dict(enumerate(work.labels))
    model = getattr(transformers, work.model_class).from_pretrained(
        run.model_dir,
        **({"id2label": names} if names else {}),
    )
    collator = (
        transformers.DataCollatorForTokenClassification(tokenizer)
        if run.task == "entities"
        else transformers.DataCollatorWithPadding(tokenizer)
    )
    trainer = transformers.Trainer(
        model=model,
        args=_arguments(run, setting, len(work.train)),
        train_dataset=work.train,
        data_collator=collator,
    )
    begin = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - begin
    # Or it would predict in another order, too, and not say in which.
    trainer.args.train_sampling_strategy = "random"
    predicted = trainer.predict(cast(Any, work.held_out)).predictions
    metrics = work.score(predicted)
    total = time.perf_counter() - started
    rate = None
    if run.task in ("sentiment", "topics"):
        texts = [text for text, _ in _csv_rows(run.eval_file)]
        rate = _prediction_rate(run, trainer.model, tokenizer, texts)
    examples = len(work.train)
    return Result(
        metrics=metrics,
        train_examples=examples,
        train_seconds=seconds,
        train_examples_per_second=examples * run.num_epochs / seconds,
        total_seconds=total,
        predict_examples_per_second=rate,
    )


def _arguments(run: Run, setting: str, num_examples: int) -> Any:
    import transformers

    steps = -(-num_examples // run.batch_size) * run.num_epochs
    return transformers.TrainingArguments(
        output_dir=run.output_dir,
        per_device_train_batch_size=run.batch_size,
        per_device_eval_batch_size=run.predict_batch_size,
        num_train_epochs=run.num_epochs,
        learning_rate=run.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=round(steps * run.warmup_share),
        weight_decay=run.weight_decay,
        max_grad_norm=run.max_grad_norm,
        train_sampling_strategy="group_by_length" if setting == "dynamic" else "random",
        bf16=run.precision == "bfloat16",
        use_cpu=True,
        seed=run.seed,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def _prediction_rate(
    run: Run, model: Any, tokenizer: Any, texts: Sequence[str]
) -> float:
    """Returns how many texts a second its pipeline classifies."""
    import torch
    import transformers

    if run.precision == "bfloat16":
        model = model.to(torch.bfloat16)
    pipeline = transformers.pipeline(
        "text-classification",
        model=model,
        tokenizer=tokenizer,
        batch_size=run.predict_batch_size,
        truncation=True,
        max_length=run.max_seq_length,
        device="cpu",
    )
    pipeline(list(texts[: run.predict_batch_size]))
    begin = time.perf_counter()
    pipeline(list(texts))
    return len(texts) / (time.perf_counter() - begin)


def _rows(encoded: Any, labels: Sequence[Any]) -> list[Feature]:
    """Turns a tokenizer's columns into a dictionary an example."""
    columns = {**encoded, "labels": labels}
    return [
        dict(zip(columns, values, strict=True))
        for values in zip(*columns.values(), strict=True)
    ]


def _first_pieces(word_ids: Sequence[int | None]) -> list[tuple[int, bool]]:
    """Returns each piece's word, and whether it is the word's first piece."""
    before = [None, *word_ids[:-1]]
    return [
        (word or 0, word is not None and word != previous)
        for word, previous in zip(word_ids, before, strict=True)
    ]


def _csv_rows(path: str) -> list[tuple[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return [(row["text"], row["label"]) for row in csv.DictReader(file)]


def _conll_sentences(path: str) -> list[list[tuple[str, str]]]:
    blocks = Path(path).read_text(encoding="utf-8").strip("\n").split("\n\n")
    pairs = [[line.split(" ") for line in block.split("\n")] for block in blocks]
    return [[(word, tag) for word, tag in sentence] for sentence in pairs]


def _squad_questions(path: str) -> list[tuple[str, dict[str, Any]]]:
    data = json.loads(Path(path).read_text(encoding="utf-8"))["data"]
    return [
        (paragraph["context"], question)
        for article in data
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]


def main(argv: Sequence[str]) -> None:
    """Does the run of the second argument in the setting of the first."""
    started = time.perf_counter()
    _, setting, run = argv
    result = fine_tune(Run(**json.loads(run)), setting, started)
    print("result", json.dumps(dataclasses.asdict(result)), flush=True)


if __name__ == "__main__":
    main(sys.argv)
