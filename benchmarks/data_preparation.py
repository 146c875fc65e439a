r"""Measures data preparation beside Model Garden's tool, on the same text in one run.

`speed` runs both tools as processes at dupe_factor 1 and 10. Instances a second are
taken between the two, (instances at 10 - at 1) / (seconds at 10 - at 1), which leaves
out start-up and tokenizing on both sides; ours, which take seconds, are medians of
several runs on text that is tokenized already. `memory` runs ours on the text repeated
with variations to 100 MB and to 1 GB. `stages` times the parts of writing a shard on
one core.

Example:
    python -m benchmarks.data_preparation --measure=speed --input_file=text.txt \
        --vocab_file=vocab/vocab.txt --work_dir=/tmp/bench \
        --garden_python=garden-venv/bin/python
"""

import itertools
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil
from absl import flags

from bert_tf.cli import jobs
from bert_tf.data.dataset_info import DataParameters, DatasetInfo
from bert_tf.data.masking import MaskingVocabulary
from bert_tf.data.schema import check_batch
from bert_tf.errors import InputError
from bert_tf.storage.example_codec import encode_examples
from bert_tf.storage.input_files import find_input_files
from bert_tf.storage.tfrecord import RecordWriter, read_records
from bert_tf.text.vocabulary import Vocabulary
from data_prep.corpus import CorpusOptions
from data_prep.corpus_tokenization import CorpusSource, tokenize_corpus
from data_prep.documents import Documents, ShardAssignment
from data_prep.instances import make_instances
from data_prep.pairing import make_pairs
from data_prep.statistics import count_batch
from data_prep.tokenized_corpus import TokenizedCorpus

_MEASURE = flags.DEFINE_enum(
    "measure", "speed", ("speed", "memory", "stages"), "What to measure."
)
_INPUT_FILE = flags.DEFINE_string(
    "input_file", None, "Plain text, a sentence a line, blank lines between documents."
)
_VOCAB_FILE = flags.DEFINE_string("vocab_file", None, "An uncased vocabulary.")
_WORK_DIR = flags.DEFINE_string("work_dir", None, "Where both tools write.")
_GARDEN_PYTHON = flags.DEFINE_string(
    "garden_python", None, "Python of an environment with the model-garden extra."
)
_NUM_WORKERS = flags.DEFINE_integer("num_workers", 2, "Worker processes of ours.")

_PARAMETERS = DataParameters()
T = TypeVar("T")
_SAMPLE_SECONDS = 0.1
_REPEATS = 5


def main(argv: Sequence[str]) -> None:
    """Prints the measurement."""
    del argv
    assert _INPUT_FILE.value and _VOCAB_FILE.value and _WORK_DIR.value
    corpus, vocab_file = Path(_INPUT_FILE.value), Path(_VOCAB_FILE.value)
    work_dir = Path(_WORK_DIR.value)
    work_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work_dir) as scratch:
        if _MEASURE.value == "speed":
            _measure_speed(corpus, vocab_file, Path(scratch))
        elif _MEASURE.value == "memory":
            _measure_memory(corpus, vocab_file, Path(scratch))
        else:
            _measure_stages(corpus, vocab_file, Path(scratch))


def cli() -> None:
    """Runs the benchmark."""
    jobs.run(main, required=["input_file", "vocab_file", "work_dir"])


