"""A tokenized corpus on disk, already distributed over shards.

The corpus is cut into blocks of consecutive documents. Each block is a folder that
holds its documents sorted by shard, so that a shard's part is one slice of each array:
a shard is read with one seek a block, and a block is written whole or not at all, which
makes an interrupted run resume after the last block.

    parameters.json             what the corpus is made of; another one is refused
    block-00000/tokens.npy              token ids
    block-00000/sentence_lengths.npy    tokens a sentence
    block-00000/document_lengths.npy    sentences a document
    block-00000/shards.npy              documents, sentences, tokens, checksum a shard
    block-00000/block.json              where reading goes on, and what was counted
    finished.json               written last: number of blocks, totals
"""

import dataclasses
import os
from collections import Counter
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np

from bert_tf.errors import InputError
from bert_tf.storage import files
from bert_tf.storage.json_files import from_dict, read_json, write_json
from data_prep.documents import Documents
from data_prep.folders import check_parameters

_BLOCK_NAME, _FINISHED_NAME = "block.json", "finished.json"
_ARRAYS = ("document_lengths", "sentence_lengths", "tokens")


@dataclasses.dataclass(frozen=True)
class Position:
    """Where in the inputs the next document stands.

    Attributes:
        file_index: number of the file in the inputs.
        document_index: number of the document in the file.
    """

    file_index: int = 0
    document_index: int = 0


END = Position(-1)
"""The position after the last document."""


@dataclasses.dataclass(frozen=True)
class _Block:
    """`block.json`; see `TokenizedCorpus.write_block`."""

    next: Position
    counts: dict[str, int]
    examples: dict[str, str]


@dataclasses.dataclass(frozen=True)
class _Finished:
    """`finished.json`, of all blocks together."""

    num_blocks: int
    counts: dict[str, int]
    examples: dict[str, str]


