"""A backup analyser stands in for the first, minute by minute, and the hour says so."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.gateway.plant import PlannedUnit, describe
from doxedge.measurement.sample import Reason
from doxedge.quantity import MINUTE_MS
from tests.gateway.calibrations import calibration_text
from tests.gateway.unit_bench import GRAMS_PER_HOUR, PERIOD_MS, Bench, bench, plan

SPARE = """
[[unit.instrument]]
name = "spare"
profile = "teledyne_t200"
host = "127.0.0.1"
port = 5030
backup_of = "analyser"
poll_ms = { oxygen = 0, calibration = 0, diagnostics = 0 }
"""
METER = """
[[unit.instrument]]
name = "meter2"
profile = "janitza_umg"
host = "127.0.0.1"
port = 5031
backup_of = "meter"
"""


def with_spare(lines: str = "", *, spare: str = SPARE) -> PlannedUnit:
    return plan(lines=lines, calibrations=spare)


async def measure(
    unit: Bench,
    minutes: int,
    *,
    first_ppm: Decimal | None,
    spare_ppm: Decimal | None,
    flags: frozenset[str] = frozenset(),
) -> None:
    """Both analysers for so long; None does not answer. `flags` are those of the first."""
    for _ in range(minutes):
        for at_ms in range(unit.clock.at_ms, unit.clock.at_ms + MINUTE_MS, PERIOD_MS):
            wobble = Decimal(at_ms // PERIOD_MS % 7 - 3) / 10
            unit.poll(at_ms, nox_ppm=first_ppm, flags=flags)
            ppb = None if spare_ppm is None else spare_ppm * 1_000 + wobble
            values: dict[str, Decimal | None] = {"nox_ppb": ppb, "no_ppb": ppb}
            unit._take("spare", at_ms, values, {} if ppb else dict.fromkeys(values, Reason.COMMS))
            unit.clock.run_to(at_ms + PERIOD_MS)
            if unit.quality is not None:
                await unit.quality.look()
        await unit.pipeline.flush()
        await unit.pipeline.close_hours()


async def test_while_the_first_is_valid_the_backup_counts_for_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path, planned=with_spare()) as unit:
        await measure(unit, 62, first_ppm=Decimal(100), spare_ppm=Decimal(300))
        (body,) = await unit.hours()
        latest = {name: reading.device for name, reading in unit.pipeline.latest.items()}
    assert abs(int(str(body[4])) - GRAMS_PER_HOUR) < 2
    assert (body[8], body[18]) == ("01", ["moisture_percent:default"])
    assert latest["nox_ppb"] == "alpha-1.analyser"
    assert latest["backup.nox_ppb"] == "alpha-1.spare"


async def test_the_backup_stands_in_for_as_many_minutes_as_the_hour_says(tmp_path: Path) -> None:
    async with bench(tmp_path, planned=with_spare()) as unit:
        await measure(unit, 30, first_ppm=Decimal(100), spare_ppm=Decimal(200))
        await measure(unit, 32, first_ppm=None, spare_ppm=Decimal(200))
        (body,) = await unit.hours()
    assert (body[6], body[8], body[9]) == ("valid", "02", 60)
    assert body[18] == ["backup_minutes:30", "moisture_percent:default"]
    assert abs(int(str(body[4])) - 1.5 * GRAMS_PER_HOUR) < 3


async def test_without_either_there_is_no_mass(tmp_path: Path) -> None:
    async with bench(tmp_path, planned=with_spare()) as unit:
        await measure(unit, 62, first_ppm=None, spare_ppm=None)
        said = [body for kind, body in await unit.said() if kind == "gap"]
    assert [body[3] for body in said] == ["too_few_points:nox_ppb:comms; 60.13(h)(2)(i)"]


@pytest.mark.parametrize(
    ("spare", "message"),
    [
        (SPARE.replace('backup_of = "analyser"\n', ""), "or say which is the backup of which (backup_of)"),
        (SPARE.replace('"analyser"', '"analyzer"'), "there is no instrument analyzer; there are analyser, flow"),
        (SPARE.replace('"analyser"', '"spare"'), "spare is a backup itself"),
        (SPARE.replace('"analyser"', '"flow"'), "it delivers nothing that flow delivers"),
        (SPARE + SPARE.replace('"spare"', '"third"'), "backup.nox_ppb comes from alpha-1.spare and from alpha-1.third"),
        (
            METER,
            "has no backup: operating signal, power and energy come from one instrument",
        ),
    ],
)  # fmt: skip
def test_a_backup_that_cannot_be_one_is_refused(spare: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        with_spare(spare=spare)
    assert message in str(caught.value)


def test_the_plan_says_who_stands_in_for_whom_and_the_rules_hash_covers_it() -> None:
    planned = with_spare('[unit.limits."backup.nox_ppb"]\nmax_rate_per_min = 5000')
    assert "  nox_ppb: alpha-1.spare stands in for alpha-1.analyser" in describe((planned,))
    assert planned.assessment.limits["backup.nox_ppb"].max_rate_per_s is not None
    assert planned.assessment.limits["nox_ppb"].max_rate_per_s is None
    assert with_spare().rules_hash != plan().rules_hash


async def test_while_the_first_is_out_of_control_the_backup_counts_unless_it_is_so_itself(
    tmp_path: Path,
) -> None:
    first = calibration_text()
    async with bench(tmp_path / "sound", planned=with_spare(spare=SPARE + first)) as unit:
        await measure(unit, 62, first_ppm=Decimal(300), spare_ppm=Decimal(100))
        (body,) = await unit.hours()
        assert (body[8], abs(int(str(body[4])) - GRAMS_PER_HOUR) < 2) == ("02", True)
        assert unit.pipeline.latest["nox_ppb"].reason is Reason.OUT_OF_CONTROL
    both = first + calibration_text("backup.nox_ppb")
    async with bench(tmp_path / "unchecked", planned=with_spare(spare=SPARE + both)) as unit:
        await measure(unit, 62, first_ppm=Decimal(300), spare_ppm=Decimal(100))
        assert await unit.hours() == []
        monitors = [(fact.subject, fact.in_control) for fact in unit.office.facts("alpha-1")]
        assert monitors == [("alpha-1.nox_ppb", False), ("alpha-1.backup.nox_ppb", False)]


async def test_the_hour_in_which_the_first_fails_its_check_is_made_by_the_backup_and_says_why(
    tmp_path: Path,
) -> None:
    checks = calibration_text(lines="settle_s = 120\nread_s = 60")
    spare_ppm = Decimal(100)
    async with bench(tmp_path, planned=with_spare(spare=SPARE + checks)) as unit:

        async def sequence(span_ppm: int) -> None:
            for ppm, flag in ((0, "zero"), (span_ppm, "span")):
                flags = frozenset({flag})
                await measure(unit, 4, first_ppm=Decimal(ppm), spare_ppm=spare_ppm, flags=flags)

        await sequence(400)
        await measure(unit, 60, first_ppm=Decimal(300), spare_ppm=spare_ppm)
        await sequence(430)  # 6 % of span
        await measure(unit, 52, first_ppm=Decimal(300), spare_ppm=spare_ppm)
        _, failed = await unit.hours()
        assert abs(int(str(failed[4])) - GRAMS_PER_HOUR) < 2, "not a minute of the first that failed"
        assert failed[6:10] == ["valid", "60.13(h)(2)(iii)(A)", "02", 60]
        assert failed[18] == ["backup_minutes:60", "moisture_percent:default", "nox_ppb:calibration_failed"]
