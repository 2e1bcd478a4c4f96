"""An hour is entered by two persons, only where nothing was measured; it outlives a power cut and is signed once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from doxedge.gateway.manual_entries import FILE
from doxedge.gateway.manual_office import AskEntries
from doxedge.gateway.operator_door import Refusal
from doxedge.quantity import HOUR_MS
from tests.gateway.manual_hours import (
    FIRST,
    GAP_MS,
    SECOND,
    confirmation,
    entered,
    office,
    proposal,
    with_a_gap,
)
from tests.ledger.channels import START_MS


async def refused(asking: Any) -> str:
    with pytest.raises(Refusal) as refusal:
        await asking
    return refusal.value.code


async def test_two_persons_fill_a_gap(tmp_path: Path) -> None:
    async with office(tmp_path) as (unit, made):
        await with_a_gap(unit)
        answer: Any = await made.propose(proposal(), FIRST)
        assert answer["entry"]["number"] == 1
        assert await entered(unit) == [], "one person is none"
        answer = await made.confirm(confirmation(), SECOND)
        assert answer["signed"] is True
        ((kind, body),) = await entered(unit)
        assert kind == "hour"
        assert (body[1], body[4], body[5], body[8]) == (GAP_MS, 12_000, 50_000_000, "55")
        assert body[18] == [
            "entered by hand: portable analyser",
            f"document: {'cd' * 32}",
            "proposed by: A. Person (account alice)",
            "confirmed by: B. Person (account bob)",
        ]
        listed: Any = await made.listed(AskEntries(ask="hour-entries"), FIRST)
        assert [entry["confirmed"]["user"] for entry in listed["entries"]] == ["bob"]


async def test_an_entry_is_entered_anew_by_a_revision(tmp_path: Path) -> None:
    async with office(tmp_path) as (unit, made):
        await with_a_gap(unit)
        for number, grams in ((1, 12_000), (2, 11_000)):
            await made.propose(proposal(nox_g=grams), FIRST)
            await made.confirm(confirmation(number), SECOND)
        assert [(kind, body[4]) for kind, body in await entered(unit)] == [
            ("hour", 12_000),
            ("hour.revise", 11_000),
        ]


async def test_who_may_not_is_refused(tmp_path: Path) -> None:
    async with office(tmp_path) as (unit, made):
        await with_a_gap(unit)
        assert await refused(made.propose(proposal(start_ms=START_MS), FIRST)) == "measured"
        assert await refused(made.propose(proposal(start_ms=START_MS + 5 * HOUR_MS), FIRST)) == "not_a_gap"
        assert await refused(made.propose(proposal(start_ms=GAP_MS + 1), FIRST)) == "bad_question"
        assert await refused(made.propose(proposal(unit="beta-1"), FIRST)) == "unknown_unit"
        assert await refused(made.propose(proposal(reason="\U0001f600"), FIRST)) == "bad_text"
        assert await refused(made.confirm(confirmation(), SECOND)) == "unknown_entry"
        await made.propose(proposal(), FIRST)
        assert await refused(made.propose(proposal(), SECOND)) == "proposed"
        assert await refused(made.confirm(confirmation(name="a. person"), SECOND)) == "one_person"
        assert await refused(made.confirm(confirmation(), FIRST)) == "one_account"
        assert await entered(unit) == []
        await made.confirm(confirmation(same_account="one shared account on this box"), FIRST)
        ((_, body),) = await entered(unit)
        assert body[18][-1] == "one account: one shared account on this box"
        assert await refused(made.confirm(confirmation(name="C. Person"), SECOND)) == "confirmed"


async def test_what_is_measured_later_replaces_the_entry(tmp_path: Path) -> None:
    async with office(tmp_path) as (unit, made):
        await with_a_gap(unit)
        await made.propose(proposal(), FIRST)
        await made.confirm(confirmation(), SECOND)
        for at_ms in range(GAP_MS, GAP_MS + HOUR_MS, 10_000):
            unit.poll(at_ms + 5)
        await unit.measure(5)
        revisions = [body for kind, body in await unit.said() if kind == "hour.revise"]
        assert revisions
        assert revisions[-1][1] == "late samples"
        assert await refused(made.propose(proposal(), FIRST)) == "measured"


async def test_a_confirmed_entry_outlives_a_power_cut_and_is_signed_once(tmp_path: Path) -> None:
    async with office(tmp_path) as (unit, made):
        await with_a_gap(unit)
        await made.propose(proposal(), FIRST)
        unit.pipeline.desk.numbered = False
        answer: Any = await made.confirm(confirmation(), SECOND)
        assert answer["signed"] is False
        clock = unit.clock
    for _ in range(2):
        async with office(tmp_path, clock=clock) as (unit, _):
            await unit.measure(1)
            assert len(await entered(unit)) == 1


async def test_a_damaged_file_is_set_aside_and_measuring_goes_on(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"entries": [1]}')
    async with office(tmp_path) as (unit, made):
        await with_a_gap(unit)
        await made.propose(proposal(), FIRST)
    assert (tmp_path / "manual-hours.damaged").exists()