class TokenizedCorpus:
    """A folder with a tokenized corpus, complete or growing.

    Args:
        directory: the folder; need not exist.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)

    @property
    def is_finished(self) -> bool:
        """Whether the whole corpus is in."""
        return (self.directory / _FINISHED_NAME).is_file()

    def open(self, parameters: dict[str, Any]) -> None:
        """Starts the folder, or checks that it belongs to this corpus.

        Raises:
            InputError: the folder holds a corpus of other parameters.
        """
        check_parameters(self.directory, parameters)

    def progress(self) -> tuple[int, Position]:
        """Returns how many blocks there are and where reading goes on."""
        num_blocks = 0
        while self._block(num_blocks).is_dir():
            num_blocks += 1
        if num_blocks == 0:
            return 0, Position()
        return num_blocks, self._read_block(num_blocks - 1).next

    def write_block(
        self,
        index: int,
        documents: Documents,
        shards: np.ndarray,
        num_shards: int,
        following: Position,
        counts: Counter[str],
        examples: dict[str, str],
    ) -> None:
        """Adds a block.

        Args:
            index: its number; blocks are written in order.
            documents: of the block, in the order of the corpus.
            shards: int `[num_documents]`, which shard each belongs to.
            num_shards: of the corpus.
            following: where the next block starts, or `END`.
            counts: what reading and tokenizing these documents counted.
            examples: where the first input of each kind was left out.
        """
        documents = documents.take(np.argsort(shards, kind="stable"))
        arrays = {
            "document_lengths": np.diff(documents.document_starts).astype(np.uint32),
            "sentence_lengths": np.diff(documents.sentence_starts).astype(np.uint32),
            "tokens": documents.tokens,
        }
        num_documents = np.bincount(shards, minlength=num_shards)
        document_ends = np.r_[0, np.cumsum(num_documents)]
        sentence_ends = documents.document_starts[document_ends]
        token_ends = documents.sentence_starts[sentence_ends]
        ends = (document_ends, sentence_ends, token_ends)
        table = np.zeros((num_shards, 4), np.int64)
        table[:, :3] = np.diff(ends, axis=1).T
        for shard in range(num_shards):
            table[shard, 3] = _checksum(
                arrays[name][end[shard] : end[shard + 1]]
                for name, end in zip(_ARRAYS, ends, strict=True)
            )
        with files.atomic_path(self._block(index)) as folder:
            folder.mkdir()
            for name, values in {**arrays, "shards": table}.items():
                _save_array(folder / f"{name}.npy", values)
            block = _Block(following, dict(counts), examples)
            write_json(folder / _BLOCK_NAME, dataclasses.asdict(block))

    def finish(self, num_blocks: int) -> None:
        """Marks the corpus as complete."""
        counts: Counter[str] = Counter()
        examples: dict[str, str] = {}
        for index in range(num_blocks):
            block = self._read_block(index)
            counts.update(block.counts)
            examples = block.examples | examples
        finished = _Finished(num_blocks, dict(counts), examples)
        write_json(self.directory / _FINISHED_NAME, dataclasses.asdict(finished))

    def counts(self) -> dict[str, int]:
        """Returns what reading and tokenizing the corpus counted."""
        return self._finished().counts

    def examples(self) -> dict[str, str]:
        """Returns where the first input of each kind was left out."""
        return self._finished().examples

    def shard_sizes(self) -> np.ndarray:
        """Returns each shard's documents, sentences, tokens: int64 `[shards, 3]`."""
        tables = [self._load(index, "shards")[:, :3] for index in self._blocks()]
        return np.sum(tables, axis=0)

    def read_shard(self, shard: int) -> Documents:
        """Reads one shard's documents, in the order of the corpus.

        Raises:
            InputError: a block is damaged; the message names it.
        """
        parts: dict[str, list[np.ndarray]] = {name: [] for name in _ARRAYS}
        for index in self._blocks():
            table = self._load(index, "shards")
            starts = table[:shard, :3].sum(axis=0)
            slices = [
                np.array(self._load(index, name)[start : start + size])
                for name, start, size in zip(
                    _ARRAYS, starts, table[shard, :3], strict=True
                )
            ]
            if _checksum(slices) != table[shard, 3]:
                raise InputError(
                    f"{self._block(index)}: damaged, shard {shard} does not match its "
                    "checksum. Delete the tokenized corpus and run again."
                )
            for name, values in zip(_ARRAYS, slices, strict=True):
                parts[name].append(values)
        arrays = {name: np.concatenate(values) for name, values in parts.items()}
        return Documents.from_lengths(
            arrays["tokens"], arrays["sentence_lengths"], arrays["document_lengths"]
        )

    def _blocks(self) -> range:
        return range(self._finished().num_blocks)

    def _finished(self) -> "_Finished":
        path = self.directory / _FINISHED_NAME
        finished: _Finished = from_dict(_Finished, read_json(path), str(path))
        return finished

    def _read_block(self, index: int) -> "_Block":
        path = self._block(index) / _BLOCK_NAME
        block: _Block = from_dict(_Block, read_json(path), str(path))
        return block

    def _block(self, index: int) -> Path:
        return self.directory / f"block-{index:05d}"

    def _load(self, index: int, name: str) -> np.ndarray:
        path = self._block(index) / f"{name}.npy"
        try:
            return np.load(path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise InputError(
                f"{path}: damaged or missing ({error}). Delete the tokenized corpus "
                "and run again."
            ) from error


def _save_array(path: Path, values: np.ndarray) -> None:
    # Not `np.save`: on a full disk it says how many bytes it wrote, but not why.
    with path.open("wb", buffering=0) as file:
        np.lib.format.write_array_header_1_0(
            file, np.lib.format.header_data_from_array_1_0(values)
        )
        content = memoryview(values.tobytes())
        while content:
            content = content[file.write(content) :]


def _checksum(arrays: Any) -> int:
    checksum = 0
    for values in arrays:
        checksum = google_crc32c.extend(
            checksum, np.ascontiguousarray(values).tobytes()
        )
    return checksum
