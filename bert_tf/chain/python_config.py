"""A run's configuration as the Python file that a job takes."""

import dataclasses
import pprint
from collections.abc import Iterator
from typing import Any

from bert_tf.training.finetuning_config import FinetuningConfig


def as_python(run: FinetuningConfig) -> str:
    """Returns a configuration file whose `get_config` returns `run`.

    A dataclass's `repr` is the expression that makes it.
    """
    kinds = {(type(value).__module__, type(value).__name__) for value in _parts(run)}
    imports = [f"from {module} import {name}" for module, name in sorted(kinds)]
    expression = pprint.pformat(run, width=80, sort_dicts=False)
    lines = [
        '"""Written by bert_tf.run_compression, which this is a stage of."""',
        "",
        *imports,
        "",
        "",
        f"def get_config() -> {type(run).__name__}:",
        '    """Returns the configuration."""',
        f"    return {expression}".replace("\n", "\n    "),
    ]
    return "\n".join(lines) + "\n"


def _parts(value: Any) -> Iterator[Any]:
    yield value
    for field in dataclasses.fields(value):
        part = getattr(value, field.name)
        if dataclasses.is_dataclass(part):
            yield from _parts(part)
