r"""Asks a model server: TF Serving, or one that speaks as it does.

Example:
    python -m export.run_client \
        --server=http://localhost:8501 --model=bert --input_file=texts.txt
    python -m export.run_client --model=bert --text='The [MASK] of the union.'
    python -m export.run_client --model=bert --input_file=texts.txt \
        --load_test --concurrency=32 --seconds=30 --report_dir=build/load_test

Input is a text a line, JSON Lines (an object of inputs, or a string), or a table with
the names of inputs in its first line (.csv, .tsv); `-` is standard input. Answers are
JSON Lines in the order of the input, errors in their place. `--load_test` asks the same
over and over and tells how long answers take.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from absl import flags

from bert_tf.cli import jobs
from bert_tf.errors import InputError

_SERVER = flags.DEFINE_string(
    "server",
    "http://localhost:8501",
    "http(s)://host:port for REST, grpc://host:port or grpcs:// (TLS) for gRPC.",
)
_MODEL = flags.DEFINE_string("model", None, "The model's name on the server.")
_SIGNATURE = flags.DEFINE_string("signature", "serving_default", "What to call.")
_VERSION = flags.DEFINE_integer("version", None, "The model's version.")
_LABEL = flags.DEFINE_string("label", None, "A version's label, as `canary`.")
_TEXTS = flags.DEFINE_multi_string("text", [], "A text to ask about")
_INPUT_FILE = flags.DEFINE_string("input_file", None, "What to ask; - is stdin.")
_FORMAT = flags.DEFINE_enum(
    "format",
    None,
    ["text", "jsonl", "csv", "tsv"],
    "Of the input; by default what the file's name says.",
)
_TEXT_INPUT = flags.DEFINE_string(
    "text_input", "text", "The signature's input that a line of text is given to."
)
_OUTPUT_FILE = flags.DEFINE_string(
    "output_file", None, "Where answers go; by default standard output."
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 1, "Rows a request.", lower_bound=1)
_CONCURRENCY = flags.DEFINE_integer(
    "concurrency", 4, "Requests at a time.", lower_bound=1
)
_TIMEOUT = flags.DEFINE_float(
    "timeout", 30.0, "Seconds that an answer may take.", lower_bound=0.001
)
_TOKEN_FILE = flags.DEFINE_string(
    "token_file", None, "A file with the bearer token that the server wants."
)
_LOAD_TEST = flags.DEFINE_bool("load_test", False, "Measure latency and throughput.")
_SECONDS = flags.DEFINE_float(
    "seconds", 10.0, "How long the load test runs.", lower_bound=0.1
)
_REPORT_DIR = flags.DEFINE_string(
    "report_dir", None, "Where the load test's report.html and report.md go."
)


def main(argv: Sequence[str]) -> None:
    """Asks, and writes answers or a load test's figures."""
    from pathlib import Path

    from export.client import calling, load_report, protocols, rows

    if bool(_TEXTS.value) == (_INPUT_FILE.value is not None):
        raise InputError("Name either --text or --input_file (`-` is stdin).")
    if _REPORT_DIR.value and not _LOAD_TEST.value:
        raise InputError("--report_dir needs --load_test.")
    if _INPUT_FILE.value is not None:
        asked = rows.read(_INPUT_FILE.value, _FORMAT.value, _TEXT_INPUT.value)
    else:
        asked = [{_TEXT_INPUT.value: text} for text in _TEXTS.value]
    token = None
    if _TOKEN_FILE.value is not None:
        token = Path(_TOKEN_FILE.value).read_text(encoding="utf-8").strip()
    target = protocols.Target(
        _SERVER.value,
        str(_MODEL.value),
        signature=_SIGNATURE.value,
        version=_VERSION.value,
        label=_LABEL.value,
        timeout=_TIMEOUT.value,
        token=token,
    )
    try:
        client = protocols.connect(target, _CONCURRENCY.value)
    except protocols.RequestFailed as error:
        raise InputError(f"{_SERVER.value}: {error}") from None
    try:
        if not _LOAD_TEST.value:
            _write_answers(
                calling.ask(
                    client,
                    asked,
                    batch_size=_BATCH_SIZE.value,
                    concurrency=_CONCURRENCY.value,
                ),
                len(asked),
            )
            return
        measured = calling.measure(
            client,
            asked,
            batch_size=_BATCH_SIZE.value,
            concurrency=_CONCURRENCY.value,
            seconds=_SECONDS.value,
        )
    finally:
        client.close()
    print(load_report.table(measured))
    if _REPORT_DIR.value:
        title = f"Load test of {target.model} ({target.signature})"
        path = load_report.write(Path(_REPORT_DIR.value), measured, title)
        print(f"Wrote {path}")
    if not measured.calls:
        raise InputError(f"{_SERVER.value}: no request was answered.")


def _write_answers(answers: Iterable[dict[str, Any]], count: int) -> None:
    """Writes answers as they come, and fails if any request did."""
    import contextlib
    import json

    from tqdm import tqdm

    from bert_tf.storage import files

    failed = 0
    with contextlib.ExitStack() as stack:
        output = sys.stdout
        if _OUTPUT_FILE.value is not None:
            path = stack.enter_context(files.atomic_file(_OUTPUT_FILE.value))
            output = stack.enter_context(open(path, "w", encoding="utf-8"))
            answers = tqdm(answers, total=count, unit="row", desc="Asking")
        first = None
        for answer in answers:
            if "error" in answer:
                failed += 1
                first = first or answer["error"]
            print(json.dumps(answer, ensure_ascii=False), file=output, flush=True)
    if _OUTPUT_FILE.value is not None:
        print(f"Wrote {_OUTPUT_FILE.value}: {count - failed:,} answers.")
    if failed:
        raise InputError(f"{failed:,} of {count:,} rows got an error: {first}")


def cli() -> None:
    """Runs the job with the command line's flags."""
    jobs.run(main, required=["model"])


if __name__ == "__main__":
    cli()
