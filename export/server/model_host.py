"""The model that a server has: none yet, one, or the next version of it."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from absl import logging

from bert_tf.errors import InputError
from export.server.model_dir import ModelDir

if TYPE_CHECKING:
    from export.server.loaded_model import LoadedModel

_DESCRIPTION = Path("assets.extra/export.json")


class ModelHost:
    """Loads the newest version of a model, and the next ones when they are there.

    Args:
        directory: of the model.
    """

    def __init__(self, directory: ModelDir) -> None:
        self.name = directory.name
        self.version = 0
        self.model: LoadedModel | None = None
        self.metadata: dict[str, Any] = {}
        self.description: dict[str, Any] = {}
        self.loading: int | None = None
        self._directory = directory
        self._failed: object = None

    async def load_newest(self) -> bool:
        """Loads the newest version, warms it up and serves it from then on.

        Returns:
            Whether there was one that is not served already.

        Raises:
            InputError: it does not load.
        """
        version, path = self._directory.newest()
        served = self.model is not None and version == self.version
        if served or self._failed == (seen := _state(path)):
            return False
        self.loading, self._failed = version, seen
        try:
            model = await asyncio.to_thread(_load, path)
            metadata = model.metadata()
            description = _description(path)
        finally:
            self.loading = None
        self.model, self.version, self._failed = model, version, None
        self.metadata, self.description = metadata, description
        return True

    async def watch(self, seconds: float) -> None:
        """Looks for other versions until it is cancelled.

        One that does not load is tried again once it has changed. Where the newest was
        deleted, the one before it is served again.
        """
        told = ""
        while True:
            await asyncio.sleep(seconds)
            try:
                if await self.load_newest():
                    print(f"Serving version {self.version}.", flush=True)
            except (InputError, OSError) as error:
                message = " ".join(str(error).split())
                if message != told:
                    logging.error("Version %d is served on: %s", self.version, message)
                told = message


def _load(path: Path) -> "LoadedModel":
    from export.server.loaded_model import LoadedModel  # TensorFlow loads here

    model = LoadedModel(path)
    model.warm_up()
    return model


def _state(path: Path) -> list[tuple[str, int, int]]:
    """Returns what changes while a folder is still being written."""
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files]


def _description(path: Path) -> dict[str, Any]:
    """Returns what a SavedModel of ours says of itself; of others, nothing."""
    try:
        value = json.loads((path / _DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
