"""Opening the workdir of a run: one run at a time, with its own settings and data."""

from pathlib import Path

from bert_tf.errors import InputError
from bert_tf.storage import files, scratch
from bert_tf.storage.locks import FolderLock, is_lock
from bert_tf.training.config import RunConfig, check_same_run, to_json
from bert_tf.training.same_data import Fingerprints, check_same_data, record_data

_CONFIG = "config.json"


def lock_run_folder(workdir: Path, config: RunConfig) -> FolderLock:
    """Opens a workdir for one run, and for no other until the lock is closed.

    Args:
        workdir: holds this run already, or nothing.
        config: complete.

    Raises:
        InputError: the folder is no workdir or holds another run, or a run is at work
            in it.
        OSError: the folder is not writable.
    """
    config_file = workdir / _CONFIG
    if workdir.is_dir() and not config_file.exists():
        others = set(workdir.iterdir()) - scratch.leftovers(workdir)
        if not all(map(is_lock, others)):
            raise InputError(
                f"{workdir}: holds files but no {_CONFIG}, so it is not a workdir. "
                "Choose an empty or new --workdir."
            )
    lock = FolderLock(workdir)
    try:
        if config_file.exists():
            check_same_run(config, config_file)
        scratch.remove_leftovers(workdir)
    except BaseException:
        lock.close()
        raise
    return lock


def describe_run(workdir: Path, config: RunConfig, data: Fingerprints) -> None:
    """Writes what a run is, or checks that it is the one that the workdir holds.

    Args:
        workdir: locked.
        config: complete.
        data: what the run is trained on; see `same_data`.

    Raises:
        InputError: other data; names the field and what differs.
    """
    if (workdir / _CONFIG).exists():
        check_same_data(workdir, data)
    files.write_text(workdir / _CONFIG, to_json(config))
    record_data(workdir, data)
