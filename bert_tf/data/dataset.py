"""A folder of records, opened: its description, its files, its vocabulary."""

import dataclasses
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from bert_tf.data.dataset_info import DataParameters, DatasetInfo, check_sha256
from bert_tf.data.example_stream import ExampleStream
from bert_tf.errors import InputError
from bert_tf.storage.example_codec import Feature, decode_example
from bert_tf.storage.tfrecord import read_records
from bert_tf.text.tokenizer_config import TOKENIZER_CONFIG_NAME, TokenizerConfig
from bert_tf.text.vocabulary import VOCABULARY_NAME, Vocabulary


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A finished folder of records.

    Attributes:
        directory: the folder.
        info: its description.
        record_paths: its record files, in order; each has the size that the
            description states.
    """

    directory: Path
    info: DatasetInfo
    record_paths: tuple[Path, ...]

    @classmethod
    def open(cls, directory: str | os.PathLike[str]) -> Self:
        """Opens a folder written by `data_prep.create_pretraining_data`.

        Raises:
            InputError: no finished data set, a damaged description, or a record file
                that is missing or of another size.
        """
        info = DatasetInfo.load(directory)
        paths = [Path(directory) / shard.name for shard in info.shards]
        for path, shard in zip(paths, info.shards, strict=True):
            size = path.stat().st_size if path.is_file() else None
            if size != shard.num_bytes:
                raise InputError(
                    f"{path}: expected {shard.num_bytes} bytes. Received: "
                    f"{'no file' if size is None else size}. Restore the file or write "
                    "the data set again."
                )
        return cls(Path(directory), info, tuple(paths))

    @property
    def parameters(self) -> DataParameters:
        """What the records were made with."""
        return self.info.parameters

    @property
    def features(self) -> dict[str, Feature]:
        """The schema of the records."""
        return self.info.features

    @property
    def num_records(self) -> int:
        """Examples in all files."""
        return self.info.num_records

    @functools.cached_property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary that the records were written with, of which this is a copy.

        Raises:
            InputError: a file of it is missing or damaged, or is another one.
        """
        path = self.directory / VOCABULARY_NAME
        try:
            vocabulary = Vocabulary.load(self.directory)
        except FileNotFoundError:
            raise InputError(
                f"{path}: missing. Restore it, or write the data set again."
            ) from None
        if vocabulary.hash != self.info.vocab_hash:
            raise InputError(
                f"{path}: not the vocabulary of the records: its SHA-256 is "
                f"{vocabulary.hash} and should be {self.info.vocab_hash}. Restore it, "
                "or write the data set again."
            )
        stated = self.info.corpus
        if "do_lower_case" in stated:
            written = TokenizerConfig(
                stated["do_lower_case"], stated.get("strip_accents")
            )
            if vocabulary.config != written:
                raise InputError(
                    f"{self.directory / TOKENIZER_CONFIG_NAME}: says "
                    f"{vocabulary.config}, but the records were written with "
                    f"{written}. Restore it, or write the data set again."
                )
        return vocabulary

    def records(self) -> Iterator[bytes]:
        """Yields the records in the order of the files, every checksum checked.

        Raises:
            InputError: a record is damaged; the message names its file.
        """
        for path in self.record_paths:
            yield from read_records(path)

    def examples(
        self, *, seed: int | None, skip_damaged_records: bool = False
    ) -> ExampleStream:
        """Returns the endless sequence of examples, the first of them checked.

        Args:
            seed: Seed of the order; None for the order of the files.
            skip_damaged_records: puts another example in the place of a damaged one.

        Raises:
            InputError: there are none, or they are of another schema.
        """
        counts = [shard.num_records for shard in self.info.shards]
        stream = ExampleStream(
            list(zip(self.record_paths, counts, strict=True)),
            seed=seed,
            skip_damaged_records=skip_damaged_records,
        )
        if stream.num_records == 0:
            raise InputError(f"{self.directory}: holds no examples.")
        (first,) = stream.read([0])
        try:
            decode_example(first, self.features)
        except InputError as error:
            raise InputError(f"{stream.place(0)}: {error}") from error
        return stream

    def verify(self) -> None:
        """Checks every record file against its checksum.

        Raises:
            InputError: the contents of a file changed.
        """
        for path, shard in zip(self.record_paths, self.info.shards, strict=True):
            check_sha256(path, shard.sha256)

    def check_matches(
        self,
        *,
        max_seq_length: int | None = None,
        max_predictions_per_seq: int | None = None,
        vocab_size: int | None = None,
        objective: str | None = None,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        """Checks that the records fit whoever wants to read them.

        Args:
            max_seq_length: S that the reader expects; None for any.
            max_predictions_per_seq: P that the reader expects; None for any.
            vocab_size: entries that the reader's model has; None for any.
            objective: what pairs of segments teach the reader; None for any.
            vocabulary: the reader's, with its treatment of case and accents; None for
                any.

        Raises:
            InputError: they do not; the message says both values.
        """
        found = {
            **dataclasses.asdict(self.parameters),
            "vocab_size": self.info.vocab_size,
            **(self.vocabulary.identity if vocabulary else {}),
        }
        expected = {
            "max_seq_length": max_seq_length,
            "max_predictions_per_seq": max_predictions_per_seq,
            "vocab_size": vocab_size,
            "objective": objective,
            **(vocabulary.identity if vocabulary else {}),
        }
        for name, value in expected.items():
            if value is not None and found[name] != value:
                raise InputError(
                    f"{self.directory}: the records have `{name}` {found[name]}, but "
                    f"{value} is expected. Change the configuration, or write the "
                    "records again."
                )
