"""Readers with the faults that the harness must find."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from bert_tf.errors import InputError
from readers.reader import Parts, Reader

FAULTS = ("ends the process", "traceback", "hang", "no name", "two lines", "changed")


def write_zeros(folder: Path) -> None:
    (folder / "a").write_bytes(bytes(100))


def read_with(fault: str) -> Callable[[Path], Parts]:
    def read(folder: Path) -> Parts:
        if folder.name == "pristine":
            return {"content": 1}
        if fault == "ends the process" and folder.name == "1":
            os._exit(3)
        if fault == "traceback":
            raise RuntimeError("not told")
        if fault == "no name":
            raise InputError("a file is damaged")
        if fault == "two lines":
            raise InputError(f"{folder}: damaged. {'A long tale. ' * 200}")
        while fault == "hang":
            time.sleep(0.1)
        return {"content": 2 if fault == "changed" else 1}

    return read


READERS = {fault: Reader(fault, write_zeros, read_with(fault)) for fault in FAULTS}
