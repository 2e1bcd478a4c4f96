"""A small file is the old one or the new one, whatever happens in between."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from doxedge.store import durable_file


def test_the_new_text_stands_in_place_of_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "memory.json"
    for text in ("first", "second, größer"):
        durable_file.replace_text(file, text)
        assert file.read_text(encoding="utf-8") == text
    assert list(tmp_path.iterdir()) == [file]


def test_what_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    file = tmp_path / "memory.json"
    durable_file.replace_text(file, "old")
    (tmp_path / "memory.new").mkdir()
    with pytest.raises(IsADirectoryError):
        durable_file.replace_text(file, "new")
    assert file.read_text(encoding="utf-8") == "old"


def test_what_is_left_of_a_run_that_was_killed_is_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "memory.json"
    (tmp_path / "memory.new").write_text("half of somethi", encoding="utf-8")
    durable_file.replace_text(file, "whole")
    assert [one.name for one in tmp_path.iterdir()] == ["memory.json"]
    assert file.read_text(encoding="utf-8") == "whole"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"count": "many"}', "[" * 100_000, '{"count": "' + "9" * 50 + '"}']
)
def test_a_file_that_is_damaged_is_set_aside_and_never_over_one_that_is_kept(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "memory.json"

    def decode(stored: Any) -> int:
        return int(Decimal(stored["count"]).quantize(Decimal("0.0")))

    for _ in range(3):
        file.write_text(text, encoding="utf-8")
        assert durable_file.read_json(file, decode, loss="it counts from nothing") is None
        assert not file.exists()
    names = ["memory.damaged", "memory.damaged-2", "memory.damaged-3"]
    assert sorted(one.name for one in tmp_path.iterdir()) == names
    assert all((tmp_path / name).read_text(encoding="utf-8") == text for name in names)
    assert f"it is kept as {tmp_path / 'memory.damaged-3'}, and it counts from nothing" in caplog.text
    assert durable_file.read_json(file, decode, loss="") is None
    durable_file.replace_text(file, '{"count": 7}')
    assert durable_file.read_json(file, decode, loss="") == 7


def test_a_new_file_takes_no_others_place(tmp_path: Path) -> None:
    file = tmp_path / "signed"
    durable_file.write_new(file, b"first")
    with pytest.raises(FileExistsError):
        durable_file.write_new(file, b"second")
    assert file.read_bytes() == b"first"


def test_half_of_a_new_file_does_not_stay(tmp_path: Path) -> None:
    """Or the name would be taken when there is room again."""
    file = tmp_path / "signed"
    script = (
        "import resource, signal, sys; from pathlib import Path; from doxedge.store import durable_file\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))\n"
        "try: durable_file.write_new(Path(sys.argv[1]), bytes(100_000))\n"
        "except OSError as error: print(error.strerror)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(file)], capture_output=True, text=True, check=True
    )
    assert told.stdout == "File too large\n"
    assert not file.exists()
