"""The endless shuffled sequence of a data set's examples, addressed by position.

Which example stands at a position is a pure function of (seed, position): nothing to
save, and any run resumes at any place at once. Every worker sees the same sequence
and reads only its own positions, so the global batches of a run are the same on any
number of replicas. The price: each worker maps all files, and since neighbors in a
file go to different workers, it touches every page of them once an epoch, of however
many records it checks and parses its own share alone.

An epoch shuffles the shards, cuts them into blocks of at most `_BLOCK_BYTES`, and
shuffles all records of a block together; a data set smaller than a block is shuffled
as a whole. Files are mapped, not read, so memory stays flat.
"""

import mmap
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from absl import logging

from bert_tf.errors import InputError
from bert_tf.storage import tfrecord

_BLOCK_BYTES = 1 << 30
# Each open shard holds a file descriptor, and 1,024 is a common limit.
_BLOCK_SHARDS = 256


class Shard:
    """Random access to the records of one TFRecord file.

    Args:
        path: an uncompressed TFRecord file.

    Attributes:
        path: the same.
        problem: what made the rest of the file unreadable, a sentence, or None.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem: str | None = None
        with path.open("rb") as file:
            size = path.stat().st_size
            self._data = (
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
            )
        offsets, offset = [], 0
        while offset < size:
            header = self._data[offset : offset + tfrecord.HEADER_SIZE]
            self.problem = tfrecord.header_problem(header)
            if self.problem is None:
                end = offset + tfrecord.HEADER_SIZE + struct.unpack("<Q", header[:8])[0]
                if end + tfrecord.FOOTER_SIZE > size:
                    self.problem = "is cut off"
            if self.problem is not None:
                self.problem = self._describe(offset, self.problem)
                break
            offsets.append(offset)
            offset = end + tfrecord.FOOTER_SIZE
        self._offsets = np.array([*offsets, offset], np.int64)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def read(self, index: int) -> bytes:
        """Returns one record.

        Raises:
            InputError: the record is damaged or lost; names the file and the offset.
        """
        if index >= len(self):
            raise InputError(self.problem)
        start, end = self._offsets[index : index + 2]
        body = self._data[start + tfrecord.HEADER_SIZE : end]
        record, checksum = body[: -tfrecord.FOOTER_SIZE], body[-tfrecord.FOOTER_SIZE :]
        if tfrecord.checksum(record) != checksum:
            raise InputError(self._describe(start, "does not match its checksum"))
        return record

    def _describe(self, offset: int, problem: str) -> str:
        return f"{self.path}: the record at byte {offset} {problem}."


class ExampleStream:
    """The shuffled sequence of a folder's examples, epoch after epoch.

    Args:
        shards: paths and numbers of records.
        seed: of the order; None for the order of the files, every epoch the same.
        skip_damaged_records: replaces a damaged record by its successor in the same
            block, so that no other example changes its position.

    Attributes:
        num_records: examples an epoch.
        num_damaged: examples read so far that stand in for a damaged record.
    """

    def __init__(
        self,
        shards: Sequence[tuple[Path, int]],
        *,
        seed: int | None,
        skip_damaged_records: bool = False,
        block_bytes: int = _BLOCK_BYTES,
    ) -> None:
        self.num_records = sum(count for _, count in shards)
        self.num_damaged = 0
        self._shards = [shard for shard in shards if shard[1]]
        self._seed = seed
        self._skip = skip_damaged_records
        self._block_bytes = block_bytes
        self._sizes = [path.stat().st_size for path, _ in self._shards]
        self._epoch: tuple[int, list[list[int]], np.ndarray] | None = None
        self._block: tuple[tuple[int, ...], _Block] | None = None

    def read(self, positions: Iterable[int]) -> list[bytes]:
        """Returns the examples at these positions, which should mostly ascend.

        Raises:
            InputError: a damaged record, unless they are skipped; or a whole block of
                them.
        """
        return [self._read(position) for position in positions]

    def place(self, position: int) -> str:
        """Returns where the example at a position stands: its file and its number."""
        block, place = self._find(position)
        return block.place(place)

    def _read(self, position: int) -> bytes:
        block, place = self._find(position)
        record, is_replaced = block.read(place)
        self.num_damaged += is_replaced
        return record

    def _find(self, position: int) -> tuple["_Block", int]:
        """Returns the block of a position, opened, and the place in its order."""
        epoch, place = divmod(position, self.num_records)
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = (epoch, *self._plan(epoch))
        _, blocks, ends = self._epoch
        number = int(np.searchsorted(ends, place, side="right"))
        # Within a block a place counts from the block's first record.
        place -= int(ends[number - 1]) if number else 0
        key = (epoch, number)
        if self._block is None or self._block[0] != key:
            self._block = None  # unmaps the block before
            files = [self._shards[index] for index in blocks[number]]
            seed = None if self._seed is None else [self._seed, epoch, number]
            self._block = (key, _Block(files, seed, self._skip))
        return self._block[1], place

    def _plan(self, epoch: int) -> tuple[list[list[int]], np.ndarray]:
        """Returns the shards of each block, and where in the epoch each one ends."""
        order = np.arange(len(self._shards))
        if self._seed is not None:
            order = np.random.default_rng([self._seed, epoch]).permutation(order)
        blocks: list[list[int]] = [[]]
        num_bytes = 0
        for index in map(int, order):
            full = num_bytes + self._sizes[index] > self._block_bytes
            if blocks[-1] and (full or len(blocks[-1]) == _BLOCK_SHARDS):
                blocks.append([])
                num_bytes = 0
            blocks[-1].append(index)
            num_bytes += self._sizes[index]
        counts = [sum(self._shards[i][1] for i in block) for block in blocks]
        return blocks, np.cumsum(counts)


class _Block:
    """Shards that are shuffled together."""

    def __init__(
        self,
        files: Sequence[tuple[Path, int]],
        seed: list[int] | None,
        skip_damaged_records: bool,
    ) -> None:
        self._shards = [Shard(path) for path, _ in files]
        self._skip = skip_damaged_records
        self._advice = "Restore the file, or write the data set again."
        if seed is not None:  # Records to train on; every held-out one must count.
            self._advice += " `data.skip_damaged_records` goes on without such records."
        for shard, (path, count) in zip(self._shards, files, strict=True):
            if shard.problem and not skip_damaged_records:
                raise InputError(f"{shard.problem} {self._advice}")
            if len(shard) != count and not shard.problem:
                raise InputError(
                    f"{path}: must hold {count} records, as dataset_info.json says. "
                    f"Received: {len(shard)}. Was the file replaced?"
                )
        self._ends = np.cumsum([count for _, count in files])
        self._order = np.arange(self._ends[-1])
        if seed is not None:
            self._order = np.random.default_rng(seed).permutation(self._order)

    def read(self, place: int) -> tuple[bytes, bool]:
        """Returns the record at a place of the order, and whether it is another's."""
        total = len(self._order)
        for damaged in range(total):
            shard, number = self._shard(int(self._order[place] + damaged) % total)
            try:
                return shard.read(number), damaged > 0
            except InputError as error:
                if not self._skip:
                    raise InputError(f"{error} {self._advice}") from None
                logging.warning("Skipped: %s", error)
        raise InputError(f"{self._shards[0].path.parent}: every record is damaged.")

    def place(self, place: int) -> str:
        """Returns the file and the number, from 1, of the record at a place."""
        shard, number = self._shard(int(self._order[place]))
        return f"{shard.path}: record {number + 1}"

    def _shard(self, record: int) -> tuple[Shard, int]:
        """Returns the shard of a record of the block, and its number in it."""
        shard = int(np.searchsorted(self._ends, record, side="right"))
        first = int(self._ends[shard - 1]) if shard else 0
        return self._shards[shard], record - first
