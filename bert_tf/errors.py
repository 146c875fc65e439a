"""What a job answers with one line instead of a traceback."""

import dataclasses
from collections.abc import Iterator
from typing import Any, Protocol, Self, TypeVar


class InputError(ValueError):
    """Something that the user gave is wrong: a file, a setting, a combination.

    The message names the file or field, what was expected, what was received and what
    to do about it. Any other `ValueError` is a defect of ours, or of a library's, and
    keeps its traceback.
    """


class Validated(Protocol):
    """What `validate()` returns unless a field is wrong."""

    def validate(self) -> Self:
        """Returns self, or raises an InputError that names the field."""
        ...


T = TypeVar("T", bound=Validated)


class FieldError(InputError):
    """A field has a value that it cannot have.

    Args:
        owner: the dataclass that has the field.
        name: of the field.
        requirement: what it must be.
    """

    def __init__(self, owner: Any, name: str, requirement: str) -> None:
        self.owner = owner
        self._name = name
        self._problem = f"must be {requirement}. Received: {getattr(owner, name)!r}"
        super().__init__(f"`{type(owner).__name__}.{name}` {self._problem}")

    def message(self, prefix: str) -> str:
        """Returns what it says where the owner is called `prefix`."""
        return f"{prefix}{self._name} {self._problem}"


def check(config: Any, name: str, holds: bool, requirement: str) -> None:
    """Raises a FieldError unless `holds`."""
    if not holds:
        raise FieldError(config, name, requirement)


def validated(config: T, prefix: str) -> T:
    """Returns a valid configuration, or raises an InputError with the field's path.

    Args:
        config: a dataclass that has `validate()`, and others in its fields.
        prefix: what stands before the path: `--config.`, or a file's name.
    """
    try:
        return config.validate()
    except FieldError as error:
        path = _path(config, error.owner)
        raise InputError(error.message(prefix + path)) from error


def _path(config: Any, owner: Any) -> str:
    """Returns the way to a dataclass inside another, `phase_2.data.`, or nothing.

    One that was changed to be validated is found by its type.
    """
    found = list(_dataclasses(config, ""))
    same = [path for path, value in found if value is owner]
    alike = [path for path, value in found if type(value) is type(owner)]
    return (same or alike or [""])[0]


def _dataclasses(config: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, config
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from _dataclasses(value, f"{path}{field.name}.")
