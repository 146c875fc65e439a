r"""Loads `bert-tf-serve` and compares every answer with the checkpoint's own.

Example:
    python -m benchmarks.serving_load \
        --checkpoint=runs/reviews --saved_model_dir=models/reviews

Many connections send texts of mixed lengths for some minutes, beside clients that hang
up, dawdle and never read; then come damaged requests. It prints percentiles, how much
memory the server had over time, and ends with an error if any answer was wrong or the
server gone. The model is any whose `serving_default` takes `text` and returns
`probabilities` of its labels, as a classifier's.
"""

import collections
import concurrent.futures
import http.client
import json
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from absl import flags

from bert_tf.cli import jobs

_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "Workdir or model folder.")
_SAVED_MODEL_DIR = flags.DEFINE_string(
    "saved_model_dir", None, "What was exported from it; the model's folder."
)
_SECONDS = flags.DEFINE_float("seconds", 180, "Of load.", lower_bound=1)
_CONNECTIONS = flags.DEFINE_integer("connections", 32, "At once.", lower_bound=1)
_HOSTILE = flags.DEFINE_integer("hostile", 2000, "Damaged requests.", lower_bound=0)
_SEED = flags.DEFINE_integer("seed", 0, "Of texts and damages.")

_WORDS = (
    "the a of and film story good bad never quite really moving dull watch again "
    "director actors ending é 漢字 \U0001f600 [MASK] unwatchable , . !"
).split()
_NUM_TEXTS = 400
# How far probabilities may be from the checkpoint's: batches pad differently.
_TOLERANCE = 1e-3
_PERCENTILES = (50, 90, 99, 99.9)


