"""An exchanged meter loses no energy, whenever it is told; what was told outlives a power cut and is signed once."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from doxedge.gateway.meter_exchange import (
    AskMeterExchange,
    MeterExchange,
    NotExchanged,
    device_of,
    from_row,
    is_exchange,
    said_by,
)
from doxedge.gateway.operator_door import Caller, Refusal
from doxedge.measurement.hour_sequence import HourSequence
from doxedge.quantity import HOUR_MS, MINUTE_MS
from tests.gateway.commission_bench import made_file, site
from tests.gateway.unit_bench import Bench, bench
from tests.ledger.channels import START_MS

WH_A_MINUTE = 50_000_000 // 60
AT_MS = START_MS + 30 * MINUTE_MS
OLD_WH = Decimal(25_000_000)


def exchange(*, new_wh: int = 0, **changes: Any) -> MeterExchange:
    fields: dict[str, Any] = {
        "unit": "alpha-1", "at_ms": AT_MS - 1, "old_wh": OLD_WH, "new_wh": Decimal(new_wh), "name": "A. Person",
        "user": "operator", "reason": "calibration of the meter", "document": "ab" * 32, "told_ms": AT_MS,
    }  # fmt: skip
    return MeterExchange(**{**fields, **changes})


async def energies(unit: Bench) -> list[tuple[Any, Any]]:
    """(Wh, remarks) of the hours that were signed."""
    return [(body[5], body[18]) for body in await unit.hours()]


async def events(unit: Bench) -> list[Any]:
    return [body for kind, body in await unit.said() if kind == "event" and body[1] == "meter.exchanged"]


def exchanged(unit: Bench) -> None:
    """From now on another meter is read, which began at 0."""
    unit.counter_shift_wh = int(OLD_WH)


@pytest.mark.parametrize("told_after_min", [0, 1, 20])
async def test_no_energy_is_lost_or_invented(tmp_path: Path, told_after_min: int) -> None:
    async with bench(tmp_path) as unit:
        await unit.measure(30)
        exchanged(unit)
        await unit.measure(told_after_min)
        await unit.pipeline.exchange_meter(exchange())
        assert await events(unit) == [["alpha-1", "meter.exchanged", AT_MS - 1, exchange().text]]
        await unit.measure(62 - 30 - told_after_min)
        ((wh, remarks),) = await energies(unit)
        assert wh == pytest.approx(50_000_000, rel=0.001)
        assert remarks == ["moisture_percent:default"]
        root = await unit.samples.hour_root("alpha-1", unit.planned.devices, START_MS)
        (body,) = await unit.hours()
        assert (body[10], root.samples) == (3 * 360 + 60 + 1, 3 * 360 + 60 + 1), "it is a leaf of the hour"


async def test_without_a_word_the_energy_is_incomplete(tmp_path: Path) -> None:
    async with bench(tmp_path) as unit:
        await unit.measure(30)
        exchanged(unit)
        await unit.measure(32)
        ((_, remarks),) = await energies(unit)
        assert "energy_wh:incomplete" in remarks


@pytest.mark.parametrize("numbered", [True, False])
async def test_what_was_told_outlives_a_power_cut_and_is_signed_once(tmp_path: Path, numbered: bool) -> None:
    async with bench(tmp_path, begun=numbered) as unit:
        await unit.measure(30)
        exchanged(unit)
        await unit.measure(5)
        await unit.pipeline.exchange_meter(exchange())
        clock = unit.clock
    async with bench(tmp_path, clock=clock) as unit:
        exchanged(unit)
        await unit.pipeline.exchange_meter(exchange(told_ms=AT_MS + 1))
        await unit.measure(62 - 35)
        ((wh, remarks),) = await energies(unit)
        assert wh == pytest.approx(50_000_000, rel=0.001)
        assert remarks == ["moisture_percent:default"]
        assert len(await events(unit)) == 1


async def test_what_does_not_fit_is_refused_and_leaves_no_trace(tmp_path: Path) -> None:
    async with bench(tmp_path) as unit:
        await unit.measure(30)
        exchanged(unit)
        await unit.measure(5)
        for wrong, reason in (
            (exchange(old_wh=Decimal(1)), "cannot have shown 1 Wh"),
            (exchange(new_wh=10**9), "cannot have begun"),
            (exchange(at_ms=START_MS - 1), "is closed"),
        ):
            with pytest.raises(NotExchanged, match=reason):
                await unit.pipeline.exchange_meter(wrong)
        assert await events(unit) == []
        stored = await unit.samples.between(START_MS, START_MS + HOUR_MS, devices=[device_of("alpha-1")])
        assert stored == []
        await unit.measure(27)
        with pytest.raises(NotExchanged, match="is closed"):
            await unit.pipeline.exchange_meter(exchange())


async def test_a_verifiers_machine_makes_the_hour_of_an_exchange_again(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        await at.bench.measure(30)
        exchanged(at.bench)
        await at.bench.measure(3)
        await at.bench.pipeline.exchange_meter(exchange())
        await at.bench.measure(60 * 3)
        await at.post()
        assert await made_file(at, 3)


def test_an_exchange_is_read_as_it_was_written_and_no_instrument_has_its_name() -> None:
    row = exchange().row()
    assert from_row(row.device, row.at_ms, row.raw) == exchange()
    assert is_exchange(row.device)
    assert not is_exchange("alpha-1.meter-exchange")
    with pytest.raises(ValueError, match="unknown form"):
        from_row(row.device, row.at_ms, row.raw.replace(b"told_ms", b"TOLD_MS"))


def test_a_time_to_come_and_text_that_cannot_be_signed_are_refused() -> None:
    fields: dict[str, Any] = {
        "ask": "exchange-meter", "unit": "alpha-1", "at_ms": AT_MS, "old_wh": "1.5", "new_wh": "0",
        "name": "A. Person", "reason": "defect", "document": "ab" * 32,
    }  # fmt: skip
    said = said_by(AskMeterExchange(**fields), Caller("operator", AT_MS))
    assert (said.old_wh, said.user, said.told_ms) == (Decimal("1.5"), "operator", AT_MS)
    with pytest.raises(Refusal, match="still to come"):
        said_by(AskMeterExchange(**fields), Caller("operator", AT_MS - 1))
    with pytest.raises(Refusal, match="reason cannot be signed"):
        said_by(AskMeterExchange(**{**fields, "reason": "\U0001f600"}), Caller("operator", AT_MS))


def test_a_change_of_settings_that_has_begun_is_waited_for() -> None:
    """Between the border and the close of the hour before, the new hour has no counter of its own yet."""
    from tests.measurement.test_hour_time import METERED

    hours = HourSequence(METERED, start_ms=START_MS)
    hours.change(METERED, from_ms=START_MS + HOUR_MS)
    with pytest.raises(ValueError, match="other settings begin with this hour"):
        hours.meter_exchange(START_MS + HOUR_MS, old_wh=Decimal(1), new_wh=Decimal(0))