def _measure_speed(corpus: Path, vocab_file: Path, scratch: Path) -> None:
    if not _GARDEN_PYTHON.value:
        raise InputError("--garden_python is needed to measure speed side by side.")
    seconds: dict[tuple[str, int], float] = {}
    instances: dict[tuple[str, int], int] = {}
    records_seconds: dict[tuple[str, int], float] = {}
    for dupe_factor in (1, 10):
        ours = scratch / f"ours-{dupe_factor}"
        command = _our_command(corpus, vocab_file, ours, dupe_factor)
        seconds["ours", dupe_factor] = _run(command)
        instances["ours", dupe_factor] = DatasetInfo.load(ours).num_records
        repeated = []
        for repeat in range(_REPEATS + 1):
            output = scratch / f"again-{dupe_factor}-{repeat}"
            command = _our_command(corpus, vocab_file, output, dupe_factor)
            repeated.append(_run([*command, f"--tokenized_dir={scratch / 'tokens'}"]))
        # The first of them tokenizes.
        records_seconds["ours", dupe_factor] = statistics.median(repeated[1:])
        garden = scratch / f"garden-{dupe_factor}.tfrecord"
        seconds["garden", dupe_factor] = _run(
            _garden_command(corpus, vocab_file, garden, dupe_factor)
        )
        records_seconds["garden", dupe_factor] = seconds["garden", dupe_factor]
        instances["garden", dupe_factor] = sum(1 for _ in read_records(garden))
    for dupe_factor in (1, 10):
        ratio = seconds["garden", dupe_factor] / seconds["ours", dupe_factor]
        for tool in ("ours", "garden"):
            key = (tool, dupe_factor)
            print(
                f"dupe_factor {dupe_factor:2}: {tool:6} {seconds[key]:6.1f} s whole "
                f"process, {instances[key]:,} instances"
            )
        print(f"dupe_factor {dupe_factor:2}: ratio {ratio:.1f}")
    rates = {
        tool: (instances[tool, 10] - instances[tool, 1])
        / (records_seconds[tool, 10] - records_seconds[tool, 1])
        for tool in ("ours", "garden")
    }
    print(
        f"instances/s between them: ours {rates['ours']:,.0f}, garden "
        f"{rates['garden']:,.0f}, ratio {rates['ours'] / rates['garden']:.1f}"
    )


def _our_command(
    corpus: Path, vocab_file: Path, output: Path, dupe_factor: int
) -> list[str]:
    return [
        sys.executable,
        "-m",
        "data_prep.create_pretraining_data",
        f"--input_file={corpus}",
        f"--vocab_file={vocab_file}",
        f"--output_dir={output}",
        f"--dupe_factor={dupe_factor}",
        f"--num_workers={_NUM_WORKERS.value}",
    ]


def _garden_command(
    corpus: Path, vocab_file: Path, output: Path, dupe_factor: int
) -> list[str]:
    assert _GARDEN_PYTHON.value
    return [
        _GARDEN_PYTHON.value,
        "-m",
        "official.nlp.data.create_pretraining_data",
        f"--input_file={corpus}",
        f"--vocab_file={vocab_file}",
        f"--output_file={output}",
        f"--dupe_factor={dupe_factor}",
        f"--max_seq_length={_PARAMETERS.max_seq_length}",
        f"--max_predictions_per_seq={_PARAMETERS.max_predictions_per_seq}",
        f"--masked_lm_prob={_PARAMETERS.masked_lm_prob}",
        f"--short_seq_prob={_PARAMETERS.short_seq_prob}",
        f"--random_seed={_PARAMETERS.random_seed}",
        "--do_lower_case",
    ]


def _run(command: list[str]) -> float:
    """Runs a command to its end; returns the seconds it took."""
    start = time.perf_counter()
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise InputError(f"{' '.join(command)} failed: {result.stderr[-2000:]}")
    return time.perf_counter() - start


def _measure_memory(corpus: Path, vocab_file: Path, scratch: Path) -> None:
    peaks = {}
    for num_megabytes in (100, 1000):
        text = scratch / f"text-{num_megabytes}.txt"
        _write_varied(corpus, text, num_megabytes * 1_000_000)
        start = time.perf_counter()
        peak = _peak_memory(
            _our_command(text, vocab_file, scratch / f"{num_megabytes}", dupe_factor=1)
        )
        peaks[num_megabytes] = peak
        print(
            f"{num_megabytes:,} MB of text: peak {peak / 1e6:,.0f} MB over all "
            f"processes, {time.perf_counter() - start:.0f} s"
        )
        text.unlink()
    print(f"growth from 100 MB to 1 GB: {peaks[1000] / peaks[100] - 1:+.1%}")


