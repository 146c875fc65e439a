"""Options of the test suite, and toy data sets with something to learn in them."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from warm_process import WarmProcesses

from bert_tf.data.dataset_info import DataParameters, DatasetInfo, Shard
from bert_tf.storage.example_codec import encode_examples
from bert_tf.storage.tfrecord import RecordWriter
from bert_tf.text.tokenizer_config import TokenizerConfig
from bert_tf.text.vocabulary import Vocabulary

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CLS, SEP, MASK = 2, 3, 4


def write_dataset(
    directory: Path,
    *,
    num_records: int = 256,
    num_shards: int = 4,
    max_seq_length: int = 16,
    max_predictions_per_seq: int = 3,
    vocab_size: int = 32,
    min_length: int | None = None,
    seed: int = 0,
) -> Path:
    """Writes records in which each token follows from the one before it.

    The second segment of a pair goes on counting where the first one ended; that of a
    random pair counts backwards. Lengths are drawn from `min_length` up, or are S and
    S - 3.
    """
    rng = np.random.default_rng(seed)
    n, s, p = num_records, max_seq_length, max_predictions_per_seq
    words = vocab_size - len(SPECIALS)
    labels = rng.integers(0, 2, n)
    half = s // 2
    steps = np.ones([n, s], int)
    steps[:, half:] = np.where(labels, -1, 1)[:, None]
    ids = len(SPECIALS) + (rng.integers(0, words, [n, 1]) + steps.cumsum(1)) % words
    ids[:, 0], ids[:, half - 1], ids[:, -1] = CLS, SEP, SEP
    segments = np.repeat([[0] * half + [1] * (s - half)], n, 0)
    lengths = np.where(rng.random(n) < 0.3, s - 3, s)
    if min_length is not None:
        lengths = rng.integers(min_length, s + 1, n)
    mask = (np.arange(s) < lengths[:, None]).astype(int)
    ids[np.arange(n), lengths - 1] = SEP
    candidates = [i for i in range(1, s - 4) if i != half - 1]
    positions = np.sort([rng.choice(candidates, p, replace=False) for _ in range(n)])
    weights = np.ones([n, p], np.float32)
    weights[::4, -1] = 0
    weights[positions >= lengths[:, None] - 1] = 0
    rows = np.arange(n)[:, None]
    originals = ids[rows, positions]
    masked = ids.copy()
    np.put_along_axis(masked, positions, np.where(weights > 0, MASK, originals), 1)

    directory.mkdir(parents=True)
    vocabulary = Vocabulary.from_entries(
        SPECIALS + [f"word{i}" for i in range(words)], TokenizerConfig()
    )
    vocabulary.save(directory)
    examples = encode_examples(
        {
            "input_ids": masked * mask,
            "input_mask": mask,
            "segment_ids": segments * mask,
            "masked_lm_positions": positions * (weights > 0),
            "masked_lm_ids": originals * (weights > 0),
            "masked_lm_weights": weights,
            "next_sentence_labels": labels[:, None],
        }
    )
    shards = []
    for index, part in enumerate(np.array_split(np.arange(n), num_shards)):
        name = f"toy.tfrecord-{index:05d}-of-{num_shards:05d}"
        with RecordWriter(directory / name) as writer:
            writer.write(examples[i] for i in part)
        shards.append(Shard(name, len(part), writer.num_bytes, writer.sha256))
    DatasetInfo(
        parameters=DataParameters(
            max_seq_length=s, max_predictions_per_seq=p, dupe_factor=1
        ),
        vocab_size=vocab_size,
        vocab_hash=vocabulary.hash,
        shards=shards,
        statistics={"num_examples": n, "fill_rate": float(mask.mean())},
    ).save(directory)
    return directory


@pytest.fixture(scope="session")
def dataset_writer() -> Callable[..., Path]:
    return write_dataset


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmProcesses]:
    """Runs jobs without loading TensorFlow anew for each."""
    with WarmProcesses() as processes:
        yield processes


@pytest.fixture(scope="session")
def environment_with(tmp_path_factory) -> Callable[..., dict[str, str]]:
    """Makes environments in which importing one of `modules` runs `code` instead."""

    def make(modules: Iterable[str], code: str) -> dict[str, str]:
        folder = tmp_path_factory.mktemp("modules")
        for name in modules:
            (folder / f"{name}.py").write_text(code.format(name=name))
        paths = [str(folder), os.environ.get("PYTHONPATH", "")]
        return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}

    return make


@pytest.fixture(scope="session")
def without_tensorflow(environment_with) -> dict[str, str]:
    """An environment for jobs that must answer before they load anything heavy.

    Loading TensorFlow is what makes a job slow to answer; here it ends the job with a
    traceback, whatever the machine's clock says.
    """
    heavy = ("tensorflow", "tensorflow_text", "keras", "torch", "apache_beam")
    refusal = "raise AssertionError('{name} was loaded before the answer')\n"
    return environment_with(heavy, refusal)


def pytest_configure():
    # A shell has its background jobs, and so their children, ignore the interrupt.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write the results that golden tests compare with; read the diff",
    )


# What uses these starts jobs that load TensorFlow, or trains.
SLOW_FIXTURES = {"warm", "finetune", "finetuning_config"}


# At the end one process would work on it alone.
LONGEST = "test_every_task.py"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Marks the second tier, and puts the longest file first."""
    for item in items:
        if SLOW_FIXTURES & set(item.fixturenames):
            item.add_marker("slow")
    items.sort(key=lambda item: item.path.name != LONGEST)
