"""Turns a corpus of text into a `TokenizedCorpus`.

One process reads; its threads tokenize, outside of Python's lock. TensorFlow, which
this needs and nothing after it does, costs seconds and hundreds of megabytes once.
"""

import dataclasses
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from bert_tf.storage.input_files import InputFile
from bert_tf.text.tokenization import BertTokenizer
from bert_tf.text.vocabulary import Vocabulary
from data_prep.corpus import (
    CorpusOptions,
    Document,
    read_documents,
)
from data_prep.documents import Documents, ShardAssignment
from data_prep.input_report import InputReport
from data_prep.tokenized_corpus import END, Position, TokenizedCorpus

# Goes up when the same inputs and parameters give other records, so that no folder is
# filled by two versions.
_RECIPE_VERSION = 2
# Text held in memory before it goes to disk as a block; what a kill can cost.
_BLOCK_CHARACTERS = 1 << 25
# Text a call of the tokenizer.
_CALL_CHARACTERS = 1 << 18


class TokenizedSentences(NamedTuple):
    """Sentences after the tokenizer.

    Attributes:
        tokens: token ids of all sentences, one after the other.
        lengths: tokens of each sentence.
        num_characters: characters of the sentences, spaces left out.
        num_unknown_characters: those of them in words that became [UNK].
    """

    tokens: np.ndarray
    lengths: np.ndarray
    num_characters: int
    num_unknown_characters: int


@dataclasses.dataclass(frozen=True)
class CorpusSource:
    """What a tokenized corpus is made of.

    Attributes:
        files: of text.
        options: how to read them.
        vocabulary: entries and the tokenizer's settings.
        assignment: of documents to shards.
    """

    files: Sequence[InputFile]
    options: CorpusOptions
    vocabulary: Vocabulary
    assignment: ShardAssignment

    def parameters(self) -> dict[str, Any]:
        """Returns what determines the corpus, as JSON takes it."""
        return {
            "recipe_version": _RECIPE_VERSION,
            "inputs": [[file.path.name, file.num_bytes] for file in self.files],
            **dataclasses.asdict(self.options),
            "vocab_hash": self.vocabulary.hash,
            "do_lower_case": self.vocabulary.config.do_lower_case,
            "strip_accents": self.vocabulary.config.strip_accents,
            **dataclasses.asdict(self.assignment),
        }


def tokenize_corpus(
    source: CorpusSource,
    directory: Path,
    num_threads: int,
    block_characters: int = _BLOCK_CHARACTERS,
) -> None:
    """Tokenizes a corpus into a folder, going on where an earlier run stopped.

    Args:
        source: the corpus.
        directory: of a `TokenizedCorpus` that was opened with the source's parameters.
        num_threads: threads that tokenize.
        block_characters: text a block.

    Raises:
        InputError: bad input; the message names the file and the place.
        OSError: the folder cannot be written.
    """
    tokenize = make_tokenize(source)
    corpus = TokenizedCorpus(directory)
    num_blocks, start = corpus.progress()
    report = InputReport()
    bar = tqdm(
        desc="tokenize",
        total=sum(file.num_bytes for file in source.files),
        initial=sum(file.num_bytes for file in source.files[: start.file_index]),
        unit="B",
        unit_scale=True,
        file=sys.stderr,
    )
    with bar, ThreadPoolExecutor(num_threads) as threads:
        num_bytes = 0

        def submit(sentences: list[str]) -> Future[TokenizedSentences]:
            nonlocal num_bytes
            bar.update(report.num_bytes - num_bytes)
            num_bytes = report.num_bytes
            return threads.submit(tokenize, sentences)

        # The last block leads to no position; a run that was stopped right after it
        # has nothing left to read.
        if start != END:
            files = source.files[start.file_index :]
            for block in read_blocks(
                read_documents(files, source.options, report),
                start,
                source.assignment,
                report,
                submit,
                block_characters,
            ):
                documents, shards = block.gather()
                corpus.write_block(
                    num_blocks,
                    documents,
                    shards,
                    source.assignment.total,
                    following=block.following,
                    counts=block.counts,
                    examples=block.examples,
                )
                num_blocks += 1
        bar.update(report.num_bytes - num_bytes)
    corpus.finish(num_blocks)