def _write_varied(corpus: Path, output: Path, num_bytes: int) -> None:
    """Repeats a text until `num_bytes`, each time without a tenth of its lines."""
    lines = corpus.read_text(encoding="utf-8").splitlines(keepends=True)
    rng = random.Random(0)
    written = 0
    with output.open("w", encoding="utf-8") as file:
        for line in itertools.cycle(lines):
            if line.strip() and rng.random() < 0.1:
                continue
            file.write(line)
            written += len(line)
            if written >= num_bytes:
                return


def _peak_memory(command: list[str]) -> int:
    """Returns the largest sum of PSS over a command and its children, in bytes."""
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = 0
    while process.poll() is None:
        total = 0
        for each in [process, *process.children(recursive=True)]:
            try:
                total += each.memory_full_info().pss
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue  # It has just ended.
        peak = max(peak, total)
        time.sleep(_SAMPLE_SECONDS)
    if process.returncode:
        raise InputError(f"failed: {process.stderr.read()[-2000:]}")
    return peak


def _measure_stages(corpus: Path, vocab_file: Path, scratch: Path) -> None:
    vocabulary = Vocabulary.load_file(vocab_file)
    source = CorpusSource(
        files=find_input_files(str(corpus)),
        options=CorpusOptions(),
        vocabulary=vocabulary,
        assignment=ShardAssignment(num_shards=1),
    )
    directory = scratch / "corpus"
    tokenize_corpus(source, directory, num_threads=1)  # Loads TensorFlow.
    start = time.perf_counter()
    tokenize_corpus(source, scratch / "again", num_threads=1)
    seconds = time.perf_counter() - start
    print(f"tokenizing, one thread: {corpus.stat().st_size / 1e6 / seconds:.1f} MB/s")

    documents = TokenizedCorpus(directory).read_shard(0)
    masking_vocabulary = MaskingVocabulary.of(vocabulary)
    stages: dict[str, float] = {}
    path = scratch / "records"
    pairs = _timed(stages, "pairs", make_pairs, documents, _PARAMETERS, 0)
    with RecordWriter(path) as writer:
        for batch in _timed_batches(stages, documents, masking_vocabulary):
            _timed(stages, "check", check_batch, batch, _PARAMETERS.features())
            records = _timed(stages, "encode", encode_examples, batch)
            _timed(stages, "checksums, write", writer.write, records)
            _timed(stages, "statistics", count_batch, batch, masking_vocabulary)
    stages["copy, mask"] -= stages["pairs"]
    for name, total in stages.items():
        print(f"{name:<18} {total / len(pairs) * 1e6:5.1f} us an instance")
    rate = len(pairs) / sum(stages.values())
    print(f"all of a worker's  {rate:,.0f} instances/s on one core")
    content = path.read_bytes()
    start = time.perf_counter()
    (scratch / "copy").write_bytes(content)
    seconds = time.perf_counter() - start
    rate = len(pairs) / seconds
    print(f"writing the bytes  {rate:,.0f} instances/s ({len(content) / 1e6:.0f} MB)")


def _timed(
    stages: dict[str, float], name: str, function: Callable[..., T], *args: Any
) -> T:
    start = time.perf_counter()
    result = function(*args)
    stages[name] = stages.get(name, 0.0) + time.perf_counter() - start
    return result


def _timed_batches(
    stages: dict[str, float], documents: Documents, vocabulary: MaskingVocabulary
) -> Iterator[dict[str, np.ndarray]]:
    batches = make_instances(documents, vocabulary, _PARAMETERS, shard_index=0)
    while batch := _timed(stages, "copy, mask", next, batches, {}):
        yield batch


if __name__ == "__main__":
    cli()
