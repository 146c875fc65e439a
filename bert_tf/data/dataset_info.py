"""What a folder of records says about itself: `dataset_info.json`.

It is written last, so a folder that has one is whole.
"""

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from bert_tf.errors import InputError, check, validated
from bert_tf.storage import files
from bert_tf.storage.json_files import from_dict, read_json, write_json

if TYPE_CHECKING:
    from bert_tf.storage.example_codec import Feature

FILE_NAME = "dataset_info.json"
OBJECTIVES = ("next_sentence", "sentence_order", "none")
_FORMAT_VERSION = 1


@dataclasses.dataclass
class DataParameters:
    """What makes one data set of a corpus differ from another.

    Attributes:
        max_seq_length: S, tokens an example, padding included.
        max_predictions_per_seq: P, most masked tokens an example.
        masked_lm_prob: masked share of an example's tokens.
        short_seq_prob: share of documents cut into examples of a random shorter
            length.
        dupe_factor: passes over the corpus, each with other cuts, pairs and masks.
        do_whole_word_mask: whether all pieces of a word are masked together.
        max_ngram_size: most words masked in one go; more than 1 implies whole words.
            Lengths n are drawn in proportion to 1/n.
        dynamic_masking: whether records hold no masks, so that the input pipeline
            draws new ones each time an example is read.
        objective: what pairs of segments teach: `next_sentence`, `sentence_order`, or
            `none` for one segment.
        random_seed: start of all randomness.

    Source: the flags of google-research/bert and Model Garden,
    `create_pretraining_data.py`.
    """

    max_seq_length: int = 128
    max_predictions_per_seq: int = 20
    masked_lm_prob: float = 0.15
    short_seq_prob: float = 0.1
    dupe_factor: int = 10
    do_whole_word_mask: bool = False
    max_ngram_size: int = 1
    dynamic_masking: bool = False
    objective: str = "next_sentence"
    random_seed: int = 12345

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        self.features()
        for name in ("dupe_factor", "max_ngram_size"):
            check(self, name, getattr(self, name) >= 1, "at least 1")
        check(self, "masked_lm_prob", 0 < self.masked_lm_prob < 1, "in (0, 1)")
        check(self, "short_seq_prob", 0 <= self.short_seq_prob <= 1, "in [0, 1]")
        check(self, "objective", self.objective in OBJECTIVES, f"one of {OBJECTIVES}")
        check(self, "random_seed", self.random_seed >= 0, "at least 0")
        return self

    def features(self) -> "dict[str, Feature]":
        """Returns the schema of the records."""
        from bert_tf.data.schema import pretraining_features, unmasked_features

        masked = pretraining_features(self.max_seq_length, self.max_predictions_per_seq)
        return (
            unmasked_features(self.max_seq_length) if self.dynamic_masking else masked
        )


@dataclasses.dataclass
class Shard:
    """One record file.

    Attributes:
        name: its name within the folder.
        num_records: examples in it.
        num_bytes: its size.
        sha256: its checksum, as `sha256sum` prints it.
    """

    name: str
    num_records: int
    num_bytes: int
    sha256: str


@dataclasses.dataclass
class DatasetInfo:
    """A folder of records, described.

    Attributes:
        parameters: what the records were made with.
        vocab_size: entries of the vocabulary.
        vocab_hash: SHA-256 of `vocab.txt`, of which the folder holds a copy.
        shards: the record files, in order.
        corpus: what the corpus was read from and how.
        statistics: counts and shares over all records.
        format_version: of this file and of the folder's layout.
    """

    parameters: DataParameters
    vocab_size: int
    vocab_hash: str
    shards: list[Shard]
    corpus: dict[str, Any] = dataclasses.field(default_factory=dict)
    statistics: dict[str, Any] = dataclasses.field(default_factory=dict)
    format_version: int = _FORMAT_VERSION

    @property
    def num_records(self) -> int:
        """Examples in all shards."""
        return sum(shard.num_records for shard in self.shards)

    @property
    def features(self) -> "dict[str, Feature]":
        """The schema of the records."""
        return self.parameters.features()

    @classmethod
    def load(cls, directory: str | os.PathLike[str]) -> Self:
        """Reads the description of a folder of records.

        Raises:
            InputError: the folder has none, so it is missing or not finished; or the
                file is damaged or of another version.
        """
        path = Path(directory) / FILE_NAME
        if not path.is_file():
            raise InputError(
                f"{directory}: no {FILE_NAME}, so it holds no finished data set. Run "
                "(again) data_prep.create_pretraining_data with this --output_dir."
            )
        values = read_json(path)
        if values.get("format_version") != _FORMAT_VERSION:
            raise InputError(
                f"{path}: format_version must be {_FORMAT_VERSION}. Received: "
                f"{values.get('format_version')!r}"
            )
        info: Self = from_dict(cls, values, source=str(path))
        validated(info.parameters, f"{path}: parameters.")
        for shard in info.shards:
            # A description must not send its reader to files of other folders.
            if Path(shard.name).name != shard.name:
                raise InputError(
                    f"{path}: `shards` must name files of the folder. Received: "
                    f"{shard.name!r}"
                )
        _check_statistics(info.statistics, path)
        return info

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Writes the description; from now on the folder counts as finished."""
        write_json(Path(directory) / FILE_NAME, dataclasses.asdict(self))


def _check_statistics(statistics: dict[str, Any], path: Path) -> None:
    for name, value in statistics.items():
        numbers = value if isinstance(value, list) else [value]
        if name == "inputs":
            fits = isinstance(value, dict)
        else:
            fits = all(type(number) in (int, float) for number in numbers)
        if not fits:
            raise InputError(
                f"{path}: statistics: `{name}` must be a number. Received: "
                f"{value!r:.40}"
            )


def check_sha256(path: str | os.PathLike[str], expected: str) -> None:
    """Checks a file's contents.

    Raises:
        InputError: they changed.
    """
    found = files.sha256(path)
    if found != expected:
        raise InputError(
            f"{os.fspath(path)}: damaged, its SHA-256 is {found} and should be "
            f"{expected}. Delete the file and write the data set again."
        )
