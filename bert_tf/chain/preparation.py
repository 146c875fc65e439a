"""What is checked of a chain before its first stage starts. Free of TensorFlow."""

from pathlib import Path

from bert_tf.chain.config import CompressionConfig
from bert_tf.chain.stages import Distil, Finetune, PruneVocabulary, TrainQuantized
from bert_tf.checkpoints.conversion import load_any
from bert_tf.errors import InputError
from bert_tf.storage import files, scratch
from bert_tf.storage.input_files import find_input_files
from bert_tf.storage.json_files import read_json, write_json
from bert_tf.storage.locks import FolderLock, is_lock

_CHAIN = "chain.json"


def check_limits(**limits: float | None) -> None:
    """Checks that limits are positive, or None.

    Raises:
        InputError: one is not.
    """
    for name, value in limits.items():
        if value is not None and not value > 0:
            raise InputError(f"--{name} must be positive. Received: {value:g}")


def open_workdir(config: CompressionConfig, workdir: Path) -> FolderLock:
    """Opens a workdir for one chain, and for no other until the lock is closed.

    Args:
        config: validated.
        workdir: holds this chain already, or nothing.

    Raises:
        InputError: the folder holds something else, a chain is at work in it, its
            data changed since it began, files that a stage names are missing, or the
            first stage cannot start from `init_from`.
        OSError: the folder is not writable, or there is no `keep_file`.
    """
    data = _checksums(config)
    _check_stages(config)
    _check_start(config)
    if workdir.is_dir() and not (workdir / _CHAIN).exists():
        others = set(workdir.iterdir()) - scratch.leftovers(workdir)
        if not all(map(is_lock, others)):
            raise InputError(
                f"{workdir}: holds files but no {_CHAIN}, so no chain began here. "
                "Choose an empty or new --workdir."
            )
    lock = FolderLock(workdir)
    try:
        scratch.remove_leftovers(workdir)
        if (workdir / _CHAIN).exists():
            _check_same_data(workdir, data)
        else:
            write_json(workdir / _CHAIN, {"data": data})
    except BaseException:
        lock.close()
        raise
    return lock


def _checksums(config: CompressionConfig) -> dict[str, list[str]]:
    """Returns the checksums of the files of each field that names some."""
    named = {
        "data.train": config.data.train,
        "data.eval": config.data.eval,
        "unlabelled": config.unlabelled,
    }
    return {
        field: [files.sha256(file.path) for file in find_input_files(patterns)]
        for field, patterns in named.items()
        if patterns
    }


def _check_same_data(workdir: Path, data: dict[str, list[str]]) -> None:
    before = read_json(workdir / _CHAIN)["data"]
    for field in {**before, **data}:
        if before.get(field) != data.get(field):
            raise InputError(
                f"{workdir}: this chain began with other files of `{field}`. Restore "
                "them, or choose another --workdir."
            )


def _check_stages(config: CompressionConfig) -> None:
    """Checks that there are the files that stages name themselves."""
    for stage in config.making:
        if isinstance(stage, PruneVocabulary) and stage.keep_file:
            files.check_regular(stage.keep_file)
        if isinstance(stage, Distil | TrainQuantized) and stage.distillation:
            if stage.distillation.unlabelled:
                find_input_files(stage.distillation.unlabelled)


def _check_start(config: CompressionConfig) -> None:
    """Checks that a chain that does not begin with a teacher has a trained model."""
    first = config.stages[0]
    if isinstance(first, Finetune | TrainQuantized):
        return
    if isinstance(first, Distil) and first.distillation.teacher:
        return
    trained = load_any(config.init_from).task.name
    if trained != config.task.name:
        raise InputError(
            f"`init_from` {config.init_from}: must be a model of the task "
            f"{config.task.name!r}, since the first stage, {first.name}, needs one. "
            f"Received: one of {trained!r}. Put Finetune() before it."
        )
