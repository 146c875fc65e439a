"""What is checked of a fine-tuning run before TensorFlow loads."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from bert_tf.training import cluster, run_folder
from bert_tf.training.finetuning_config import FinetuningConfig


def prepare(
    config: FinetuningConfig,
    workdir: Path,
    *,
    worker_addresses: Sequence[str] = (),
    task: int = 0,
) -> contextlib.AbstractContextManager[object]:
    """Checks a run and opens its workdir.

    Args:
        config: validated.
        workdir: where everything goes; holds this run already, or nothing.
        worker_addresses: `host:port` of each worker; empty for a single process or
            when `TF_CONFIG` says it.
        task: which of them this process is.

    Returns:
        What keeps other runs out of the workdir until it is left; held by the chief.

    Raises:
        InputError: workdir or cluster don't fit the configuration, or another run is at
            work in the workdir.
        OSError: the workdir is not writable.
    """
    cluster.set_cluster(worker_addresses, task)
    cluster.check_strategy(config.strategy)
    if cluster.process_index() == 0:
        return run_folder.lock_run_folder(workdir, config)
    return contextlib.nullcontext()
