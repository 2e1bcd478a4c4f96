"""A small file is the old one or the new one, whatever happens in between."""

from __future__ import annotations

from pathlib import Path

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
