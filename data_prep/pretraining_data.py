"""From a corpus to folders of records, in steps that resume.

1. The corpus is tokenized into shards on disk (`TokenizedCorpus`).
2. Each shard becomes a record file, a pure function of its documents, the parameters
   and its number, so neither the number of workers nor an interruption shows.
3. `dataset_info.json` is written, and what the steps kept for themselves is deleted.
"""

import dataclasses
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from bert_tf.data.dataset import Dataset
from bert_tf.data.dataset_info import FILE_NAME, DataParameters, DatasetInfo
from bert_tf.errors import InputError
from bert_tf.storage.files import named_if_full
from bert_tf.storage.scratch import remove_leftovers
from data_prep.corpus_tokenization import CorpusSource, tokenize_corpus
from data_prep.folders import (
    check_parameters,
    first_difference,
    locked,
)
from data_prep.shards import (
    ShardTask,
    is_done,
    min_documents,
    read_receipt,
    write_shard,
)
from data_prep.statistics import (
    DOCUMENT_COUNTS,
    Counts,
    add_counts,
    summarize,
    unknown_character_rate,
)
from data_prep.tokenized_corpus import TokenizedCorpus
from data_prep.workers import map_in_processes

_PROGRESS_DIR = ".progress"


@dataclasses.dataclass(frozen=True)
class PlannedDataset:
    """One folder of records to write.

    Attributes:
        directory: the folder.
        parameters: of its records.
        corpus_shards: the shards of the tokenized corpus that it is made of.
    """

    directory: Path
    parameters: DataParameters
    corpus_shards: range

    @property
    def progress_dir(self) -> Path:
        """Where the folder keeps what it needs to resume."""
        return self.directory / _PROGRESS_DIR


def create_pretraining_data(
    source: CorpusSource,
    datasets: Sequence[PlannedDataset],
    *,
    num_workers: int,
    tokenized_dir: Path | None = None,
    beam_options: Sequence[str] | None = None,
) -> list[Dataset]:
    """Writes data sets from one corpus, or what is missing of them.

    Args:
        source: the corpus.
        datasets: the folders to write.
        num_workers: processes (and tokenizing threads) that work at once. The records
            are the same for any number.
        tokenized_dir: where to keep the tokenized corpus for other data sets; None
            for a place in the first folder, deleted at the end.
        beam_options: runs the steps as an Apache Beam pipeline with these options
            instead of in processes of this machine. It keeps no tokenized corpus.

    Returns:
        The data sets.

    Raises:
        InputError: bad input, too few documents, a damaged file, or a folder that
            belongs to a run of other parameters.
        OSError: a folder cannot be written.
    """
    corpus_parameters = source.parameters()
    directories = [dataset.directory for dataset in datasets]
    filled = [*directories, *([tokenized_dir] if tokenized_dir else [])]
    if len({directory.resolve() for directory in filled}) < len(filled):
        raise InputError(
            f"{directories[0]}: each data set needs a folder of its own, and so does "
            "the tokenized text."
        )
    corpus = TokenizedCorpus(tokenized_dir or datasets[0].progress_dir / "corpus")
    with named_if_full(directories[0]), locked(directories):
        if not all(_is_finished(each, corpus_parameters) for each in datasets):
            for dataset in datasets:
                _claim(dataset, corpus_parameters)
                source.vocabulary.save(dataset.directory)  # For the workers too.
            if beam_options is None:
                inputs = _run_locally(
                    source, datasets, corpus, corpus_parameters, num_workers
                )
            else:
                inputs = _run_on_beam(source, datasets, beam_options)
            for dataset in datasets:
                _finish(dataset, source, corpus_parameters, inputs)
        for dataset in datasets:
            shutil.rmtree(dataset.progress_dir, ignore_errors=True)
    return [Dataset.open(dataset.directory) for dataset in datasets]


def _run_locally(
    source: CorpusSource,
    datasets: Sequence[PlannedDataset],
    corpus: TokenizedCorpus,
    corpus_parameters: dict[str, Any],
    num_workers: int,
) -> dict[str, Any]:
    with locked([corpus.directory]):
        corpus.open(corpus_parameters)
        if not corpus.is_finished:
            remove_leftovers(corpus.directory)
            task = (source, corpus.directory, num_workers)
            list(map_in_processes(_tokenize_corpus, [task], num_workers=1))
    sizes = corpus.shard_sizes()[:, 0]
    tasks = []
    for dataset in datasets:
        _check_sizes(dataset, sizes)
        tasks += _tasks(dataset, source, corpus.directory)
    _write_shards(tasks, num_workers)
    return {**corpus.counts(), "examples": corpus.examples()}


