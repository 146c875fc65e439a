"""Every reader on damaged files: the right result, or one line that names the file.

Seeded, so that what fails here fails again, by the reader's name and the case's number:

    PYTHONPATH=.:tests/mutations python tests/mutations/run_mutations.py /tmp/cases \
        '[["tf1", 28, 29]]'
"""

import json
import os
import select
import subprocess
import sys
from pathlib import Path

import pytest
from readers import READERS

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

# The child watches each case itself; this is for what only a kill ends.
SECONDS_OF_SILENCE = 90


@pytest.mark.slow
def test_damage_is_told_in_one_line_or_changes_nothing(tmp_path):
    num_cases = sum(reader.num_cases for reader in READERS.values())
    assert num_cases >= 1000
    outcomes = []
    left = [(name, 0, reader.num_cases) for name, reader in READERS.items()]
    while left:
        found, left = run_until_it_ends(tmp_path, left)
        outcomes += found
    assert len(outcomes) == num_cases
    faults = [f"{o['name']} {o['case']}: {o}" for o in outcomes if "fault" in o]
    assert not faults, "\n".join(faults)
    # The damage is real: most cases are told, and each reader tells some.
    told = [outcome["name"] for outcome in outcomes if "told" in outcome]
    refusing = {name for name, r in READERS.items() if not r.always_reads}
    assert set(told) == refusing
    assert len(told) > num_cases / 2


def run_until_it_ends(folder, jobs):
    """Returns what came of the cases, and the jobs that a crash or a hang left over."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)]),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, HERE / "run_mutations.py", folder, json.dumps(jobs)]
    with open(folder / "stderr", "w+") as stderr:
        child = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=stderr, text=True
        )
        outcomes, begun = [], None
        with child:
            while select.select([child.stdout], [], [], SECONDS_OF_SILENCE)[0]:
                line = child.stdout.readline()
                if not line:
                    break
                event = json.loads(line)
                if event.pop("done"):
                    outcomes.append(event)
                    begun = None
                else:
                    begun = event
            child.kill()
        stderr.seek(0)
        end = f"exit status {child.returncode}: {stderr.read()[-1000:]}"
    if begun is None:
        assert child.returncode == 0, end
        return outcomes, []
    outcomes.append(begun | {"fault": f"crashed or hung, {end}"})
    number = [name for name, *_ in jobs].index(begun["name"])
    name, _, last = jobs[number]
    rest = [(name, begun["case"] + 1, last)] if begun["case"] + 1 < last else []
    return outcomes, rest + jobs[number + 1 :]


def test_a_case_that_does_not_come_back_is_a_fault(tmp_path):
    """And those after it are run all the same."""
    outcomes, left = run_until_it_ends(tmp_path, [("ends the process", 0, 3)])
    assert ["crashed or hung" in o.get("fault", "") for o in outcomes] == [False, True]
    assert left == [("ends the process", 2, 3)]
    outcomes, left = run_until_it_ends(tmp_path, left)
    assert (len(outcomes), left) == (1, [])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reader", "fault"),
    [
        ("traceback", "RuntimeError: not told"),
        ("hang", "hangs for"),
        ("no name", "does not name the file: a file is damaged"),
        ("two lines", "not a line: "),
        ("changed", "changed result"),
    ],
)
def test_each_kind_of_fault_is_found(tmp_path, reader, fault):
    (outcome,), _ = run_until_it_ends(tmp_path, [(reader, 0, 1)])
    assert fault in outcome["fault"]
