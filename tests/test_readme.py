"""What the README and the pages of docs/ say exists, exists."""

import itertools
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text() for page in PAGES)

# Commands of the fenced blocks, their continuation lines joined.
COMMANDS = [
    line
    for block in re.findall(r"```(?:bash|sh)\n(.*?)```", TEXT, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
]
JOB_COMMANDS = [line for line in COMMANDS if line.startswith("python -m ")]


def test_every_path_of_the_file_map_exists():
    (block,) = re.findall(r"## File map.*?```(?:text)?\n(.*?)```", README, re.DOTALL)
    folders = []
    paths = []
    for line in block.splitlines():
        indent, name = re.match(r"( *)(\S+)", line).groups()
        del folders[len(indent) // 2 :]
        paths.append("/".join([*folders, name.rstrip("/")]))
        if name.endswith("/"):
            folders.append(name.rstrip("/"))
    assert len(paths) > 15
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("command", sorted(set(JOB_COMMANDS)))
def test_every_command_names_a_job_and_flags_that_it_has(command):
    module, *arguments = shlex.split(command, comments=True)[2:]
    result = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stderr
    for argument in itertools.takewhile(lambda a: a != "-m", arguments):
        flag = re.match(r"--(\w+)", argument)
        assert flag, f"{argument} is no flag"
        assert re.search(rf"--(\[no\])?{flag[1]}\b", result.stdout), argument


def test_every_make_target_exists():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {
        word
        for line in COMMANDS
        if line.startswith("make ")
        for word in line.split("#")[0].split()[1:]
        if "=" not in word
    }
    assert {"demo", "test"} <= named
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\((?!http|#)([^)#]+)", prose)
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_page_is_linked_from_the_readme():
    for page in PAGES[1:]:
        assert f"docs/{page.name}" in README


def test_the_readme_is_short():
    assert len(README.splitlines()) < 250
