"""What is checked of a fine-tuning run before TensorFlow loads."""

from collections.abc import Sequence
from pathlib import Path

from bert_tf.errors import InputError
from bert_tf.storage import files
from bert_tf.training import cluster
from bert_tf.training.config import check_same_run, to_json
from bert_tf.training.finetuning_config import FinetuningConfig


def prepare(
    config: FinetuningConfig,
    workdir: Path,
    *,
    worker_addresses: Sequence[str] = (),
    task: int = 0,
) -> None:
    """Checks a run and writes its configuration into its workdir.

    Args:
        config: validated.
        workdir: where everything goes; holds this run already, or nothing.
        worker_addresses: `host:port` of each worker; empty for a single process or
            when `TF_CONFIG` says it.
        task: which of them this process is.

    Raises:
        InputError: workdir or cluster don't fit the configuration.
        OSError: the workdir is not writable.
    """
    if not str(workdir).strip("."):
        raise InputError("`--workdir` must name a folder. Received: nothing")
    cluster.set_cluster(worker_addresses, task)
    cluster.check_strategy(config.strategy)
    if cluster.process_index() == 0:
        config_file = workdir / "config.json"
        if config_file.exists():
            check_same_run(config, config_file)
        files.write_text(config_file, to_json(config))
