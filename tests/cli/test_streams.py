"""The program where its streams are closed, full, or do not know all signs: never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_main import BUFFERED, ROOT

PLAIN = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
SCRIPT = (
    "import sys; from doxedge.cli import streams; streams.prepare(); "
    "print('–', 'é', '≤', '\\U0001f525', '\\udcff', sep=' '); print('–', file=sys.stderr)"
)


def run(
    *words: str, more: dict[str, str], stdout: int = subprocess.PIPE
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env={**BUFFERED, **more},
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", b"- \\u00e9 <= \\ud83d\\udd25 \\udcff\n"),
        ("latin-1", b"- \xe9 <= \\ud83d\\udd25 \\udcff\n"),
        ("utf-8", "– é ≤ \U0001f525 \\udcff\n".encode()),
    ],
)
def test_a_sign_that_cannot_be_shown_has_a_stand_in(encoding: str, shown: bytes) -> None:
    done = run("-c", SCRIPT, more={"PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stdout) == (0, shown), done.stderr
    assert done.stderr in (b"-\n", "–\n".encode())


def test_rules_and_their_dashes_are_shown_in_the_plainest_of_places() -> None:
    done = run("-m", "doxedge", "rules", "show", "all", more=PLAIN)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()


def test_json_for_programs_has_every_sign_wherever_it_goes() -> None:
    value = {"name": "Größe – \U0001f525"}
    script = (
        "import json, sys; from doxedge.cli import gateway_folder, streams; streams.prepare(); "
        "gateway_folder.print_json(json.loads(sys.argv[1]))"
    )
    for encoding in ("ascii", "latin-1", "utf-8"):
        done = run("-c", script, json.dumps(value), more={"PYTHONIOENCODING": encoding})
        assert json.loads(done.stdout.decode(encoding)) == value
        assert done.stdout.isascii() == (encoding != "utf-8")


@pytest.mark.parametrize("closing", [">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_closed_streams_are_no_error(closing: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -m doxedge rules list {closing}', sys.executable],
        cwd=ROOT,
        env=BUFFERED,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["gateway", "--help"]])
def test_help_that_has_no_place_is_told_too(words: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run("-m", "doxedge", *words, more={}, stdout=full.fileno())
    assert (done.returncode, done.stderr.decode()) == (
        7, "doxedge: cannot write the output: No space left on device; make room, or write elsewhere\n",
    )  # fmt: skip


def test_without_a_buffer_it_does_not_pretend_to_know_what_had_no_place() -> None:
    with Path("/dev/full").open("wb") as full:
        done = run("-m", "doxedge", "rules", "list", more={"PYTHONUNBUFFERED": "1"}, stdout=full.fileno())
    assert done.returncode == 7
    assert done.stderr.startswith(b"doxedge: cannot write the output, or a file: No space left on device")
