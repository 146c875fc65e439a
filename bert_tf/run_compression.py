r"""Makes a model smaller and faster in stages, and says which of them to ship.

    python -m bert_tf.run_compression --config=configs/compress_classification.py \
        --config.init_from=all-MiniLM-L6-v2 --config.data.train=train.csv \
        --config.data.eval=held_out.csv --workdir=runs/small --max_mb=16

The configuration names the stages, such as fine-tuning, pruning the vocabulary, and
export. Each runs as a command of its own, which the report shows and which can be run
by hand; its model, its files and its log are in a folder of the workdir. Every stage's
model is exported, and its files are measured on the held-out examples. report.html
shows what each costs in accuracy and brings in size and latency, and which one is the
best within --max_mb and --max_latency_ms. The same command goes on with a chain that
was interrupted; with other limits it only chooses anew.
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from bert_tf.chain.config import CompressionConfig
from bert_tf.cli import jobs
from bert_tf.cli.config_file import define_config_flag

_CONFIG = define_config_flag(CompressionConfig)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the chain: a folder for each stage, the report."
)
_MAX_MB = flags.DEFINE_float(
    "max_mb", None, "The largest file that will do, in millions of bytes."
)
_MAX_LATENCY_MS = flags.DEFINE_float(
    "max_latency_ms",
    None,
    "The longest time that will do, in milliseconds an example on this machine.",
)


def main(argv: Sequence[str]) -> None:
    """Runs the job."""
    from bert_tf.chain import plan, preparation, report, running
    from bert_tf.errors import validated
    from bert_tf.storage import files

    config = validated(_CONFIG.value, "--config.")
    preparation.check_limits(max_mb=_MAX_MB.value, max_latency_ms=_MAX_LATENCY_MS.value)
    workdir = Path(str(_WORKDIR.value))
    with preparation.open_workdir(config, workdir), files.named_if_full(workdir):
        todo = plan.make_plan(config, workdir)
        done = running.run_all(todo)
        results = report.read_results(todo)
        lines = results.advice(_MAX_MB.value, _MAX_LATENCY_MS.value)
        written = report.write(workdir, config, results, done, lines)
    print(f"Wrote {written}")
    print("\n".join(lines))


def cli() -> None:
    """Starts the job from a command line."""
    jobs.run(main, required=["config", "workdir"])


if __name__ == "__main__":
    cli()
