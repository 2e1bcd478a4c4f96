"""A table on a terminal loses no word, however narrow the terminal is."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import sys
import termios
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from doxedge.cli.gateway_folder import Section, rich_section
from tests.cli.test_main import ROOT

ALARMS = Section(
    "Alarms",
    ("alarm", "priority", "what", "where", "raised", "acknowledged by", "seen"),
    [
        [
            "7",
            "high",
            "monitor.out_of_control",
            "alpha-1.nox_ppb",
            "2026-01-31 07:01:55",
            "",
            "[bold]no prior test",
        ],
        ["8", "low", "outbox.backlog", "alpha-1", "2026-02-01 00:00:00", "A. Person", "\x1b[2J"],
    ],
    "nothing",
)


def shown(width: int, *, encoding: str = "utf-8") -> str:
    console = Console(file=StringIO(), width=width)
    console.print(rich_section(ALARMS, width=width))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [200, 120, 80, 60])
def test_every_word_is_there(width: int) -> None:
    said = shown(width)
    assert max(len(line) for line in said.splitlines()) <= width
    assert "…" not in said
    for row in ALARMS.rows:
        for word in " ".join(row).replace("\x1b", "?").split():
            assert word in said, word


def test_where_no_table_fits_each_row_stands_by_itself() -> None:
    assert "┃ what" in shown(130)
    said = [line.rstrip() for line in shown(60).splitlines()]
    assert said[:7] == [
        "Alarms",
        "alarm     7",
        "priority  high",
        "what      monitor.out_of_control",
        "where     alpha-1.nox_ppb",
        "raised    2026-01-31 07:01:55",
        "seen      [bold]no prior test",
    ]
    assert "acknowledged by  A. Person" in said


def test_a_word_that_is_longer_than_the_terminal_is_folded_and_whole() -> None:
    lines = [line[10:].strip() for line in shown(30).splitlines()]
    assert "monitor.out_of_control" in "".join(lines)


@pytest.mark.parametrize("columns", [60, 200])
def test_a_command_on_a_terminal_of_so_many_columns(tmp_path: Path, columns: int) -> None:
    script = (
        "from doxedge.cli.gateway_folder import print_section; from tests.cli.test_sections import ALARMS; "
        "print_section(ALARMS)"
    )
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    clean = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    child = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", script],
        {**clean, "TERM": "xterm", "PYTHONPATH": str(ROOT)},
        file_actions=[(os.POSIX_SPAWN_DUP2, theirs, 1)],
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            data = os.read(ours, 4_096)
        except OSError:  # Linux says EIO when the other side is closed
            break
        if not data:
            break
        said += data
    os.close(ours)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ("┃" in said.decode()) == (columns == 200)
    assert "monitor.out_of_control" in said.decode()
