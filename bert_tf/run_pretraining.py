r"""Pretrains a BERT on records of data_prep.create_pretraining_data.

    python -m bert_tf.run_pretraining --config=configs/pretrain.py:mini \
        --workdir=runs/mini --config.data.train_dir=data/train \
        --config.data.eval_dir=data/eval

Every field of the configuration can be set: --config.optimizer.learning_rate=3e-4.
The same command goes on with a run that was interrupted; after SIGTERM, with its state
saved, a run exits with code 75. On several machines, run the same command on each with
--config.strategy=multi_worker, the same --cluster, and its own --task.
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from bert_tf.cli import jobs, memory
from bert_tf.cli.config_file import define_config_flag
from bert_tf.training.config import PretrainingConfig

_CONFIG = define_config_flag(PretrainingConfig)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run: checkpoints, metrics, report."
)
_CLUSTER = flags.DEFINE_list(
    "cluster", [], "host:port of every worker; TF_CONFIG may say it instead."
)
_TASK = flags.DEFINE_integer("task", 0, "Which worker of --cluster this process is.")


def main(argv: Sequence[str]) -> None:
    """Runs the job."""
    from bert_tf.errors import validated
    from bert_tf.training import cluster, preparation

    memory.keep_memory()
    prepared = preparation.prepare(
        validated(_CONFIG.value, "--config."),
        Path(str(_WORKDIR.value)),
        worker_addresses=_CLUSTER.value,
        task=_TASK.value,
    )
    from bert_tf.training import pretraining  # TensorFlow loads here, not for --help

    pretraining.train_and_evaluate(prepared)
    if cluster.process_index() == 0:
        print(
            jobs.next_command(
                "export.export_saved_model",
                checkpoint=prepared.workdir,
                output_dir="DIRECTORY",
            )
        )


def cli() -> None:
    """Starts the job from a command line."""
    jobs.run(main, required=["config", "workdir"])


if __name__ == "__main__":
    cli()
