r"""Fine-tunes a checkpoint on labelled examples.

    python -m bert_tf.run_finetuning --config=configs/finetune_classification.py \
        --config.init_from=all-MiniLM-L6-v2 --config.data.train=reviews.csv \
        --workdir=runs/reviews

The checkpoint may be a workdir or model folder of ours, or a Hugging Face,
google-research/bert, Model Garden or KerasHub one. Without --config.data.eval a tenth
of the examples is held out. Every field of the configuration can be set:
--config.optimizer.learning_rate=3e-5. The same command goes on with a run that was
interrupted.

--config.num_seeds=3 trains with three seeds and says how far their results differ;
--config.sweep.learning_rates="(2e-5,5e-5)" and --config.sweep.num_train_epochs="(2,3)"
compare settings. The workdir then stands for the best run.
"""

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from bert_tf.cli import jobs, memory
from bert_tf.cli.config_file import define_config_flag
from bert_tf.storage import files
from bert_tf.tasks.settings import WRITING_TASKS
from bert_tf.training.finetuning_config import FinetuningConfig

_CONFIG = define_config_flag(FinetuningConfig)
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
    from bert_tf.training import cluster, finetuning_preparation

    memory.keep_memory()
    config = validated(_CONFIG.value, "--config.")
    workdir = Path(str(_WORKDIR.value))
    lock = finetuning_preparation.prepare(
        config, workdir, worker_addresses=_CLUSTER.value, task=_TASK.value
    )
    with lock, files.named_if_full(workdir):
        # TensorFlow loads here, not for --help.
        from bert_tf.training import finetuning, sweep

        kind = sweep if config.has_several_runs else finetuning
        kind.train_and_evaluate(config, workdir)
    if cluster.process_index() == 0:
        writes = config.task.name in WRITING_TASKS
        job = "bert_tf.run_generation" if writes else "bert_tf.run_prediction"
        print(jobs.next_command(job, checkpoint=workdir, text="A TEXT"))


def cli() -> None:
    """Starts the job from a command line."""
    jobs.run(main, required=["config", "workdir"])


if __name__ == "__main__":
    cli()
