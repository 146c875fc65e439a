"""From records on disk to the arrays of one call of the training step.

Arrays, not a `tf.data` iterator, go into the step: the position in the data stays a
number on the host, which makes resuming exact, and the time spent waiting for input
can be measured where it is spent.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, Self, TypeVar

import numpy as np
import tensorflow as tf

from bert_tf.data.dataset import Dataset
from bert_tf.data.example_random import example_seeds
from bert_tf.data.example_stream import ExampleStream
from bert_tf.data.masking import MaskingVocabulary, mask_batch
from bert_tf.data.packing import pack_examples
from bert_tf.data.schema import largest_values
from bert_tf.errors import InputError
from bert_tf.storage.example_codec import Feature, decode_example

Batch = dict[str, np.ndarray]
Transform = Callable[[Batch, np.ndarray], Batch]
T = TypeVar("T")
U = TypeVar("U")


class BatchReader:
    """Reads the micro-batches of this process' replicas.

    Args:
        stream: the examples.
        features: their schema.
        replica_batch_size: examples of one replica in one micro-batch.
        num_replicas: replicas of all processes.
        local_replicas: those of this process.
        largest: the largest value of each feature that has one; the smallest is 0.
        transform: changes a flat batch, name -> `[batch, ...]`, given the examples'
            positions in the stream, int64 `[batch]`; None for no change.
        pack: whether a row may hold several examples.
    """

    def __init__(
        self,
        stream: ExampleStream,
        features: Mapping[str, Feature],
        *,
        replica_batch_size: int,
        num_replicas: int = 1,
        local_replicas: range = range(1),
        largest: Mapping[str, int] | None = None,
        transform: Transform | None = None,
        pack: bool = False,
    ) -> None:
        self._features = features
        self._largest = largest or {}
        self._transform = transform
        self._pack = pack
        self._stream = stream
        self._num_replicas = num_replicas
        self._local_replicas = local_replicas
        self._size = replica_batch_size
        self._spec = {
            name: tf.io.FixedLenFeature(feature.shape, feature.dtype)
            for name, feature in features.items()
        }

    @property
    def micro_batch_size(self) -> int:
        """Examples of a micro-batch over all replicas."""
        return self._num_replicas * self._size

    def positions(self, position: int, num_micro_batches: int) -> np.ndarray:
        """Returns where in the stream each example of `read` stands.

        Returns:
            int64 `[local replicas, micro-batches, batch]`.
        """
        first = np.arange(num_micro_batches) * self.micro_batch_size + position
        offset = np.array(self._local_replicas)[:, None] * self._size
        return (first + offset)[:, :, None] + np.arange(self._size)

    def read(self, position: int, num_micro_batches: int) -> dict[str, np.ndarray]:
        """Returns consecutive micro-batches.

        Args:
            position: of the first example in the stream.
            num_micro_batches: how many follow.

        Returns:
            name -> `[local replicas, micro-batches, batch, ...]`, int32 or float32; if
            packed, as `packing.pack_examples` names them.

        Raises:
            InputError: a damaged record, or one that holds something else than the
                schema says; names the file and the record.
        """
        positions = self.positions(position, num_micro_batches)
        batch = self._parse(positions.ravel())
        if self._transform is not None:
            batch = self._transform(batch, positions.ravel())
        batches = {
            name: _narrow(values).reshape(*positions.shape, *values.shape[1:])
            for name, values in batch.items()
        }
        return pack_examples(batches) if self._pack else batches

    def _parse(self, positions: np.ndarray) -> Batch:
        serialized = self._stream.read(positions.tolist())
        try:
            parsed = tf.io.parse_example(serialized, self._spec)
        except (tf.errors.InvalidArgumentError, UnicodeDecodeError) as error:
            # The second where the message of the first would quote the record.
            raise self._wrong_example(serialized, positions, str(error)) from error
        batch = {name: values.numpy() for name, values in parsed.items()}
        for name, largest in self._largest.items():
            values = batch[name]
            wrong = ~((values >= 0) & (values <= largest))  # NaN is, too.
            if wrong.any():
                row = np.nonzero(wrong)[0][0]
                raise InputError(
                    f"{self._stream.place(int(positions[row]))}: `{name}` must hold "
                    f"values from 0 to {largest}. Received: {values[wrong][0]}. "
                    "Write the data set again."
                )
        return batch

    def _wrong_example(
        self, serialized: list[bytes], positions: np.ndarray, reason: str
    ) -> InputError:
        """Returns the error that names the first example of another schema."""
        place = self._stream.place(int(positions[0]))
        for position, example in zip(positions, serialized, strict=True):
            try:
                decode_example(example, self._features)
            except InputError as error:
                place, reason = self._stream.place(int(position)), str(error)
                break
        return InputError(f"{place}: {reason.rstrip('.')}. Write the data set again.")


def pretraining_reader(
    dataset: Dataset, stream: ExampleStream, **settings: Any
) -> BatchReader:
    """Returns a reader of pretraining examples, which masks them if need be.

    Dynamic masks are a pure function of the data set's seed and the example's position
    in the stream: other ones each time the example is read, and the same after a
    restart.

    Args:
        dataset: the data folder.
        stream: its examples.
        **settings: of the reader, but for the transformation.
    """
    parameters = dataset.parameters
    settings["largest"] = largest_values(dataset.features, dataset.info.vocab_size)
    if not parameters.dynamic_masking:
        return BatchReader(stream, dataset.features, **settings)
    vocabulary = MaskingVocabulary.of(dataset.vocabulary)

    def mask(batch: dict[str, np.ndarray], positions: np.ndarray) -> Batch:
        seeds = example_seeds(parameters.random_seed, positions=positions)
        num_tokens = batch["input_mask"].sum(axis=1)
        input_ids = batch["input_ids"].astype(np.int32)
        masked = mask_batch(input_ids, num_tokens, vocabulary, parameters, seeds)
        return {**batch, **masked}

    return BatchReader(stream, dataset.features, transform=mask, **settings)


def _narrow(values: np.ndarray) -> np.ndarray:
    return values.astype(np.int32) if values.dtype == np.int64 else values


class Prefetcher(Generic[T, U]):
    """Makes items in a thread, a few ahead of their use.

    Args:
        make: makes an item from an argument.
        arguments: one an item, in order.
        depth: items kept ready.

    Attributes:
        seconds_waited: time that the consumer has spent waiting for items.
    """

    def __init__(
        self, make: Callable[[T], U], arguments: Iterable[T], depth: int = 2
    ) -> None:
        self.seconds_waited = 0.0
        self._queue: queue.Queue[tuple[U | None, BaseException | None]] = queue.Queue(
            depth
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(make, arguments), daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[U]:
        while True:
            start = time.perf_counter()
            item, error = self._queue.get()
            self.seconds_waited += time.perf_counter() - start
            if error is not None:
                raise error
            if item is None:
                return
            yield item

    def close(self) -> None:
        """Stops the thread and waits for it."""
        self._stop.set()
        while self._thread.is_alive():
            # It may be blocked on a full queue.
            try:
                self._queue.get_nowait()
            except queue.Empty:
                self._thread.join(0.01)

    def _run(self, make: Callable[[T], U], arguments: Iterable[T]) -> None:
        try:
            for argument in arguments:
                if self._stop.is_set():
                    return
                self._queue.put((make(argument), None))
            self._queue.put((None, None))
        except BaseException as error:  # handed to the consumer, which raises it
            self._queue.put((None, error))
