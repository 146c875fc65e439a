"""Measures what text goes through before it is ids, beside other libraries.

`job` learns a vocabulary from the text repeated with misspellings to 100 MB, as a
whole process, twice with different numbers of threads, and compares the bytes.
`tokenizers` runs our tokenizer, Hugging Face's and tf-text's own in turns over the same
lines. `splitters` joins the sentences of the text to paragraphs and asks each library
that is installed to find them again.

Example:
    python -m benchmarks.vocabulary --measure=tokenizers --input_file=text.txt
"""

import importlib
import itertools
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from absl import flags

from bert_tf.cli import jobs
from bert_tf.storage.input_files import find_input_files
from bert_tf.text.special_tokens import UNK
from bert_tf.text.tokenization import MAX_BYTES_PER_WORD, BertTokenizer, WordSplitter
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary
from data_prep import vocabulary
from data_prep.corpus import (
    CorpusOptions,
    read_documents,
)
from data_prep.input_report import InputReport

_MEASURE = flags.DEFINE_enum(
    "measure", "tokenizers", ("job", "tokenizers", "splitters"), "What to measure."
)
_INPUT_FILE = flags.DEFINE_string(
    "input_file", None, "Text, a sentence a line, blank lines between documents."
)

_JOB_BYTES = 100_000_000
_BATCH_LINES = 512
_ROUNDS = 5
_PARAGRAPH_SENTENCES = 8


def main(argv: Sequence[str]) -> None:
    """Prints the measurement."""
    del argv
    files = find_input_files(_INPUT_FILE.value or "")
    documents = list(read_documents(files, CorpusOptions(), InputReport()))
    if _MEASURE.value == "job":
        _measure_job([line for document in documents for line in [*document, ""]])
    elif _MEASURE.value == "tokenizers":
        _measure_tokenizers([line for document in documents for line in document])
    else:
        _measure_splitters(documents)


def _measure_job(lines: list[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        text_file = Path(scratch) / "text.txt"
        with open(text_file, "w", encoding="utf-8") as stream:
            size = 0
            for line in _with_misspellings(itertools.cycle(lines)):
                size += stream.write(f"{line}\n")
                if size > _JOB_BYTES:
                    break
        results = set()
        for threads in ("1", "2"):
            output_file = Path(scratch) / threads / "vocab.txt"
            start = time.perf_counter()
            subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "data_prep.create_vocabulary",
                    f"--input_file={text_file}",
                    f"--output_file={output_file}",
                ],
                env={**os.environ, "RAYON_NUM_THREADS": threads},
                stderr=subprocess.DEVNULL,
                check=True,
            )
            seconds = time.perf_counter() - start
            results.add(output_file.read_bytes())
            print(
                f"{threads} threads: {seconds:.1f} s, {size / 1e6 / seconds:.1f} MB/s"
            )
        print(f"the same bytes: {len(results) == 1}")


def _with_misspellings(lines: Iterable[str]) -> Iterator[str]:
    """One word in a hundred with another letter, so that new words keep coming."""
    generator = random.Random(0)
    for line in lines:
        words = line.split(" ")
        for index, word in enumerate(words):
            if len(word) > 3 and generator.random() < 0.01:
                at = generator.randrange(len(word))
                letter = generator.choice("abcdefghijklmnopqrstuvwxyz")
                words[index] = word[:at] + letter + word[at + 1 :]
        yield " ".join(words)