def make_tokenize(source: CorpusSource) -> Callable[[list[str]], TokenizedSentences]:
    """Returns the function that tokenizes sentences."""
    tokenizer = BertTokenizer(source.vocabulary)
    unk_id = source.vocabulary.unk_id
    dtype = np.min_scalar_type(len(source.vocabulary) - 1)

    def tokenize(sentences: list[str]) -> TokenizedSentences:
        ragged = tokenizer.tokenize(sentences)
        tokens = ragged.flat_values.numpy()
        # The few sentences with [UNK] are tokenized again, to see what it stands for.
        rows = np.unique(ragged.value_rowids().numpy()[tokens == unk_id]).tolist()
        return TokenizedSentences(
            tokens=tokens.astype(dtype),
            lengths=ragged.row_lengths().numpy(),
            num_characters=sum(len(text) - text.count(" ") for text in sentences),
            num_unknown_characters=(
                tokenizer.count_unknown([sentences[row] for row in rows]) if rows else 0
            ),
        )

    return tokenize


@dataclasses.dataclass
class Block:
    """Documents that were read, on their way through the tokenizer.

    Attributes:
        following: where reading goes on after them.
        pieces: their tokens, to come.
        document_lengths: sentences of each document.
        shards: each document's.
        counts: what reading and tokenizing them counted.
        examples: where the first input of each kind was left out.
    """

    following: Position
    pieces: list[Future[TokenizedSentences]] = dataclasses.field(default_factory=list)
    document_lengths: list[int] = dataclasses.field(default_factory=list)
    shards: list[int] = dataclasses.field(default_factory=list)
    counts: Counter[str] = dataclasses.field(default_factory=Counter)
    examples: dict[str, str] = dataclasses.field(default_factory=dict)

    def gather(self) -> tuple[Documents, np.ndarray]:
        """Waits for the tokens; leaves out sentences and documents without any."""
        results = [piece.result() for piece in self.pieces]
        empty = np.empty(0, np.int64)
        tokens = np.concatenate([result.tokens for result in results] or [empty])
        lengths = np.concatenate([result.lengths for result in results] or [empty])
        num_documents = len(self.document_lengths)
        document = np.repeat(np.arange(num_documents), self.document_lengths)
        kept = lengths > 0
        document_lengths = np.bincount(document[kept], minlength=num_documents)
        whole = document_lengths > 0
        self.counts["num_tokens"] = len(tokens)
        for name in ("num_characters", "num_unknown_characters"):
            self.counts[name] = sum(getattr(result, name) for result in results)
        self.counts["num_sentences_without_tokens"] = int((~kept).sum())
        self.counts["num_documents_without_tokens"] = int((~whole).sum())
        documents = Documents.from_lengths(
            tokens, lengths[kept], document_lengths[whole]
        )
        return documents, np.array(self.shards, np.int64)[whole]


def read_blocks(
    documents: Iterator[Document],
    start: Position,
    assignment: ShardAssignment,
    report: InputReport,
    submit: Callable[[list[str]], Future[TokenizedSentences]],
    block_characters: int = _BLOCK_CHARACTERS,
) -> Iterator[Block]:
    """Gathers documents into blocks.

    Args:
        documents: from the beginning of the file in which `start` lies.
        start: of the first block.
        assignment: of documents to shards.
        report: what reading the documents counts.
        submit: sends sentences to be tokenized.
        block_characters: text a block.

    Yields:
        Blocks; the last one, perhaps empty, leads to `END`.
    """
    for _ in range(start.document_index):
        next(documents)  # They are in an earlier block.
    counted = _counts(report)
    block, position = Block(start), start
    sentences: list[str] = []
    characters = call_characters = 0
    for document in documents:
        file_index = start.file_index + report.num_files - 1
        if file_index != position.file_index:
            position = Position(file_index)
        block.shards.append(assignment.shard(*dataclasses.astuple(position)))
        block.document_lengths.append(len(document))
        position = Position(file_index, position.document_index + 1)
        for sentence in document:
            sentences.append(sentence)
            call_characters += len(sentence)
            if call_characters >= _CALL_CHARACTERS:
                block.pieces.append(submit(sentences))
                characters += call_characters
                sentences, call_characters = [], 0
        if characters >= block_characters:
            if sentences:
                block.pieces.append(submit(sentences))
            block.following, block.counts = position, _counts(report) - counted
            block.examples = dict(report.examples)
            yield block
            counted = _counts(report)
            block, sentences, characters, call_characters = Block(position), [], 0, 0
    if sentences:
        block.pieces.append(submit(sentences))
    block.following, block.counts = END, _counts(report) - counted
    block.examples = dict(report.examples)
    yield block


def _counts(report: InputReport) -> Counter[str]:
    counts = Counter(
        {
            field.name: getattr(report, field.name)
            for field in dataclasses.fields(report)
            if field.name.startswith("num_")
        }
    )
    counts.update({f"skipped: {why}": num for why, num in report.skipped.items()})
    return counts
