"""A folder of pretraining records as a source of examples."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any, Self

from bert_tf.data.dataset import Dataset
from bert_tf.data.example_stream import ExampleStream
from bert_tf.data.input_pipeline import BatchReader, pretraining_reader
from bert_tf.text.vocabulary import Vocabulary


@dataclasses.dataclass(frozen=True)
class RecordSource:
    """The shuffled examples of a folder of records; see `source.ExampleSource`.

    Attributes:
        dataset: the folder.
        stream: its examples.
    """

    dataset: Dataset
    stream: ExampleStream

    @classmethod
    def open(
        cls,
        directory: str | os.PathLike[str],
        *,
        seed: int | None,
        skip_damaged_records: bool = False,
    ) -> Self:
        """Opens a folder.

        Args:
            directory: written by `data_prep.create_pretraining_data`.
            seed: Seed of the order; None for the order of the files.
            skip_damaged_records: passes over records whose checksum is wrong.

        Raises:
            InputError: no finished data set, an empty one, a missing file, or an
                example of another schema.
        """
        dataset = Dataset.open(directory)
        stream = dataset.examples(seed=seed, skip_damaged_records=skip_damaged_records)
        return cls(dataset, stream)

    @property
    def num_examples(self) -> int:
        """Examples each time round."""
        return self.stream.num_records

    def num_positions(self, num_examples: int) -> int:
        """Returns how many positions the first examples take; see `ExampleSource`."""
        return min(num_examples or self.num_examples, self.num_examples)

    @property
    def num_damaged(self) -> int:
        """Damaged records passed over so far."""
        return self.stream.num_damaged

    @property
    def description(self) -> Mapping[str, Any]:
        """What the report says of the data."""
        info = self.dataset.info
        return {"examples": info.num_records, **info.statistics}

    def vocabulary(self) -> Vocabulary:
        """Returns the vocabulary that the records were written with."""
        return self.dataset.vocabulary

    def reshuffled(self, seed: int) -> Self:
        """Returns the same examples in another order, damaged ones passed over."""
        stream = self.dataset.examples(seed=seed, skip_damaged_records=True)
        return dataclasses.replace(self, stream=stream)

    def reader(self, **settings: Any) -> BatchReader:
        """Returns a reader of micro-batches; see `source.ExampleSource`."""
        return pretraining_reader(self.dataset, self.stream, **settings)
