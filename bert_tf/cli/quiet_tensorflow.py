"""TensorFlow loads without its greeting, which would drown a job's own lines.

Four to nine lines about oneDNN, CUDA and the processor's instructions reach stderr
before any logging setting of TensorFlow's counts. They matter only where loading fails.
"""

import contextlib
import importlib.abc
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

import absl.logging

_FORGET = b"\0forget"
_KEEPER = f"""
import sys
text = sys.stdin.buffer.read()
if not text.endswith({_FORGET!r}):
    sys.stderr.buffer.write(text)
"""


def quiet_tensorflow() -> None:
    """Has TensorFlow load quietly, whichever module imports it first, and stay so.

    A user who asks for TensorFlow's log (`TF_CPP_MIN_LOG_LEVEL` of 0 or 1) sees all.
    """
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2") in ("0", "1"):
        return
    if "tensorflow" not in sys.modules:
        sys.meta_path.insert(0, _QuietFinder())
    for logger in (absl.logging.get_absl_logger(), logging.getLogger("tensorflow")):
        logger.addFilter(_matters)


@contextlib.contextmanager
def held_back_stderr() -> Iterator[None]:
    """Shows what a block writes to stderr only if the block fails.

    It is caught at the file descriptor, which C++ writes to as well, and kept by a
    process of its own: a library that misses an instruction of the processor says so
    and aborts, and that line has to survive.
    """
    if sys.stderr is None:  # Started with a closed stderr.
        yield
        return
    sys.stderr.flush()
    keeper = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _KEEPER],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is not for it.
    )
    assert keeper.stdin
    stderr = os.dup(2)
    os.dup2(keeper.stdin.fileno(), 2)
    keeper.stdin.close()
    failed = False
    try:
        yield
    except Exception:  # Ctrl-C is no failure of the block's.
        failed = True
        raise
    finally:
        sys.stderr.flush()
        if not failed:
            os.write(2, _FORGET)
        os.dup2(stderr, 2)
        os.close(stderr)
        keeper.wait()


def _matters(record: logging.LogRecord) -> bool:
    """Leaves out TensorFlow's narration of what it saves, but not its warnings."""
    folders = Path(record.pathname).parts
    return record.levelno >= logging.WARNING or "tensorflow" not in folders


class _QuietFinder(importlib.abc.MetaPathFinder):
    """Finds TensorFlow where it is, and holds back stderr while it loads."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Returns TensorFlow's specification, and nothing for other modules."""
        if fullname != "tensorflow":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_quietly(module: ModuleType) -> None:
                with held_back_stderr():
                    load(module)
                    # A second greeting comes when devices are looked for.
                    module.config.list_physical_devices()

            spec.loader.exec_module = load_quietly  # type: ignore[method-assign]
        return spec