def _measure_tokenizers(lines: list[str]) -> None:
    # One thread each: Hugging Face's would otherwise take every core.
    os.environ["RAYON_NUM_THREADS"] = "1"
    import tensorflow as tf
    import tensorflow_text as tf_text
    from tokenizers import BertWordPieceTokenizer

    config, splitter = TokenizerConfig(), WordSplitter(TokenizerConfig())
    words = vocabulary.count_words(lines, splitter)
    alphabet = vocabulary.choose_alphabet(words, splitter, 1.0, 10_000)
    entries = vocabulary.train(words, alphabet, 30_522)
    ours = BertTokenizer(Vocabulary.from_entries(entries, config))
    theirs = BertWordPieceTokenizer({entry: n for n, entry in enumerate(entries)})
    stock = tf_text.FastBertTokenizer(
        entries,
        max_bytes_per_word=MAX_BYTES_PER_WORD,
        token_out_type=tf.int32,
        unknown_token=UNK,
        lower_case_nfd_strip_accents=True,
    )
    tokenizers: dict[str, Callable[[list[str]], object]] = {
        "ours": lambda batch: ours.tokenize(batch),
        "tf-text": lambda batch: stock.tokenize(batch),
        "Hugging Face": lambda batch: theirs.encode_batch(
            batch, add_special_tokens=False
        ),
    }
    starts = range(0, len(lines), _BATCH_LINES)
    batches = [lines[start : start + _BATCH_LINES] for start in starts]
    size = sum(len(line.encode()) for line in lines)
    rates: dict[str, list[float]] = {name: [] for name in tokenizers}
    for _ in range(_ROUNDS):
        for name, tokenize in tokenizers.items():
            start = time.perf_counter()
            for batch in batches:
                tokenize(batch)
            rates[name].append(size / 1e6 / (time.perf_counter() - start))
    for name, values in rates.items():
        print(f"{name:12} {statistics.median(values):6.1f} MB/s")
    expected = [
        encoding.ids
        for encoding in theirs.encode_batch(lines, add_special_tokens=False)
    ]
    for name, ids in (
        ("ours", ours.tokenize(lines)),
        ("tf-text", stock.tokenize(lines)),
    ):
        different = sum(a != b for a, b in zip(ids.to_list(), expected, strict=True))
        print(
            f"{name} differs from Hugging Face on {different} of {len(lines):,} lines"
        )


def _measure_splitters(documents: list[list[str]]) -> None:
    paragraphs = [
        document[start : start + _PARAGRAPH_SENTENCES]
        for document in documents
        for start in range(0, len(document), _PARAGRAPH_SENTENCES)
    ][:2000]
    for name in _SPLITTERS:
        try:
            split = _SPLITTERS[name]()
        except ImportError:
            print(f"{name:10} not installed")
            continue
        # The slow ones would take minutes for what a part shows.
        part = paragraphs[:100] if name == "pysbd" else paragraphs
        size, seconds, right, found, wanted = 0, 0.0, 0, 0, 0
        for sentences in part:
            text = " ".join(sentences)
            start_time = time.perf_counter()
            result = split(text)
            seconds += time.perf_counter() - start_time
            size += len(text.encode())
            ends, true_ends = _ends(result), _ends(sentences)
            right += len(ends & true_ends)
            found, wanted = found + len(ends), wanted + len(true_ends)
        print(
            f"{name:10} {size / 1e6 / seconds:7.2f} MB/s, "
            f"F1 of sentence ends {2 * right / (found + wanted):.4f}"
        )


def _ends(sentences: Iterable[str]) -> set[int]:
    """Where sentences end, in characters that are not blanks."""
    return set(
        itertools.accumulate(len("".join(sentence.split())) for sentence in sentences)
    )


def _sentencex() -> Callable[[str], Iterable[str]]:
    module = importlib.import_module("sentencex")
    return lambda text: module.segment("en", text)


def _blingfire() -> Callable[[str], Iterable[str]]:
    module = importlib.import_module("blingfire")
    return lambda text: module.text_to_sentences(text).split("\n")


def _syntok() -> Callable[[str], Iterable[str]]:
    module = importlib.import_module("syntok.segmenter")
    return lambda text: [
        "".join(token.spacing + token.value for token in sentence)
        for paragraph in module.analyze(text)
        for sentence in paragraph
    ]


def _pysbd() -> Callable[[str], Iterable[str]]:
    module = importlib.import_module("pysbd")
    return module.Segmenter(language="en", clean=False).segment


def _spacy() -> Callable[[str], Iterable[str]]:
    pipeline = importlib.import_module("spacy").blank("en")
    pipeline.add_pipe("sentencizer")
    return lambda text: [sentence.text for sentence in pipeline(text).sents]


_SPLITTERS: dict[str, Callable[[], Callable[[str], Iterable[str]]]] = {
    "sentencex": _sentencex,
    "blingfire": _blingfire,
    "syntok": _syntok,
    "pysbd": _pysbd,
    "spacy": _spacy,
}


def cli() -> None:
    """Runs the benchmark."""
    jobs.run(main, required=["input_file"])


if __name__ == "__main__":
    cli()
