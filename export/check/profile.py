"""Where the time of a TFLite file goes, operation by operation."""

import dataclasses
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from bert_tf.errors import InputError

_NAME_END = re.compile(r"(.*?)\s+" + r"([\d.]+)\s+" * 3 + r"[\d.]+%")
_DELEGATE = "Delegate/"


@dataclasses.dataclass(frozen=True)
class OperationTime:
    """What all operations of a kind take in one call.

    Attributes:
        name: as LiteRT and XNNPACK have it, such as `Fully Connected (NC, QD8, F32,
            QC8W) GEMM`: the types are those of inputs, outputs and weights.
        count: how many of them run.
        ms: milliseconds of all of them, the mean over the calls.
    """

    name: str
    count: int
    ms: float


def profile_tflite(
    path: str | os.PathLike[str],
    signature: str = "serving_default",
    num_threads: int = 2,
    *,
    calls: int = 30,
) -> list[OperationTime]:
    """Profiles calls of a signature with an example of full length.

    Args:
        path: a file of `export.tflite.converter`.
        signature: which of its signatures.
        num_threads: that LiteRT may use.
        calls: how many.

    Returns:
        The operations, the longest first.

    Raises:
        InputError: no such file, or a LiteRT that does not tell.
    """
    # `-P` keeps our package from the child's path: it has no use for it.
    script = Path(__file__).with_name("profiled_process.py")
    numbers = map(str, (num_threads, calls))
    done = subprocess.run(
        [sys.executable, "-P", script, path, signature, *numbers],
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
        raise InputError(
            f"{os.fspath(path)}: LiteRT gives no profile of it ({reason:.200})."
        )
    return parse(done.stdout)


def parse(summary: str) -> list[OperationTime]:
    """Reads LiteRT's table of the operations in the order in which they run.

    Args:
        summary: what `LiteRtGetProfileSummary` gives.
    """
    table = summary.partition("Run Order")[2].partition("\n\n")[0]
    milliseconds: dict[str, float] = {}
    counts: Counter[str] = Counter()
    for line in table.splitlines():
        if match := _NAME_END.match(line.strip()):
            name = match[1].removeprefix(_DELEGATE)
            counts[name] += 1
            milliseconds[name] = milliseconds.get(name, 0.0) + float(match[4])
    times = [OperationTime(n, counts[n], ms) for n, ms in milliseconds.items()]
    return sorted(times, key=lambda time: -time.ms)
