"""Damages files, gives them to their readers, and prints what comes of it.

    python run_mutations.py FOLDER '[["READER", FIRST, LAST], ...]'

In a process of its own: libraries in C crash, and a crash must not end all. A line of
JSON begins each case and one ends it, so that whoever watches knows which one did not
come back.
"""

import json
import random
import shutil
import signal
import sys
import traceback
import warnings
from pathlib import Path
from types import FrameType

from mutators import Mutation
from readers import READERS, faulty
from readers.reader import Parts, Reader, is_right

from bert_tf.errors import InputError

SECONDS = 10
LONGEST_LINE = 1500


class Hang(BaseException):
    """A case took longer than `SECONDS`."""


def run_case(
    reader: Reader, pristine: Path, before: Parts, folder: Path
) -> dict[str, str]:
    """Damages a copy of whole files and has it read.

    Args:
        reader: the reader.
        pristine: the whole files.
        before: what it makes of them.
        folder: where the copy goes; its name is the case's number.

    Returns:
        The `mutation`, what was `told`, and the `fault` if there is one.
    """
    shutil.copytree(pristine, folder)
    mutation = reader.damage(folder, random.Random(f"{reader.name} {folder.name}"))
    case = {"mutation": f"{mutation.kind}: {', '.join(mutation.names)}"}
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        after = reader.read(folder)
        signal.setitimer(signal.ITIMER_REAL, 0)
        right = is_right(reader, folder, mutation, before, after)
        return case | ({} if right else {"fault": "changed result"})
    except (InputError, OSError) as error:  # What jobs make one line of.
        told = str(error)
        return case | {"told": told} | fault_of_message(told, folder, mutation)
    except Hang:
        return case | {"fault": f"hangs for {SECONDS} s"}
    except BaseException:
        return case | {"fault": traceback.format_exc()}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        shutil.rmtree(folder)


def fault_of_message(told: str, folder: Path, mutation: Mutation) -> dict[str, str]:
    if str(folder) not in told:
        return {"fault": f"does not name the file: {told}"}
    if len(told) > LONGEST_LINE:
        return {"fault": f"not a line: {told}"}
    return {}


def _hang(number: int, frame: FrameType | None) -> None:
    raise Hang


def main() -> None:
    top, jobs = Path(sys.argv[1]), json.loads(sys.argv[2])
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _hang)
    for name, first, last in jobs:
        reader = {**READERS, **faulty.READERS}[name]
        pristine = top / name / "pristine"
        if not pristine.exists():
            pristine.mkdir(parents=True)
            reader.write(pristine)
        before = reader.read(pristine)
        for number in range(first, last):
            case = {"name": name, "case": number}
            print(json.dumps(case | {"done": False}), flush=True)
            found = run_case(reader, pristine, before, top / name / str(number))
            print(json.dumps(case | {"done": True} | found), flush=True)


if __name__ == "__main__":
    main()