def _run_on_beam(
    source: CorpusSource, datasets: Sequence[PlannedDataset], options: Sequence[str]
) -> dict[str, Any]:
    from data_prep import beam_pipeline

    tasks = [task for dataset in datasets for task in _tasks(dataset, source)]
    path = datasets[0].progress_dir / "inputs.json"
    sizes, inputs = beam_pipeline.run(source, tasks, path, options)
    for dataset in datasets:
        _check_sizes(dataset, sizes)
    return inputs


def _tokenize_corpus(task: tuple[CorpusSource, Path, int]) -> None:
    # Tokenizing gains nothing from a GPU, and TensorFlow would take all its memory.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    tokenize_corpus(*task)


def _run_parameters(
    parameters: DataParameters, corpus_parameters: dict[str, Any]
) -> dict[str, Any]:
    return {**dataclasses.asdict(parameters), **corpus_parameters}


def _is_finished(dataset: PlannedDataset, corpus_parameters: dict[str, Any]) -> bool:
    if not (dataset.directory / FILE_NAME).is_file():
        return False
    finished = Dataset.open(dataset.directory)
    info = finished.info
    difference = first_difference(
        _run_parameters(info.parameters, info.corpus),
        _run_parameters(dataset.parameters, corpus_parameters),
    )
    if difference:
        raise InputError(
            f"{dataset.directory}: holds a data set made with {difference}. Choose "
            "another folder, or delete this one."
        )
    finished.verify()
    return True


def _claim(dataset: PlannedDataset, corpus_parameters: dict[str, Any]) -> None:
    """Starts a folder, or checks that this run is the one that it belongs to."""
    known = {_PROGRESS_DIR, FILE_NAME}
    others = [path for path in dataset.directory.iterdir() if path.name not in known]
    if others and not dataset.progress_dir.is_dir():
        raise InputError(
            f"{dataset.directory}: holds other files, for instance {others[0].name}. "
            "Choose a new or empty folder."
        )
    check_parameters(
        dataset.progress_dir,
        _run_parameters(dataset.parameters, corpus_parameters),
    )
    remove_leftovers(dataset.directory)


def _check_sizes(dataset: PlannedDataset, num_documents: np.ndarray) -> None:
    """Checks that each shard has the documents that its objective takes."""
    shards = dataset.corpus_shards
    sizes = num_documents[shards.start : shards.stop]
    needed = min_documents(dataset.parameters)
    if sizes.min() < needed:
        raise InputError(
            f"{dataset.directory}: {sizes.sum()} documents are too few for "
            f"{len(shards)} shards: the objective "
            f"{dataset.parameters.objective!r} needs {needed} in each. Give more "
            "documents (in text, a blank line ends one), a larger --eval_fraction, "
            "fewer --num_shards, or --objective=sentence_order."
        )


def _tasks(
    dataset: PlannedDataset, source: CorpusSource, corpus_dir: Path | None = None
) -> list[ShardTask]:
    count = len(dataset.corpus_shards)
    names = [f"pretraining.tfrecord-{i:05d}-of-{count:05d}" for i in range(count)]
    return [
        ShardTask(
            corpus_dir=corpus_dir,
            corpus_shard=shard,
            vocabulary_dir=dataset.directory,
            parameters=dataset.parameters,
            path=dataset.directory / name,
            receipt=dataset.progress_dir / f"{name}.json",
        )
        for shard, name in zip(dataset.corpus_shards, names, strict=True)
    ]


def _write_shards(tasks: Sequence[ShardTask], num_workers: int) -> None:
    missing = [task for task in tasks if not is_done(task)]
    num_done = len(tasks) - len(missing)
    workers = min(num_workers, max(len(missing), 1))
    with tqdm(
        desc="write records",
        total=len(tasks),
        initial=num_done,
        unit="shard",
        file=sys.stderr,
    ) as bar:
        num_bytes = 0
        for task in map_in_processes(write_shard, missing, workers):
            num_bytes += task.path.stat().st_size
            rate = num_bytes / bar.format_dict["elapsed"]
            bar.set_postfix_str(f"{rate / 1e6:.0f} MB/s")
            bar.update()


def _finish(
    dataset: PlannedDataset,
    source: CorpusSource,
    corpus_parameters: dict[str, Any],
    inputs: dict[str, Any],
) -> None:
    counts: Counts = {}
    shards = []
    for task in _tasks(dataset, source):
        shard, shard_counts = read_receipt(task)
        shards.append(shard)
        counts = add_counts(counts, shard_counts)
    DatasetInfo(
        parameters=dataset.parameters,
        vocab_size=len(source.vocabulary),
        vocab_hash=corpus_parameters["vocab_hash"],
        shards=shards,
        corpus=corpus_parameters,
        statistics={
            **{name: int(counts[name]) for name in DOCUMENT_COUNTS},
            **summarize(counts, dataset.parameters),
            "unknown_character_rate": unknown_character_rate(inputs),
            "inputs": dict(sorted(inputs.items())),
        },
    ).save(dataset.directory)
