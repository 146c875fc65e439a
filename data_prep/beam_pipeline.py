"""The steps of `pretraining_data` as an Apache Beam pipeline.

It runs the same functions on the same documents in the same order, so its record files
are the same bytes. Inputs, vocabulary and outputs must be reachable under the same
paths from every worker, for instance on a shared file system.
"""

import contextlib
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np

from bert_tf.errors import InputError
from bert_tf.storage.json_files import read_json, write_json
from data_prep.corpus import read_file
from data_prep.corpus_tokenization import (
    CorpusSource,
    TokenizedSentences,
    make_tokenize,
    read_blocks,
)
from data_prep.documents import Documents
from data_prep.input_report import InputReport
from data_prep.shards import ShardTask, is_done, min_documents, write_documents
from data_prep.tokenized_corpus import Position

try:
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions
except ImportError as error:
    raise InputError(
        "Running on Apache Beam needs `pip install bert-tf[beam]`."
    ) from error

_REPORT = "report"

# Where a part of a shard stands: number of its file, and of its block in the file.
_Place = tuple[int, int]


def run(
    source: CorpusSource,
    tasks: Sequence[ShardTask],
    summary_path: Path,
    options: Sequence[str],
) -> tuple[np.ndarray, dict[str, Any]]:
    """Runs the pipeline and waits for it.

    Args:
        source: the corpus.
        tasks: the shards to write; those that are done are left alone.
        summary_path: a JSON file through which the pipeline answers.
        options: of Beam, for instance `--runner=FlinkRunner`.

    Returns:
        Documents of each shard, int64 `[shards]`. A shard with fewer than its
        objective needs is not written. And what reading the inputs counted.
    """
    # Of a user's mistake Beam would log the stack first; the job says it in a line.
    logging.getLogger("apache_beam.runners.common").addFilter(
        lambda record: not isinstance(record.msg, InputError | OSError)
    )
    missing = {task.corpus_shard: task for task in tasks if not is_done(task)}
    with beam.Pipeline(options=PipelineOptions(list(options))) as pipeline:
        parts = (
            pipeline
            | "files" >> beam.Create(list(enumerate(source.files)))
            | "spread" >> beam.Reshuffle()
            | "tokenize" >> beam.ParDo(_Tokenize(source)).with_outputs(main="parts")
        )
        sizes = (
            parts["parts"]
            | "gather" >> beam.GroupByKey()
            | "write" >> beam.Map(_write, tasks=missing)
        )
        _ = (
            pipeline
            | beam.Create([summary_path])
            | "summarize"
            >> beam.Map(
                _summarize,
                sizes=beam.pvalue.AsIter(sizes),
                reports=beam.pvalue.AsIter(parts[_REPORT]),
            )
        )
    summary = read_json(summary_path)
    num_documents = np.zeros(source.assignment.total, np.int64)
    for shard, size in summary["sizes"]:
        num_documents[shard] = size
    return num_documents, summary["inputs"]


class _Tokenize(beam.DoFn):
    """From a file to parts of shards, and to what reading it counted."""

    def __init__(self, source: CorpusSource) -> None:
        self._source = source

    def setup(self) -> None:
        self._tokenize = make_tokenize(self._source)

    def process(self, element: tuple[int, Any]) -> Iterator[Any]:
        file_index, file = element
        report = InputReport()
        counts: Counter[str] = Counter()
        blocks = read_blocks(
            read_file(file, self._source.options, report),
            Position(file_index),
            self._source.assignment,
            report,
            self._submit,
        )
        for number, block in enumerate(blocks):
            documents, shards = block.gather()
            for shard in np.unique(shards).tolist():
                part = documents.take(np.flatnonzero(shards == shard))
                yield shard, ((file_index, number), part)
            counts.update(block.counts)
        yield beam.pvalue.TaggedOutput(
            _REPORT, (file_index, dict(counts), report.examples)
        )

    def _submit(self, sentences: list[str]) -> Future[TokenizedSentences]:
        future: Future[TokenizedSentences] = Future()
        future.set_result(self._tokenize(sentences))
        return future


def _write(
    element: tuple[int, Iterable[tuple[_Place, Documents]]],
    tasks: dict[int, ShardTask],
) -> tuple[int, int]:
    shard, parts = element
    ordered = sorted(parts, key=lambda part: part[0])
    documents = Documents.concatenate([documents for _, documents in ordered])
    task = tasks.get(shard)
    if task and documents.num_documents >= min_documents(task.parameters):
        with _in_words():
            write_documents(task, documents)
    return shard, documents.num_documents


def _summarize(
    path: Path,
    sizes: Iterable[tuple[int, int]],
    reports: Iterable[tuple[int, dict[str, int], dict[str, str]]],
) -> None:
    total: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for _, counts, places in sorted(reports, key=lambda report: report[0]):
        total.update(counts)
        examples = places | examples
    inputs = {**total, "examples": examples}
    with _in_words():
        write_json(path, {"sizes": sorted(sizes), "inputs": inputs})


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    """Makes an OSError one text: of other arguments Beam makes a RuntimeError."""
    try:
        yield
    except OSError as error:
        raise OSError(f"{error.filename}: {error.strerror}.") from error
