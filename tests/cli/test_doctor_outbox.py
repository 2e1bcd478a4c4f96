"""The room of the outbox is held against 35 days of records before anything is dropped."""

from __future__ import annotations

from pathlib import Path

import pytest

from doxedge.cli.doctor_outbox import MEBIBYTE, check_backlog, judge_backlog, judge_others, judge_room
from doxedge.cli.doctor_report import Site, Verdict
from doxedge.gateway.settings import load_settings
from doxedge.quantity import DAY_MS, HOUR_MS
from doxedge.store.examine import Extent, Refusals, Waiting, extent
from tests.cli.test_gateway_hours import configured
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
    assert (found.verdict, f"estimated for {units} unit" in found.text) == (verdict, True)


async def test_the_extent_of_an_outbox_is_that_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = await filled(path)
    try:
        found = extent(path)
        assert found.used_bytes == (await outbox.counts()).bytes
        assert found.span_ms == 0
    finally:
        await outbox.close()


NONE = Refusals(0, "")
CHANNEL, SOURCE = b"c" * 32, b"s" * 16
OTHER = Waiting(CHANNEL, SOURCE, 7, 0)
THERE = {CHANNEL.hex(): [{"source": SOURCE.hex()}]}
NOT_THERE: dict[str, list[dict[str, object]]] = {CHANNEL.hex(): [{"source": "00" * 16}]}


@pytest.mark.parametrize(
    ("refused", "devices", "verdict"),
    [
        ({SOURCE}, {}, Verdict.OK),
        ({SOURCE}, NOT_THERE, Verdict.OK),
        (set(), NOT_THERE, Verdict.WARNING),
        (set(), {}, None),  # the node cannot be asked: they may be on their way
        (set(), THERE, None),
        ({SOURCE}, THERE, None),
    ],
)
def test_records_that_no_ledger_will_take_are_told_apart_from_what_is_on_its_way(
    refused: set[bytes], devices: dict[str, list[dict[str, object]]], verdict: Verdict | None
) -> None:
    found = judge_others([OTHER], refused=frozenset(refused), devices=devices)
    assert [one.verdict for one in found.values()] == ([] if verdict is None else [verdict])
    assert all(f"7 records wait under the source {SOURCE.hex()}" in one.text for one in found.values())


@pytest.mark.parametrize(
    ("age_ms", "verdict"),
    [(2 * HOUR_MS, Verdict.OK), (2 * HOUR_MS + 1, Verdict.WARNING), (DAY_MS + 1, Verdict.ERROR)],
)
def test_the_oldest_record_on_its_way_decides(age_ms: int, verdict: Verdict) -> None:
    found = judge_backlog(NONE, [OTHER, Waiting(CHANNEL, b"t" * 16, 2, 60_000)], now_ms=age_ms)
    assert found.verdict is verdict
    assert found.text.startswith("9 records wait, the oldest for")
    assert judge_backlog(NONE, [], now_ms=age_ms).text == "nothing waits"


async def test_what_a_unit_here_has_signed_is_on_its_way_before_the_ledger_knows_its_device(
    tmp_path: Path,
) -> None:
    config = Path(configured(tmp_path))
    settings = load_settings(config)
    (unit,) = settings.unit
    site = Site(config, None, None, now_ms=DAY_MS, gateway=settings, devices={unit.channel: []})
    path = tmp_path / "gateway" / "outbox.db"
    path.parent.mkdir()
    channel, source = bytes.fromhex(unit.channel), bytes.fromhex(unit.source)
    await (await filled(path, channel=channel, source=source)).close()
    (found,) = check_backlog(site)
    assert (found.verdict, found.text.startswith("3 records wait")) == (Verdict.WARNING, True)
