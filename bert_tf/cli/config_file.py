"""`--config`: a Python file with a `get_config()`, and `--config.field=value`."""

import dataclasses
import importlib.machinery
import importlib.util
import sys
import traceback
import typing
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn, TypeVar

from absl import flags
from ml_collections import config_flags

T = TypeVar("T")

_MODULE = "config_file"

flags.disclaim_key_flags()  # `--config` is a flag of the job that defines it.


class ConfigError(flags.Error):
    """A configuration file, or an override of a field of it, is wrong."""


@dataclasses.dataclass
class _NotGiven:
    def __str__(self) -> str:
        return "None"  # What `--help` leaves out.


def define_config_flag(config_type: type[T]) -> flags.FlagHolder[T]:
    """Defines `--config=FILE` or `--config=FILE:VARIANT` and a flag for each field.

    ml_collections also has a flag that names a file; it answers a missing file when
    the configuration is first used, and a broken one with a traceback.

    Args:
        config_type: the dataclass that `get_config()` must return. Fields may be
            dataclasses, and optional.
    """
    # Filled when the flags are parsed. Where ml_collections reads them by itself, it
    # does so when they are defined, and a missing --flagfile ends in a traceback.
    argv: list[str] = []

    def parse(argument: str) -> T:
        argv[:] = flags.FLAGS.read_flags_from_files(sys.argv, force_gnu=False)
        config = load_config(argument, config_type)
        _check_overrides(config, argv)
        return config

    return config_flags.DEFINE_config_dataclass(
        "config",
        _NotGiven(),
        help_string="A Python file whose get_config() returns the configuration.",
        sys_argv=argv,
        parse_fn=parse,
    )


def load_config(argument: str, config_type: type[T]) -> T:
    """Returns the configuration that a file describes.

    Args:
        argument: path of the file; a variant may follow after a colon, and is what
            `get_config` is called with. The file's `VARIANTS` lists them.
        config_type: what `get_config` must return.

    Raises:
        ConfigError: no such file or variant, an error inside the file with its line,
            or no `get_config` that returns a configuration.
    """
    path, variant = argument, None
    if ":" in argument and not Path(argument).exists():
        path, variant = argument.rsplit(":", 1)
    expected = f"a get_config() that returns a {config_type.__name__}"
    if Path(path).is_fifo():  # Which would be waited for.
        raise ConfigError(f"{path}: must be a file with {expected}. Received: a pipe")
    try:
        module = _load_module(path)
        get_config = getattr(module, "get_config", None)
        arguments = _variant_arguments(path, module, variant) if get_config else []
        config = get_config(*arguments) if get_config else None
    except ConfigError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.filename == path:
            raise ConfigError(
                f"{path or 'no name'}: {error.strerror}. Name a Python file with "
                f"{expected}; configs/ has some to start from."
            ) from error
        raise ConfigError(_describe(path, error)) from error
    if not isinstance(config, config_type):
        found = type(config).__name__ if get_config else "no get_config()"
        raise ConfigError(f"{path}: must have {expected}. Received: {found}")
    return config


class _UncachedLoader(importlib.machinery.SourceFileLoader):
    """Loads the file as it stands: a bytecode cache goes by the second it changed."""

    def path_stats(self, path: Any) -> NoReturn:
        raise OSError


def _load_module(path: str) -> ModuleType:
    loader = _UncachedLoader(_MODULE, path)
    spec = importlib.util.spec_from_file_location(_MODULE, path, loader=loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    sys.modules[_MODULE] = module  # dataclasses look for their module there
    loader.exec_module(module)
    return module


def _variant_arguments(path: str, module: ModuleType, variant: str | None) -> list[str]:
    """Returns what `get_config` is called with, or raises a ConfigError."""
    variants = getattr(module, "VARIANTS", ())
    if variant is None and not variants:
        return []
    if variant is not None and variant in variants:
        return [variant]
    if variants:
        known = ", ".join(variants)
        expected = f"name one of its variants, --config={path}:VARIANT: {known}"
    else:
        expected = f"it has no variants (no VARIANTS in it): --config={path}"
    raise ConfigError(f"{path}: {expected}. Received: {variant or 'none'}")


def _check_overrides(config: Any, argv: Sequence[str]) -> None:
    """Raises a ConfigError for a `--config.field` that the configuration hasn't.

    ml_collections would name neither the path nor the fields there are.
    """
    given = []
    for argument in argv:
        flag = argument.split("=")[0].lstrip("-")
        name, _, field = flag.removeprefix("no").partition(".")
        if argument.startswith("-") and name == "config" and field:
            given.append(field)
            _check_override(config, field, given)


def _check_override(config: Any, field: str, given: Sequence[str]) -> None:
    value, path = config, ""
    kind: Any = type(config)
    for part in field.split("."):
        if value is None and kind is not None:
            if path not in given:
                flag = f"--config.{path}"
                raise ConfigError(
                    f"--config.{field}: {flag} is not set in the file. Give "
                    f"{flag}=build before it, which starts from the defaults."
                )
            value = kind()
        types = {f.name: f.type for f in dataclasses.fields(kind)} if kind else {}
        if part not in types:
            raise ConfigError(
                f"--config.{field}: no such field {part!r}. There are: "
                f"{', '.join(types) or 'none below it'}"
            )
        path = f"{path}.{part}".removeprefix(".")
        value = getattr(value, part)
        # The file may have given a subclass of what is declared.
        options = [type(value), *(typing.get_args(types[part]) or (types[part],))]
        kind = next((o for o in options if dataclasses.is_dataclass(o)), None)


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
