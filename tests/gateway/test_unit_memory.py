"""What a run leaves for the next is whole or not there."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from doxedge.gateway.unit_memory import UnitMemory, read_memory, write_memory
from doxedge.measurement.energy import EnergyMark
from doxedge.measurement.hour import Carry
from doxedge.quantity import HOUR_MS

MEMORY = UnitMemory(
    Carry(7 * HOUR_MS, True, EnergyMark(7 * HOUR_MS - 1, Decimal("12.5"), Decimal(11))),
    b"p" * 32,
    b"r" * 32,
)


def test_a_memory_comes_back_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "u.memory.json"
    assert read_memory(file) is None
    for memory in (MEMORY, UnitMemory(Carry(0), b"p" * 32, b"s" * 32)):
        write_memory(file, memory)
        assert read_memory(file) == memory
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"carry": null, "profile_hash": "", "rules_hash": ""}',
        '{"carry": {"next_start_ms": 5}, "profile_hash": "", "rules_hash": ""}',
        '{"carry": {"next_start_ms": 0}, "profile_hash": "zz", "rules_hash": ""}',
        '{"carry": {"next_start_ms": 0}, "profile_hash": 3, "rules_hash": ""}',
    ],
)
def test_a_damaged_memory_is_set_aside_and_not_believed(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "u.memory.json"
    file.write_text(text)
    assert read_memory(file) is None
    assert not file.exists()
    assert (tmp_path / "u.memory.damaged").read_text() == text
    assert "begins anew" in caplog.text


def test_bytes_that_are_no_text_are_set_aside(tmp_path: Path) -> None:
    file = tmp_path / "u.memory.json"
    file.write_bytes(b"\xff\xfe\x00")
    assert read_memory(file) is None
    assert not file.exists()
