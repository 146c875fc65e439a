"""Configuration files: `--config` names a Python file with a `get_config()`."""

import sys
import traceback
import types
from pathlib import Path
from typing import Any

from absl import flags

from bert_tf.errors import InputError

_MODULE = "config_file"


class ConfigFileParser(flags.ArgumentParser):
    """Turns the path of a configuration file into what its `get_config()` returns.

    ml_collections has a parser of its own, which answers a missing file when the
    configuration is first used, and a broken one with a traceback.

    Args:
        config_type: the class that `get_config()` must return.
    """

    syntactic_help = "a Python file"

    def __init__(self, config_type: type) -> None:
        super().__init__()
        self._type = config_type

    def parse(self, argument: str) -> Any:
        """Returns the configuration that a file describes.

        Args:
            argument: path of the file.

        Raises:
            InputError: no such file, an error inside it with its line, or no
                `get_config()` that returns a configuration.
        """
        expected = f"a get_config() that returns a {self._type.__name__}"
        try:
            source = Path(argument).read_bytes()
        except OSError as error:
            raise InputError(
                f"{argument}: {error.strerror}. Name a Python file with {expected}; "
                "configs/ has some to start from."
            ) from error
        module = types.ModuleType(_MODULE)
        module.__file__ = argument
        sys.modules[_MODULE] = module  # dataclasses look for their module there
        try:
            exec(compile(source, argument, "exec"), vars(module))
            get_config = getattr(module, "get_config", None)
            config = get_config() if get_config else None
        except Exception as error:
            raise InputError(_describe(argument, error)) from error
        if not isinstance(config, self._type):
            found = type(config).__name__ if get_config else "no get_config()"
            raise InputError(f"{argument}: must have {expected}. Received: {found}")
        return config


def _describe(path: str, error: Exception) -> str:
    """Says what went wrong in a file, and on which of its lines."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == path
    ]
    if isinstance(error, SyntaxError) and error.filename == path:
        lines.append(error.lineno)
    where = f", line {lines[-1]}" if lines else ""
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{path}{where}: {type(error).__name__}: {message}. Correct the file."
