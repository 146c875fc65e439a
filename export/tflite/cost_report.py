"""What a TFLite file costs to run, beside float32: `report.html`."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bert_tf.errors import InputError
from bert_tf.reporting import report
from bert_tf.reporting.curves import chart
from bert_tf.reporting.sections import Chart, Section, Table, Text
from export.check import measurement, profile, tflite_weights
from export.check.measurement import Measurement
from export.checkpoint.pretrained import TrainedModel
from export.tflite import converter

LENGTHS = (64, 128, 256, 384)
"""Tokens of the examples that are measured, as far as the model has positions."""

THREADS = (1, 2)

_SHOWN_OPERATIONS = 12


def write(
    trained: TrainedModel,
    directory: Path,
    quantizations: Mapping[str, Callable[[bytes], bytes]],
    scratch: Path,
) -> Path:
    """Measures files of several lengths, and writes `report.html` and `report.md`.

    Args:
        trained: what the files are made of.
        directory: where the report goes, which exists.
        quantizations: a name for each kind of file -> what makes it of a float32 one.
        scratch: a folder for the files.

    Returns:
        The path of `report.html`.
    """
    positions = trained.folder.config.max_position_embeddings
    own = trained.max_seq_length
    lengths = sorted({own, *(each for each in LENGTHS if each <= positions)})
    measured: dict[str, dict[int, Measurement]] = {name: {} for name in quantizations}
    shares: dict[str, float] = {}
    operations: list[Section] = []
    for length in lengths:
        plain = converter.convert_float(
            dataclasses.replace(trained, max_seq_length=length), scratch_dir=scratch
        )
        for name, quantize in quantizations.items():
            path = scratch / f"{name}_{length}.tflite"
            content = quantize(plain)
            path.write_bytes(content)
            measured[name][length] = measurement.measure_tflite(path, threads=THREADS)
            if length == own:
                shares[name] = tflite_weights.integer_share(content)
                operations.append(_operations(name, path, own))
            path.unlink()
    title = f"TFLite: {trained.task.name.replace('_', ' ')}, {own} tokens"
    return report.write_report(
        directory,
        title,
        [
            _files(measured, shares, own),
            *(_latency(measured, lengths, number) for number in THREADS),
            *operations,
            report.values("Measured on", report.hardware(["processor"])),
        ],
    )


def _files(
    measured: Mapping[str, Mapping[int, Measurement]],
    shares: Mapping[str, float],
    own: int,
) -> Section:
    header = ["file", "MB", "share of float32's", "multiplications in int8 or int4"]
    header += [f"ms, {number} thread{'s'[: number > 1]}" for number in THREADS]
    header += ["memory, MB", "ms to the first answer"]
    smallest = max(each[own].num_bytes for each in measured.values())
    rows = []
    for name, of_lengths in measured.items():
        found = of_lengths[own]
        timings = [found.timing(own, number) for number in THREADS]
        rows.append(
            [
                name,
                found.num_bytes / 1e6,
                found.num_bytes / smallest,
                f"{100 * shares[name]:.1f}%",
                *(timing.best_ms for timing in timings),
                timings[-1].memory_mb,
                timings[-1].first_ms,
            ]
        )
    note = (
        "Each in a process of its own with LiteRT and XNNPACK; milliseconds are the "
        f"fastest of {measurement.CALLS} calls with one example of full length. Memory "
        "is what the process grew by at most, the file's own pages included."
    )
    return Section("Files", [Text(note), Table(rows, header)])


def _latency(
    measured: Mapping[str, Mapping[int, Measurement]],
    lengths: Sequence[int],
    num_threads: int,
) -> Section:
    title = f"Latency, {num_threads} thread{'s'[: num_threads > 1]}"
    series = {
        name: [
            (length, found.timing(length, num_threads).best_ms)
            for length, found in of_lengths.items()
        ]
        for name, of_lengths in measured.items()
    }
    rows = [
        [length, *(dict(points)[length] for points in series.values())]
        for length in lengths
    ]
    header = ["tokens", *(f"{name}, ms" for name in measured)]
    # The numbers stand below the drawing on the page too, not in Markdown alone.
    drawing = Chart(chart("ms by tokens", series), Table([]))
    return Section(title, [drawing, Table(rows, header)])


def _operations(name: str, path: Path, length: int) -> Section:
    title = f"Where the time of {name} goes"
    try:
        times = profile.profile_tflite(path, num_threads=THREADS[-1])
    except InputError as error:
        return Section(title, [Text(str(error))])
    total = sum(time.ms for time in times)
    rows = [[t.name, t.count, t.ms, t.ms / total] for t in times[:_SHOWN_OPERATIONS]]
    rest = times[_SHOWN_OPERATIONS:]
    if rest:
        of_rest = sum(time.ms for time in rest)
        count = sum(time.count for time in rest)
        rows.append(["all others", count, of_rest, of_rest / total])
    note = (
        f"With {length} tokens and {THREADS[-1]} threads, as LiteRT's profiler has it; "
        "the types in brackets are those of inputs, outputs and weights."
    )
    header = ["operation", "how many", "ms", "share"]
    return Section(title, [Text(note), Table(rows, header)])