def main(argv: Sequence[str]) -> None:
    """Runs the load."""
    import psutil

    import bert_tf
    from benchmarks import hostile_requests
    from bert_tf.errors import InputError

    rng = random.Random(_SEED.value)
    # Reviews: most short, some long, an empty one.
    texts = [
        " ".join(rng.choices(_WORDS, k=int(rng.lognormvariate(3, 1))))
        for _ in range(_NUM_TEXTS)
    ]
    rows = bert_tf.load(str(_CHECKPOINT.value)).predict(texts)
    if not rows or not isinstance(rows[0].get("probabilities"), dict):
        raise InputError(
            f"{_CHECKPOINT.value}: its task must give probabilities of labels, as "
            "classification does."
        )
    expected = {
        text: list(row["probabilities"].values())
        for text, row in zip(texts, rows, strict=True)
    }
    command = [sys.executable, "-m", "export.serve", str(_SAVED_MODEL_DIR.value)]
    command += ["--port=0", "--model_name=model", "--max_queue=1000"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        found = re.search(r":(\d+)/", line)
        if not found:
            raise InputError(f"The server did not start: {line!r}")
        port = int(found[1])
        process = psutil.Process(server.pid)
        report = _load(port, expected, process)
        target = hostile_requests.Target(
            port, "model", {"serving_default": {"text": "a good film"}}
        )
        damaged = hostile_requests.requests(target, _HOSTILE.value, _SEED.value)
        with concurrent.futures.ThreadPoolExecutor(_CONNECTIONS.value) as pool:
            lines = pool.map(
                lambda request: hostile_requests.survives(target, request, 0.5), damaged
            )
            answered = collections.Counter(
                line.decode("latin-1")[9:12] or "none" for line in lines
            )
        after = _ask(port, texts[:4], expected)
        report["hostile"] = dict(sorted(answered.items()))
        report["after them"] = "answers" if after else "WRONG"
        report["MB after them"] = _megabytes(process)
    finally:
        server.send_signal(signal.SIGTERM)
    report["exit code"] = server.wait(60)
    print(json.dumps(report, indent=1))
    faults = report["wrong"] or report["failed"] or report["exit code"]
    if faults or not after or "500" in report["hostile"]:
        raise InputError("An answer was wrong, a request failed or the server did.")


def _ask(
    port: int,
    texts: Sequence[str],
    expected: dict[str, list[float]],
    connection: http.client.HTTPConnection | None = None,
) -> bool:
    """Tells whether a request gets the checkpoint's answer."""
    connection = connection or http.client.HTTPConnection("127.0.0.1", port)
    body = json.dumps({"instances": list(texts)})
    connection.request("POST", "/v1/models/model:predict", body)
    response = connection.getresponse()
    answer = json.loads(response.read())
    if response.status != 200:
        raise RuntimeError(f"{response.status}: {answer}")
    return all(
        abs(given - right) < _TOLERANCE
        for text, row in zip(texts, answer["predictions"], strict=True)
        for given, right in zip(row["probabilities"], expected[text], strict=True)
    )


def _load(port: int, expected: dict[str, list[float]], process: Any) -> dict[str, Any]:
    """Returns what many connections saw."""
    end = time.monotonic() + _SECONDS.value
    memory: list[float] = []
    with concurrent.futures.ThreadPoolExecutor(_CONNECTIONS.value + 3) as pool:
        futures = [
            pool.submit(_client, port, expected, end, number)
            for number in range(_CONNECTIONS.value)
        ]
        odd = [pool.submit(work, port, end) for work in (_hang_up, _dawdle, _read_not)]
        while time.monotonic() < end:
            time.sleep(min(2, max(0.1, end - time.monotonic())))
            memory.append(_megabytes(process))
        results = [future.result() for future in futures]
        for future in odd:
            future.result()
    seconds = sorted(second for result in results for second in result["seconds"])
    num_texts = sum(result["texts"] for result in results)
    third = max(1, len(memory) // 3)
    return {
        "connections": _CONNECTIONS.value,
        "requests": len(seconds),
        "wrong": sum(result["wrong"] for result in results),
        "failed": [why for result in results for why in result["failed"]][:5],
        "requests/s": round(len(seconds) / _SECONDS.value, 1),
        "texts/s": round(num_texts / _SECONDS.value, 1),
        "ms": {
            **{
                f"p{p:g}": round(1000 * seconds[int((len(seconds) - 1) * p / 100)], 1)
                for p in _PERCENTILES
            },
            "max": round(1000 * seconds[-1], 1),
        },
        # Means of thirds: what grows without end grows in the last one, too.
        "MB by thirds": [
            round(sum(part) / len(part))
            for part in (memory[:third], memory[third : 2 * third], memory[2 * third :])
            if part
        ],
    }


def _client(
    port: int, expected: dict[str, list[float]], end: float, number: int
) -> dict[str, Any]:
    rng = random.Random(number)
    texts = list(expected)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    seconds: list[float] = []
    failed: list[str] = []
    wrong = num_texts = 0
    while time.monotonic() < end:
        chosen = rng.choices(texts, k=rng.choice((1, 1, 1, 2, 4)))
        start = time.monotonic()
        try:
            wrong += not _ask(port, chosen, expected, connection)
        except (OSError, http.client.HTTPException, RuntimeError) as error:
            failed.append(repr(error))
            connection.close()
        seconds.append(time.monotonic() - start)
        num_texts += len(chosen)
    connection.close()
    return {
        "seconds": seconds,
        "texts": num_texts,
        "wrong": wrong,
        "failed": failed,
    }


_BODY = b'{"instances": ["a film"]}'
_HEAD = (
    b"POST /v1/models/model:predict HTTP/1.1\r\nHost: here\r\n"
    b"Content-Length: %d\r\n\r\n" % len(_BODY)
)


def _hang_up(port: int, end: float) -> None:
    """Sends requests and leaves."""
    rng = random.Random(0)
    while time.monotonic() < end:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            whole = _HEAD + _BODY
            connection.sendall(whole[: rng.randint(1, len(whole))])
        time.sleep(0.02)


def _dawdle(port: int, end: float) -> None:
    """Sends a byte a second, again and again."""
    while time.monotonic() < end:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            try:
                for byte in _HEAD:
                    connection.sendall(bytes([byte]))
                    time.sleep(min(1, max(0, end - time.monotonic())))
            except OSError:  # It was told to go.
                continue


def _read_not(port: int, end: float) -> None:
    """Asks for more and more and takes none of it."""
    request = b"GET /v1/models/model/metadata HTTP/1.1\r\nHost: here\r\n\r\n"
    while time.monotonic() < end:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.settimeout(1)
            try:
                while time.monotonic() < end:
                    connection.sendall(request * 20)
            except OSError:
                pass
            time.sleep(min(5, max(0, end - time.monotonic())))


def _megabytes(process: Any) -> float:
    return round(process.memory_info().rss / 1e6)


def cli() -> None:
    """Runs the job with the command line's flags."""
    jobs.run(main, required=["checkpoint", "saved_model_dir"])


if __name__ == "__main__":
    cli()
