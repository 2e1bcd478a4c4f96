"""The watch gathers from real stores and a real pipeline what the alarms are judged by."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from doxedge.fieldbus.line import DeviceState
from doxedge.fieldbus.profile_folders import read_profile_text, search_path
from doxedge.gateway.alarm_desk import AlarmDesk
from doxedge.gateway.alarm_watch import AlarmWatch, contacts_of, free_bytes
from doxedge.gateway.line_plan import make_lines
from doxedge.gateway.line_progress import LineProgress
from doxedge.gateway.plant import PlannedUnit, plan_units
from doxedge.gateway.poster import Poster
from doxedge.gateway.record_check import RecordCheck
from doxedge.gateway.settings import parse_settings
from doxedge.measurement.alarms import Sighting
from doxedge.measurement.hour_history import KnownHour
from doxedge.measurement.quality import DOOR, AssessmentSettings, Assessor
from doxedge.measurement.sample import Quality, Reason, Sample
from doxedge.quantity import HOUR_MS
from doxedge.store.alarms import AlarmStore
from doxedge.store.outbox import OutboxSettings
from doxedge.store.rows import Closing, Draft
from tests.gateway.calibrations import calibration_text
from tests.gateway.memory_ledger import MemoryLedger
from tests.gateway.missing_hours import remember
from tests.gateway.plant_settings import settings_text
from tests.gateway.unit_bench import Bench, SetClock, bench, plan
from tests.ledger.channels import START_MS


@dataclass
class Watched:
    """A unit on a bench, with the watch over it."""

    unit: Bench
    watch: AlarmWatch
    desk: AlarmDesk
    poster: Poster
    states: dict[str, DeviceState]
    lines: tuple[str, ...]

    async def standing(self) -> set[tuple[str, str]]:
        """(code, subject) of the alarms that stand. The kernel's clock and the disk are this machine's own."""
        return {
            (alarm.code, alarm.subject)
            for alarm in await self.desk.wanting()
            if alarm.cleared_ms is None and not alarm.code.startswith(("clock.", "disk."))
        }


@asynccontextmanager
async def watched(
    folder: Path, *, outbox_settings: OutboxSettings | None = None, planned: PlannedUnit | None = None
) -> AsyncIterator[Watched]:
    """Everything but the daemon."""
    ledger = MemoryLedger.begin()
    async with (
        bench(folder, outbox_settings=outbox_settings, planned=planned) as unit,
        await AlarmStore.open(folder / "alarms.db", now_ms=0) as store,
    ):
        poster = Poster(
            channel=unit.key[0],
            source=unit.key[1],
            outbox=unit.outbox,
            ledger=ledger,
            signer=unit.device,
            clock=unit.clock,
            chance=lambda: 0.5,
        )
        lines = make_lines(
            (unit.planned,),
            clock=unit.clock,
            chance=lambda: 0.5,
            on_sample=lambda sample: None,
            on_state=lambda state: None,
        )
        desk = AlarmDesk(store, post=lambda subject, happening: None)
        states: dict[str, DeviceState] = {}
        watch = AlarmWatch(
            desk,
            units=lambda: (unit.planned,),
            pipelines={"alpha-1": unit.pipeline},
            posters={"alpha-1": poster},
            device_states=states,
            progress=LineProgress(lines, longest_period_ms=60_000, clock=unit.clock),
            outbox=unit.outbox,
            samples=unit.samples,
            folder=folder,
            records=RecordCheck(unit.outbox, unit.device),
            clock=unit.clock,
            read_clock=lambda: unit.reading,
            monitors=unit.office.facts,
        )
        yield Watched(unit, watch, desk, poster, states, tuple(line.name for line in lines))


async def test_a_plant_that_is_well_has_no_alarm(tmp_path: Path) -> None:
    async with watched(tmp_path) as plant:
        await plant.unit.measure(30)
        await plant.watch.look()
        assert await plant.standing() == set()


async def test_an_analyser_that_is_away_spoils_the_hour_and_is_told_once(tmp_path: Path) -> None:
    async with watched(tmp_path) as plant:
        device = "alpha-1.analyser"
        plant.states[device] = DeviceState(device, "one", False, Reason.COMMS, "no answer", 0)
        for _ in range(25):
            await plant.unit.measure(1, nox_ppm=None)
            await plant.watch.look()
        lines = {("line.stalled", line) for line in plant.lines}  # nobody runs them on a bench
        assert await plant.standing() == {("device.away", device), ("hour.invalid", "alpha-1"), *lines}
        assert len([one for one in await plant.desk.wanting() if one.code == "device.away"]) == 1


async def test_a_record_that_the_ledger_does_not_take_ages_until_it_is_final(tmp_path: Path) -> None:
    async with watched(tmp_path) as plant:
        await plant.unit.measure(1)
        (entry,) = await plant.unit.entries()
        queue = await plant.unit.outbox.queue(*plant.unit.key)
        assert (queue.pending, queue.oldest_seq, queue.final_seq) == (1, 1, 0)
        plant.unit.clock.run_to(plant.unit.clock.at_ms + 3 * HOUR_MS)
        await plant.watch.look()
        assert ("outbox.old", "alpha-1") in await plant.standing()
        await plant.unit.outbox.close_entries([Closing(entry.record_id, b"proof", 0)])
        queue = await plant.unit.outbox.queue(*plant.unit.key)
        assert (queue.pending, queue.oldest_seq, queue.oldest_ms, queue.final_seq) == (0, None, None, 1)
        await plant.watch.look()
        assert ("outbox.old", "alpha-1") not in await plant.standing()


async def test_a_number_that_another_record_has_is_an_alarm_also_after_a_restart(tmp_path: Path) -> None:
    async with watched(tmp_path) as plant:
        await plant.unit.measure(1)
        (entry,) = await plant.unit.entries()
        await plant.unit.outbox.mark_refused(entry.record_id, clause="3.4", reason="another record")
        await plant.watch.look()
        assert await plant.standing() == {("source.suspended", "alpha-1")}
    async with watched(tmp_path) as plant:
        await plant.watch.look()
        assert await plant.standing() == {("source.suspended", "alpha-1")}


async def test_a_source_that_the_ledger_calls_suspended_is_an_alarm(tmp_path: Path) -> None:
    async with watched(tmp_path) as plant:
        plant.poster.note_suspended()
        await plant.watch.look()
        assert await plant.standing() == {("source.suspended", "alpha-1")}


async def test_samples_that_the_disk_was_too_slow_for_are_told(tmp_path: Path) -> None:
    async with watched(tmp_path) as plant:
        plant.unit.pipeline._queue.dropped += 2_000
        await plant.watch.look()
        assert await plant.standing() == {("samples.dropped", "")}


async def test_proved_records_that_have_no_room_are_told_before_they_go_and_when(tmp_path: Path) -> None:
    small = OutboxSettings(bytes_max=400_000)
    async with watched(tmp_path, outbox_settings=small) as plant:
        outbox, stored = plant.unit.outbox, 0
        seen: list[set[tuple[str, str]]] = []
        while not seen or ("outbox.dropped", "") not in seen[-1]:
            ours = await outbox.append(*plant.unit.key, events(stored), seal=plant.unit.pipeline.desk._seal)
            await outbox.close_entries([Closing(one.record_id, b"proof", 0) for one in ours])
            stored += len(ours)
            await plant.watch.look()
            seen.append({one for one in await plant.standing() if one[0].startswith("outbox")})
        before = seen.index({("outbox.tight", "")})
        assert set().union(*seen[:before]) == set()
        assert seen[-1] == {("outbox.tight", ""), ("outbox.dropped", "")}
        (dropped,) = [one for one in await plant.desk.wanting() if one.code == "outbox.dropped"]
        assert dropped.text.startswith(f"{(await outbox.room()).dropped_early} proved records")
        plant.unit.clock.run_to(plant.unit.clock.at_ms + 2 * HOUR_MS)
        for _ in range(2):
            await plant.watch.look()
            plant.unit.clock.run_to(plant.unit.clock.at_ms + 2 * HOUR_MS)
        assert ("outbox.dropped", "") not in await plant.standing()
        assert "outbox.dropped" in {one.code for one in await plant.desk.wanting()}, (
            "until somebody has seen it"
        )


def events(first: int) -> list[Draft]:
    return [
        Draft("event", ["alpha-1", "test", START_MS, str(n)], f"event/{n}") for n in range(first, first + 20)
    ]


async def test_alarms_about_what_is_gone_are_cleared_at_the_start_and_the_others_stay(tmp_path: Path) -> None:
    async with watched(tmp_path) as plant:
        stays = [
            Sighting("device.away", "alpha-1.flow", True),
            Sighting("source.suspended", "alpha-1", True),
            Sighting("value.stuck", "alpha-1.nox_ppb", True),
        ]
        goes = [
            Sighting("device.away", "alpha-1.old_flow", True),
            Sighting("source.suspended", "beta-1", True),
            Sighting("value.stuck", "alpha-1.so2_ppb", True),
            Sighting("line.stalled", "192.0.2.9:502", True),
            Sighting("roof.open", "", True),
        ]
        await plant.desk.look([*stays, *goes], now_ms=plant.unit.clock.now_ms())
        await plant.watch.begin()
        assert await plant.standing() == {(one.code, one.subject) for one in stays}


def test_a_folder_that_is_not_there_has_no_room_that_can_be_told(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "missing") is None
    assert (free_bytes(tmp_path) or 0) > 0


async def test_too_few_assured_hours_are_an_alarm_that_a_restart_does_not_repeat(tmp_path: Path) -> None:
    for _ in range(2):
        async with watched(tmp_path) as plant:
            await remember(plant.unit.history, 3_000)
            await plant.unit.history.put("alpha-1", missing(200), owed=False)
            await plant.unit.measure(1)
            await plant.watch.begin()
            await plant.watch.look()
            lines = {("line.stalled", line) for line in plant.lines}
            assert await plant.standing() - lines == {("availability.low", "alpha-1.95%")}
            assert len([one for one in await plant.desk.wanting() if one.code == "availability.low"]) == 1


def missing(hours: int) -> list[KnownHour]:
    """The last hours before the bench begins."""
    return [
        KnownHour(START_MS - n * HOUR_MS, 100, None, 0, False, "", quality_assured=False)
        for n in range(hours, 0, -1)
    ]


async def test_what_cannot_be_true_together_is_told_after_its_delay(tmp_path: Path) -> None:
    """A unit that counts as off and emits, then one that runs and breathes air."""
    planned = plan(oxygen=True)
    async with watched(tmp_path, planned=planned) as plant:

        async def live(minutes: int, **how: Any) -> None:
            for _ in range(minutes):
                await plant.unit.measure(1, **how)
                await plant.watch.look()

        await live(29, power_w=0, o2_percent=Decimal(6))
        assert ("value.off", "alpha-1.nox_ppb") not in await plant.standing()
        await live(2, power_w=0, o2_percent=Decimal(6))
        assert ("value.off", "alpha-1.nox_ppb") in await plant.standing()
        await live(15, o2_percent=Decimal("20.9"))
        found = await plant.standing()
        assert ("value.off", "alpha-1.nox_ppb") not in found
        assert ("value.air", "alpha-1.o2_percent") not in found
        await live(1, o2_percent=Decimal("20.9"))
        assert ("value.air", "alpha-1.o2_percent") in await plant.standing()


async def test_a_limit_and_a_calibrated_range_are_watched(tmp_path: Path) -> None:
    limit = '\n[[unit.emission_limit]]\nname = "permit"\nmg_per_m3 = 200\n'
    planned = plan(lines=limit, calibrations=calibration_text(lines="settle_s = 10"))
    async with watched(tmp_path, planned=planned) as plant:
        for flag, nox_ppm in (("zero", 0), ("span", 400)):
            await plant.unit.measure(2, nox_ppm=Decimal(nox_ppm), flags=frozenset({flag}))
        await plant.unit.measure(4)
        for _ in range(8):
            await plant.unit.measure(1, nox_ppm=Decimal(510))
            await plant.watch.look()
        found = await plant.standing()
        assert ("limit.predicted", "alpha-1.permit") in found
        assert ("value.calibration", "alpha-1.nox_ppb") in found
        await plant.watch.begin()  # They are of what is measured, so none is let go.
        assert {("limit.predicted", "alpha-1.permit"), ("value.calibration", "alpha-1.nox_ppb")} <= (
            await plant.standing()
        )


def with_a_door(folder: Path) -> PlannedUnit:
    """A unit whose analyser reads the contact of its cabinet as a discrete input."""
    shipped = read_profile_text("teledyne_t200", search_path()).text
    contact = '\n[[status]]\nflag = "door"\nfunction = "discrete"\naddress = 40\nabout = "cabinet door"\n'
    (folder / "teledyne_t200.toml").write_text(shipped + contact)
    text = settings_text(top=f'profiles = "{folder}"')
    (planned,) = plan_units(parse_settings(text, source="test"), source="test", clock=SetClock())
    return planned


def test_a_door_is_watched_where_a_map_has_its_contact(tmp_path: Path) -> None:
    planned = with_a_door(tmp_path)
    gas = ("north-1.analyser", "nox_ppb")
    assert contacts_of(planned, {}, DOOR) == {"north-1.analyser": None}
    assert contacts_of(planned, {gas: frozenset({"warning"})}, DOOR) == {"north-1.analyser": False}
    assert contacts_of(planned, {gas: frozenset({"door"})}, DOOR) == {"north-1.analyser": True}
    assert contacts_of(planned, {("north-1.flow", "flow_m3_per_h"): frozenset({"door"})}, DOOR) == {
        "north-1.analyser": None
    }


def test_an_open_door_changes_no_value() -> None:
    sample = Sample(
        device="a", at_ms=0, monotonic_ns=0, values={"nox_ppb": Decimal(5)}, flags=frozenset({"door"})
    )
    (reading,) = Assessor(AssessmentSettings()).assess(sample)
    assert (reading.quality, reading.value) == (Quality.GOOD, Decimal(5))
