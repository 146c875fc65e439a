"""Where a served model lies: a folder of versions, or one version's."""

import dataclasses
import os
from pathlib import Path

from bert_tf.errors import InputError

_FILE = "saved_model.pb"


@dataclasses.dataclass(frozen=True)
class ModelDir:
    """A model on disk.

    Attributes:
        name: that requests call it by.
        path: as the user gave it.
        fixed: whether `path` is one version's own.
    """

    name: str
    path: Path
    fixed: bool

    def newest(self) -> tuple[int, Path]:
        """Returns the version to serve, and its folder.

        A folder that is not a number, but a SavedModel, is version 1.

        Raises:
            InputError: there is none.
        """
        if self.fixed:
            name = self.path.resolve().name
            return int(name) if name.isdecimal() else 1, self.path
        versions = [
            entry
            for entry in (self.path.iterdir() if self.path.is_dir() else ())
            if entry.name.isdecimal() and (entry / _FILE).is_file()
        ]
        if not versions:
            raise InputError(
                f"{self.path}: neither a SavedModel nor a folder of them, as 1, 2, "
                "...; export.export_saved_model writes one."
            )
        best = max(versions, key=lambda entry: int(entry.name))
        return int(best.name), best


def find(path: str | os.PathLike[str], name: str | None = None) -> ModelDir:
    """Returns the model in a folder.

    Args:
        path: `models/NAME`, or a version's own folder.
        name: in place of the folder's.

    Raises:
        InputError: there is none.
    """
    path = Path(path)
    fixed = (path / _FILE).is_file()
    own = path.resolve()
    if fixed and own.name.isdecimal():
        own = own.parent
    model = ModelDir(name or own.name, path, fixed)
    if "/" in model.name or ":" in model.name or not model.name:
        raise InputError(
            f"A model's name must hold neither / nor :, for it is part of an address. "
            f"Received: {model.name!r}. Give another by --model_name."
        )
    model.newest()
    return model
