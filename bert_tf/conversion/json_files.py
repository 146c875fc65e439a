"""JSON objects in files, with errors that name the file."""

import json
from pathlib import Path
from typing import Any


def read_json(path: Path) -> dict[str, Any]:
    """Returns a JSON object, or raises a ValueError that names the file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a JSON file ({error}).") from error
    if not isinstance(value, dict):
        raise ValueError(f"{path}: expected a JSON object. Received: {value!r:.40}")
    return value


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Writes a JSON object, not atomically: callers write into a folder that is."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
