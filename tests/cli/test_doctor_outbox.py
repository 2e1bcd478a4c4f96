"""The room of the outbox is held against 35 days of records before anything is dropped."""

from __future__ import annotations

from pathlib import Path

import pytest

from doxedge.cli.doctor_outbox import MEBIBYTE, judge_room
from doxedge.cli.doctor_report import Verdict
from doxedge.quantity import DAY_MS
from doxedge.store.examine import Extent, extent
from tests.store.test_examine import filled


@pytest.mark.parametrize(
    ("used_mb", "days", "verdict", "needed_mb"),
    [
        (100, 35, Verdict.OK, 100),
        (256, 35, Verdict.OK, 256),
        (257, 35, Verdict.WARNING, 257),
        (256, 20, Verdict.WARNING, 448),  # the file is full, and what it holds is younger than it should be
        (40, 7, Verdict.OK, 200),
        (60, 7, Verdict.WARNING, 300),
    ],
)
def test_what_was_written_says_what_is_needed(
    used_mb: int, days: int, verdict: Verdict, needed_mb: int
) -> None:
    found = judge_room(Extent(used_mb * MEBIBYTE, days * DAY_MS), units=1, budget_bytes=256 * MEBIBYTE)
    assert found.verdict is verdict
    assert f"take {needed_mb} MiB (by what was written in {days} days), 256 MiB are allowed" in found.text
    if verdict is Verdict.WARNING:
        assert f"outbox.budget_mb to {2 * needed_mb}" in found.advice


@pytest.mark.parametrize(
    ("units", "budget_mb", "verdict"), [(1, 16, Verdict.OK), (22, 16, Verdict.OK), (23, 16, Verdict.WARNING)]
)
def test_a_young_file_is_judged_by_the_units(units: int, budget_mb: int, verdict: Verdict) -> None:
    """Also where a backlog of many megabytes was signed within a day."""
    young = Extent(200 * MEBIBYTE, DAY_MS)
    found = judge_room(young, units=units, budget_bytes=budget_mb * MEBIBYTE)
    assert (found.verdict, f"estimated for {units} units" in found.text) == (verdict, True)


async def test_the_extent_of_an_outbox_is_that_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = await filled(path)
    try:
        found = extent(path)
        assert found.used_bytes == (await outbox.counts()).bytes
        assert found.span_ms == 0
    finally:
        await outbox.close()
