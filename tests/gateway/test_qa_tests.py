"""Tests that are handed in at the door of a unit on the bench, events, and the QAL3 charts of its checks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.gateway.operator_door import Caller, Refusal
from doxedge.gateway.qa_office import QaOffice
from doxedge.gateway.qa_tests import AskEnter, AskEvent, file_hash
from doxedge.quantity import MINUTE_MS
from doxedge.store.qa_rows import QaDraft, QaEntry, QaKind
from tests.gateway.calibrations import calibration_text
from tests.gateway.test_qa_desk import NOX, SPAN, TIMES, ZERO, desk, entries, own_sequence, stands
from tests.gateway.unit_bench import Bench, SetClock, bench, plan
from tests.ledger.channels import START_MS
from tests.measurement.qa_layouts import LINEARITY, QAL2, RATA, linearity, runs, samples

S_AMS = "s_ams = 1_000"
FAILED = LINEARITY + linearity("430")


@dataclass
class Office:
    """The bench and the office that an operator asks."""

    it: Bench
    office: QaOffice

    async def enter(self, kind: str, text: str, **more: Any) -> dict[str, Any]:
        usual = {
            "ask": "enter", "unit": "alpha-1", "quantity": NOX, "kind": kind, "file": "test.csv", "text": text,
            "day": "2025-12-30", "name": "A. Person", "reason": "quarterly",
        }  # fmt: skip
        return dict(await self.office.enter(AskEnter.model_validate({**usual, **more}), self.caller))

    async def event(self, reason: str) -> dict[str, Any]:
        asked = {
            "ask": "monitor_event",
            "unit": "alpha-1",
            "quantity": NOX,
            "name": "A. Person",
            "reason": reason,
        }
        return dict(await self.office.event(AskEvent.model_validate(asked), self.caller))

    @property
    def caller(self) -> Caller:
        return Caller("operator", self.it.clock.at_ms)

    async def events(self) -> list[tuple[Any, Any]]:
        await self.it.pipeline.close_hours()
        return [(body[1], body[3]) for kind, body in await self.it.said() if kind == "event"][1:]


@asynccontextmanager
async def office(
    folder: Path, *, clock: SetClock | None = None, lines: str = "", unit: str = ""
) -> AsyncIterator[Office]:
    planned = plan(lines=unit, calibrations=calibration_text(lines=f"{TIMES}\n{lines}"))
    async with bench(folder, clock=clock, planned=planned) as it:
        yield Office(it, it.office)


async def test_a_linearity_check_is_judged_kept_whole_and_signed_with_its_hash(tmp_path: Path) -> None:
    text = LINEARITY + linearity()
    async with office(tmp_path) as made:
        answer = await made.enter("linearity", text)
        entry = answer["entry"]
        assert (entry["verdict"], entry["passed"], entry["good_until"]) == ("PASSED", True, "2026-03-31")
        assert (entry["name"], entry["user"], entry["sha256"]) == ("A. Person", "operator", file_hash(text))
        assert "text" not in entry
        again = await made.enter("linearity", text, reason="once more")
        assert again["entry"]["entry"] == entry["entry"]
        ((code, told),) = await made.events()
        assert code == "linearity.passed"
        assert file_hash(text) in told
        assert "A. Person (operator): quarterly" in told
    (kept,) = [one for one in await entries(tmp_path) if one.kind == "test"]
    assert kept.body["text"] == text


async def test_a_failed_linearity_check_puts_the_monitor_out_of_control_until_one_passes(
    tmp_path: Path,
) -> None:
    async with office(tmp_path) as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        answer = await made.enter("linearity", FAILED)
        assert answer["standing"] == "out of control: linearity failed"
        assert not stands(made.it).in_control
        await own_sequence(made.it)
        assert not stands(made.it).in_control  # a daily check is another thing
        clock = made.it.clock
    async with office(tmp_path, clock=clock) as made:
        assert stands(made.it).standing == "out of control: linearity failed"
        passed = await made.enter("linearity", LINEARITY + linearity(), day="2026-01-01")
        assert passed["standing"] == "in control"
        codes = [code for code, _ in await made.events() if code != "gateway.start"]
        assert codes == [
            "calibration.passed", "linearity.failed", "hours.suspect", "calibration.passed", "linearity.passed",
        ]  # fmt: skip


async def test_a_rata_is_judged_as_the_parameter_of_its_quantity_or_the_one_that_is_named(
    tmp_path: Path,
) -> None:
    async with office(tmp_path) as made:
        failed = await made.enter("rata", RATA + runs(off=60))
        assert (failed["entry"]["verdict"], failed["standing"][:15]) == ("FAILED", "out of control:")
        passed = await made.enter("rata", RATA + runs(), parameter="NOXR")
        assert (passed["entry"]["passed"], passed["entry"]["good_until"]) == (True, "2026-12-31")
        with pytest.raises(Refusal, match="DUST"):
            await made.enter("rata", RATA + runs(), parameter="DUST")


async def test_an_ast_wants_a_qal2_that_passed(tmp_path: Path) -> None:
    async with office(tmp_path) as made:
        with pytest.raises(Refusal, match="no QAL2"):
            await made.enter("ast", QAL2 + samples(5), limit="50")
        with pytest.raises(Refusal, match="limit"):
            await made.enter("qal2", QAL2 + samples())
        assert (await made.enter("qal2", QAL2 + samples(), limit="50"))["entry"]["passed"]
        off = await made.enter("ast", QAL2 + samples(5, off=30), limit="50")
        assert (off["entry"]["passed"], off["entry"]["good_until"]) == (False, None)
        assert off["standing"] == "out of control: no prior test"  # of its own: an AST blocks nothing
        clock = made.it.clock
    async with office(tmp_path, clock=clock) as made:
        assert (await made.enter("ast", QAL2 + samples(5), limit="50"))["entry"]["passed"]


@pytest.mark.parametrize(
    ("wrong", "code", "text"),
    [
        ({"text": "nonsense"}, "bad_file", "test.csv"),
        ({"text": LINEARITY + linearity(parameter="O2C")}, "bad_file", "O2C"),
        ({"unit": "beta-2"}, "unknown", "beta-2"),
        ({"quantity": "no_ppb"}, "unknown", "it has nox_ppb"),
        ({"day": "2026-01-02"}, "bad_question", "not over yet"),
        ({"day": "2026-02-30"}, "bad_question", "no day"),
        ({"good_until": "2025-12-29"}, "bad_question", "before the test"),
    ],
)
async def test_what_cannot_be_entered_is_refused_and_leaves_no_line(
    tmp_path: Path, wrong: dict[str, str], code: str, text: str
) -> None:
    async with office(tmp_path) as made:
        with pytest.raises(Refusal) as refused:
            await made.enter("linearity", **{"text": LINEARITY + linearity(), **wrong})
        assert (refused.value.code, text in refused.value.reason) == (code, True)
    assert [one for one in await entries(tmp_path) if one.kind == "test"] == []


async def test_after_an_event_a_check_must_pass(tmp_path: Path) -> None:
    async with office(tmp_path) as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        assert (await made.event("new pump"))["standing"] == "out of control: event"
        await made.it.measure(10)
        clock = made.it.clock
    async with office(tmp_path, clock=clock) as made:
        assert stands(made.it).standing == "out of control: event"
        await own_sequence(made.it)
        assert stands(made.it).in_control
        assert ("monitor.event", "nox_ppb: A. Person (operator): new pump") in await made.events()


async def drifting(it: Bench, checks: int) -> None:
    """So many checks whose zero is 1.5 s_AMS too high."""
    for _ in range(checks):
        await it.measure(4, nox_ppm=Decimal("1.5"), flags=ZERO)
        await it.measure(4, nox_ppm=Decimal(400), flags=SPAN)
        await it.measure(4)


async def test_checks_are_readings_on_the_charts_and_a_drift_is_found_and_signed_over_a_restart(
    tmp_path: Path,
) -> None:
    async with office(tmp_path, lines=S_AMS) as made:
        await drifting(made.it, 2)
        assert desk(made.it).record.charts[NOX].findings == ""
        clock = made.it.clock
    async with office(tmp_path, clock=clock, lines=S_AMS) as made:
        await drifting(made.it, 1)
        assert desk(made.it).record.charts[NOX].findings == "zero gas: drift upwards"
        assert stands(made.it).in_control  # the check itself passed
        (told,) = [text for code, text in await made.events() if code == "qal3.finding"]
        assert "nox_ppb, zero gas: drift upwards; reading 150" in told
        (fact,) = made.office.facts("alpha-1")
        assert fact.drifts == "zero gas: drift upwards"
        await made.event("zero was adjusted")
        assert desk(made.it).record.charts[NOX].findings == ""
        clock = made.it.clock
    async with office(tmp_path, clock=clock, lines=S_AMS) as made:
        await drifting(made.it, 1)
        assert desk(made.it).record.charts[NOX].findings == ""  # the sums began anew
    lines = [one for one in await entries(tmp_path) if one.kind == "chart"]
    assert len(lines) == 8
    assert [sums(one) for one in lines if one.body["gas"] == "zero"] == [1, 2, 3, 1]


def sums(entry: QaEntry) -> int:
    """The positive sum, in steps of 0.999 s_AMS."""
    return round(Decimal(entry.body["sum_positive"]) / 999)


async def test_readings_that_somebody_took_by_hand_go_on_the_charts(tmp_path: Path) -> None:
    head = "date,time,gas,reading,reference\n"
    text = head + "".join(f"2025-12-30,08:0{n},zero,4000,0\n" for n in range(3))
    async with office(tmp_path) as made:
        with pytest.raises(Refusal, match="s_ams"):
            await made.enter("qal3", text)
    async with office(tmp_path, lines=S_AMS) as made:
        entry = (await made.enter("qal3", text))["entry"]
        assert (entry["verdict"], "drift upwards" in entry["told"]) == ("FAILED", True)
        with pytest.raises(Refusal, match="told after"):
            await made.enter("qal3", head + "2025-12-29,08:00,zero,0,0\n")
        await made.it.measure(1)
        assert made.it.clock.at_ms == START_MS + MINUTE_MS


async def test_a_test_that_passed_says_until_when_it_is_good(tmp_path: Path) -> None:
    async with office(tmp_path) as made:
        await made.enter("rata", RATA + runs())
        await made.enter("linearity", LINEARITY + linearity(), good_until="2026-01-31")
        (fact,) = made.office.facts("alpha-1")
        assert fact.test is not None
        assert (fact.test.until_ms, fact.test.kind) == (START_MS + 31 * 86_400_000, "linearity")


def test_a_unit_under_european_rules_wants_the_deviation_of_its_analyser() -> None:
    with pytest.raises(ConfigError, match="QAL3"):
        plan(lines='rule_set = "eu"', calibrations=calibration_text(lines=TIMES))
    assert plan(lines='rule_set = "eu"', calibrations=calibration_text(lines=f"{TIMES}\n{S_AMS}")).monitors


async def test_a_bias_factor_that_the_mass_is_not_adjusted_by_is_said(tmp_path: Path) -> None:
    async with office(tmp_path) as made:
        assert [fact.bias for fact in made.office.facts("alpha-1")] == [None]
        await made.enter("rata", RATA + runs(off=28))
        assert [fact.bias for fact in made.office.facts("alpha-1")] == [(Decimal("1.092"), Decimal(1))]
        clock = made.it.clock
    bias = "bias = [{ factor = 1.092, since = 2026-01-01T00:00:00Z }]"
    async with office(tmp_path, clock=clock, unit=bias) as made:
        assert [fact.bias for fact in made.office.facts("alpha-1")] == [(Decimal("1.092"), Decimal("1.092"))]


async def test_a_test_whose_sender_gave_up_while_it_was_written_counts_when_he_asks_again(
    tmp_path: Path,
) -> None:
    async with office(tmp_path) as made:
        await own_sequence(made.it)
        await made.it.measure(2)
        await made.enter("linearity", FAILED, day="2025-12-29")
        (kept,) = await made.it.checks.newest(QaKind.TEST, None, 1)
        await made.enter("linearity", LINEARITY + linearity())
        assert stands(made.it).in_control
        # Written, and nothing more: as when the door's time was up in that instant.
        body = {**kept.body, "day": "2025-12-30"}
        draft = QaDraft(kind=QaKind.TEST, unit="alpha-1", quantity=NOX, at_ms=made.it.clock.at_ms, body=body)
        (written,) = await made.it.checks.append([draft])
        answer = await made.enter("linearity", FAILED, day="2025-12-30")
        assert answer["entry"]["entry"] == written.number
        assert answer["standing"] == "out of control: linearity failed"
        # What has counted counts once: the older failure, said again, does not undo a later pass.
        await made.enter("linearity", LINEARITY + linearity(), day="2025-12-31")
        assert (await made.enter("linearity", FAILED, day="2025-12-29"))["standing"] == "in control"
