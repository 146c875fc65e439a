r"""Serves a SavedModel over HTTP, with a page to try it by hand.

Example:
    python -m export.serve models/bert --port=8501

For a laptop, a demo or a service that does not need TF Serving, whose REST routes it
has. It takes a model's folder, whose newest version it serves, or a version's own.
Open the address that it prints in a browser, or ask it:

    curl -d '{"instances": ["The [MASK] of the union."]}' \
        localhost:8501/v1/models/bert:predict

Whoever reaches the address can use the model: it listens on this machine only, unless
--host says otherwise, and --token_file makes it ask for a token.
"""

from collections.abc import Sequence

from absl import flags

from bert_tf.cli import jobs

_MODEL_DIR = flags.DEFINE_string(
    "model_dir", None, "The model's folder, or a version's; needs no --model_dir=."
)
_HOST = flags.DEFINE_string("host", "127.0.0.1", "Address to listen on.")
_PORT = flags.DEFINE_integer(
    "port", 8501, "0 for any that is free.", lower_bound=0, upper_bound=65535
)
_MODEL_NAME = flags.DEFINE_string("model_name", None, "In place of the folder's.")
_MAX_BATCH_SIZE = flags.DEFINE_integer(
    "max_batch_size",
    32,
    "Rows of different requests that the model gets at once.",
    lower_bound=1,
)
_BATCH_DELAY_MS = flags.DEFINE_float(
    "batch_delay_ms",
    0.0,
    "How long an idle model waits for more requests. Those that come while it works "
    "are joined in any case.",
    lower_bound=0,
)
_MAX_QUEUE = flags.DEFINE_integer(
    "max_queue", 256, "Requests that may wait; more get a 503.", lower_bound=1
)
_MAX_ROWS = flags.DEFINE_integer(
    "max_rows", 128, "Texts that one request may hold.", lower_bound=1
)
_MAX_REQUEST_BYTES = flags.DEFINE_integer(
    "max_request_bytes", 1 << 20, "Of a request's body.", lower_bound=1
)
_REQUEST_TIMEOUT_S = flags.DEFINE_float(
    "request_timeout_s", 30.0, "Until a request gets a 504.", lower_bound=0.001
)
_TOKEN_FILE = flags.DEFINE_string(
    "token_file", None, "Holds a token that every request must bear."
)
_POLL_SECONDS = flags.DEFINE_float(
    "poll_seconds",
    2.0,
    "How often to look for a new version in the model's folder; 0 for never.",
    lower_bound=0,
)


def main(argv: Sequence[str]) -> None:
    """Serves until it is told to end."""
    from bert_tf.errors import InputError
    from export.server import model_dir, token

    directory = model_dir.find(str(_MODEL_DIR.value), _MODEL_NAME.value)
    secret = token.read(_TOKEN_FILE.value) if _TOKEN_FILE.value else None
    try:
        from export.server.application import ServerConfig, serve
        from export.server.rest import Limits
    except ModuleNotFoundError as error:
        raise InputError(
            f"{error.name} is missing: pip install 'bert-tf[serve]'"
        ) from error

    serve(
        directory,
        ServerConfig(
            host=_HOST.value,
            port=_PORT.value,
            max_batch_size=_MAX_BATCH_SIZE.value,
            batch_delay_ms=_BATCH_DELAY_MS.value,
            max_queue=_MAX_QUEUE.value,
            limits=Limits(
                max_request_bytes=_MAX_REQUEST_BYTES.value,
                max_rows=_MAX_ROWS.value,
                seconds=_REQUEST_TIMEOUT_S.value,
            ),
            token=secret,
            poll_seconds=_POLL_SECONDS.value,
        ),
    )
    print("Ended; every request that had begun was answered.")


def cli() -> None:
    """Runs the job with the command line's flags."""
    jobs.run(main, required=["model_dir"], positional="model_dir")


if __name__ == "__main__":
    cli()
