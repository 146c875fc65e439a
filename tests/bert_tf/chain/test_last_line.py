"""What a chain shows of the job that runs."""

import io

import pytest

from bert_tf.chain.last_line import LastLine


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "make.log"
    path.write_bytes(b"100%|#####| of an earlier try\n$ python -m job\n")
    return path


def test_the_newest_state_of_a_progress_bar_is_shown(log, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    terminal = Terminal()
    start = log.stat().st_size
    last_line = LastLine(log, start, terminal)
    last_line.show()
    assert terminal.getvalue() == ""

    with log.open("ab") as file:
        file.write(b"reading\n" + 900 * b"\r 10%|#    | 1/10 steps" + b"\r 2")
    last_line.show()
    assert terminal.getvalue() == "\r\x1b[K2"
    with log.open("ab") as file:
        file.write("0%|█ ".encode()[:-2] + b"  | 2/10 steps, loss 2.345, 1 step/s\r\n")
    last_line.show()
    shown = terminal.getvalue().split("\r\x1b[K")[-1]
    assert shown.startswith("20%|") and len(shown) == 29

    last_line.clear()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_nothing_is_shown_where_nobody_looks(log):
    stream = io.StringIO()
    last_line = LastLine(log, 0, stream)
    last_line.show()
    last_line.clear()
    assert stream.getvalue() == ""
