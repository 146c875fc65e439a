r"""Tokens a second of searches, beside Hugging Face's `generate`.

    python -m benchmarks.generation --size=mini --source=128 --target=64
    python -m benchmarks.generation --num_beams=1,4 --candidates=4

Encoder-decoders of BERT blocks with random weights, float32, no token ends a text; at
batch 1 also our TFLite file with int8 weights. They take turns; the best of `--rounds`
counts, after one that compiles. What a token of ours costs at batch 1 is compared with
the time that reading the decoder's weights takes, at the memory's speed as measured.
Contrastive search, which Hugging Face's has no more, is measured of ours alone.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags

from benchmarks import generation_peers as peers
from bert_tf.cli import jobs

_SIZE = flags.DEFINE_enum("size", "mini", list(peers.SHAPES), "BERT's size.")
_SOURCE = flags.DEFINE_integer("source", 128, "Tokens that are read.")
_TARGET = flags.DEFINE_integer("target", 64, "Tokens that are written.")
_BATCHES = flags.DEFINE_list("batch_sizes", ["1", "16"], "Texts at once.")
_BEAMS = flags.DEFINE_list("num_beams", ["1", "4"], "1 for greedy search.")
_CANDIDATES = flags.DEFINE_list(
    "candidates", [], "Tokens that a contrastive search compares."
)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Timed runs of each.")
_INT8 = flags.DEFINE_boolean("int8", True, "Whether the TFLite file takes part.")

_OURS, _THEIRS, _FILE = "ours", "Hugging Face", "int8 file"


def main(argv: Sequence[str]) -> None:
    """Measures and prints a table."""
    with tempfile.TemporaryDirectory() as folder:
        _measure(str(_SIZE.value), int(_TARGET.value), Path(folder))


def _measure(size: str, target: int, folder: Path) -> None:
    model = peers.create_model(size)
    writers = {_OURS: peers.ours(model), _THEIRS: peers.hugging_face(size)}
    rng = np.random.default_rng(0)
    print(f"{size}, {_SOURCE.value} in, {target} out, tokens/s")
    for batch in map(int, _BATCHES.value):
        ids = rng.integers(1000, peers.VOCAB_SIZE, (batch, _SOURCE.value))
        for settings in _searches():
            taking_part = dict(writers)
            alone = batch == 1 and settings == peers.GREEDY
            if alone and _INT8.value:
                source = int(_SOURCE.value)
                taking_part[_FILE] = peers.int8_file(model, source, target, folder)
            if "num_beams" not in settings:
                del taking_part[_THEIRS]
            seconds = _best(taking_part, ids, settings, target)
            columns = _columns({n: batch * target / x for n, x in seconds.items()})
            search = ", ".join(f"{name} {x}" for name, x in settings.items())
            print(f"batch {batch}, {search}: {columns}", flush=True)
            if alone:
                first = _best(writers, ids, settings, 1)
                _print_a_token(model, first, (seconds[_OURS], target))


def _searches() -> list[peers.Settings]:
    beams = [{"num_beams": int(count)} for count in _BEAMS.value]
    return beams + [
        {"penalty_alpha": 0.6, "top_k": int(count)} for count in _CANDIDATES.value
    ]


def _columns(speeds: dict[str, float]) -> str:
    """Returns tokens/s, and how many times Hugging Face's they are."""
    if _THEIRS not in speeds:
        return ", ".join(f"{name} {speed:.1f}" for name, speed in speeds.items())
    return ", ".join(
        f"{name} {speed:.1f} ({speed / speeds[_THEIRS]:.2f})"
        for name, speed in speeds.items()
    )


def _best(
    writers: dict[str, peers.Write],
    ids: np.ndarray,
    settings: peers.Settings,
    target: int,
) -> dict[str, float]:
    """Returns the fewest seconds of each, taking turns, but for the first one."""
    best = dict.fromkeys(writers, float("inf"))
    for number in range(_ROUNDS.value + 1):
        for name, write in writers.items():
            start = time.perf_counter()
            write(ids, settings, target)
            if number:
                best[name] = min(best[name], time.perf_counter() - start)
    return best


def _print_a_token(
    model: object, first: dict[str, float], whole: tuple[float, int]
) -> None:
    """Prints how long the first token takes, and each of ours that follows.

    Args:
        model: ours.
        first: seconds to the first token.
        whole: seconds of ours for so many tokens.
    """
    columns = ", ".join(f"{name} {1e3 * x:.1f} ms" for name, x in first.items())
    seconds, target = whole
    token = (seconds - first[_OURS]) / (target - 1)
    size, speed = peers.bytes_per_token(model), _bytes_per_second()
    print(
        f"first token: {columns}; a further one of ours {1e3 * token:.2f} ms, "
        f"{token * speed / size:.2f} times the {1e3 * size / speed:.2f} ms that its "
        f"{size / 1e6:.0f} MB of weights take to be read at {speed / 1e9:.1f} GB/s",
        flush=True,
    )


def _bytes_per_second() -> float:
    """Returns how fast all threads together read what no cache holds."""
    import tensorflow as tf

    numbers = tf.ones([128, 1024, 1024])
    best = float("inf")
    for _ in range(8):
        start = time.perf_counter()
        tf.reduce_sum(numbers, axis=[1, 2]).numpy()
        best = min(best, time.perf_counter() - start)
    return float(4 * tf.size(numbers).numpy() / best)


if __name__ == "__main__":
    jobs.run(main)
