"""Alarms are kept, told and signed exactly once per outage: over restarts, on a full disk, and after a power cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from doxedge.gateway.alarm_desk import HAND_IN_AGAIN_MS, AlarmDesk
from doxedge.gateway.alarm_rules import STEADY_MS
from doxedge.gateway.record_desk import Happening
from doxedge.measurement.alarms import Acknowledgement, Sighting
from doxedge.quantity import HOUR_MS, MINUTE_MS
from doxedge.store.alarms import AlarmStore
from doxedge.store.errors import Kind, StoreError
from tests.gateway.unit_bench import bench

START_MS = 1_000 * HOUR_MS
AWAY = Sighting("device.away", "alpha-1.analyser", True, "comms: no answer")
BACK = Sighting("device.away", "alpha-1.analyser", False, "none: answers")
UNKNOWN = Sighting("device.away", "alpha-1.analyser", None)


class Signed(list[tuple[str, Happening]]):
    """What was handed in to be signed."""

    def post(self, subject: str, happening: Happening) -> None:
        self.append((subject, happening))

    @property
    def told(self) -> list[tuple[str, int, str]]:
        return [(happening.code, happening.at_ms, happening.key) for _, happening in self]


async def test_an_outage_is_raised_once_and_cleared_once(tmp_path: Path) -> None:
    signed = Signed()
    async with await AlarmStore.open(tmp_path / "alarms.db", now_ms=0) as store:
        desk = AlarmDesk(store, post=signed.post)
        for minute in range(30):
            sighting = AWAY if 10 <= minute < 20 else BACK
            await desk.look([sighting], now_ms=START_MS + minute * MINUTE_MS)
        raised_ms, cleared_ms = START_MS + 10 * MINUTE_MS, START_MS + 25 * MINUTE_MS
        key = f"device.away/alpha-1.analyser/{raised_ms}"
        assert signed.told == [("alarm.raised", raised_ms, key), ("alarm.cleared", cleared_ms, key)]
        assert [subject for subject, _ in signed] == ["alpha-1.analyser"] * 2
        assert signed[0][1].text == "device.away alpha-1.analyser: comms: no answer"
        (alarm,) = await desk.wanting()
        assert (alarm.raised_ms, alarm.cleared_ms) == (raised_ms, cleared_ms)


async def test_a_restart_in_an_outage_raises_nothing_and_clears_it_when_it_is_over(tmp_path: Path) -> None:
    path = tmp_path / "alarms.db"
    async with await AlarmStore.open(path, now_ms=0) as store:
        await AlarmDesk(store, post=Signed().post).look([AWAY], now_ms=START_MS)
    signed = Signed()
    async with await AlarmStore.open(path, now_ms=0) as store:
        desk = AlarmDesk(store, post=signed.post)
        await desk.restore(now_ms=START_MS + MINUTE_MS)
        signed.clear()
        for minute, sighting in enumerate([UNKNOWN, AWAY, AWAY, *[BACK] * 9], 2):
            await desk.look([sighting], now_ms=START_MS + minute * MINUTE_MS)
        key = f"device.away/alpha-1.analyser/{START_MS}"
        assert signed.told == [("alarm.cleared", START_MS + 5 * MINUTE_MS + STEADY_MS, key)]
        assert len(await desk.wanting()) == 1


async def test_what_a_power_cut_left_unsigned_is_handed_in_again_under_the_same_key(tmp_path: Path) -> None:
    path, first, second = tmp_path / "alarms.db", Signed(), Signed()
    async with await AlarmStore.open(path, now_ms=0) as store:
        desk = AlarmDesk(store, post=first.post)
        await desk.look([AWAY], now_ms=START_MS)
        await desk.look([BACK], now_ms=START_MS + MINUTE_MS)
        await desk.look([BACK], now_ms=START_MS + MINUTE_MS + STEADY_MS)
        assert len(first) == 2
        (alarm,) = await desk.wanting()
        await desk.acknowledge(alarm.number, Acknowledgement("A. Person", "seen", START_MS, "operator"))
    async with await AlarmStore.open(path, now_ms=0) as store:
        await AlarmDesk(store, post=second.post).restore(now_ms=START_MS + HOUR_MS)
        assert second == first
        second.clear()
        await AlarmDesk(store, post=second.post).restore(now_ms=START_MS + HAND_IN_AGAIN_MS + HOUR_MS)
        assert second == []


async def test_an_event_that_is_handed_in_twice_is_signed_once(tmp_path: Path) -> None:
    async with (
        bench(tmp_path) as unit,
        await AlarmStore.open(tmp_path / "alarms.db", now_ms=0) as store,
    ):

        def post(subject: str, happening: Happening) -> None:
            unit.pipeline.desk.hand_in([happening])

        await AlarmDesk(store, post=post).look([AWAY], now_ms=unit.clock.now_ms())
        await unit.pipeline.close_hours()
        for _ in range(2):
            await AlarmDesk(store, post=post).restore(now_ms=unit.clock.now_ms())
            await unit.pipeline.close_hours()
        alarms = [body for kind, body in await unit.said() if kind == "event" and body[1] == "alarm.raised"]
        assert alarms == [
            ["alpha-1", "alarm.raised", unit.clock.now_ms(), "device.away alpha-1.analyser: comms: no answer"]
        ]


async def test_an_instrument_that_comes_and_goes_is_one_outage(tmp_path: Path) -> None:
    signed = Signed()
    async with await AlarmStore.open(tmp_path / "alarms.db", now_ms=0) as store:
        desk = AlarmDesk(store, post=signed.post)
        for second in range(0, 3_600, 5):
            await desk.look([AWAY if second % 15 else BACK], now_ms=START_MS + second * 1_000)
        assert [code for code, _, _ in signed.told] == ["alarm.raised"]


async def test_an_alarm_that_is_nobody_elses_business_stays_here(tmp_path: Path) -> None:
    signed = Signed()
    async with await AlarmStore.open(tmp_path / "alarms.db", now_ms=0) as store:
        desk = AlarmDesk(store, post=signed.post)
        await desk.look([Sighting("disk.low", "", True, "3 MiB are free")], now_ms=START_MS)
        assert [alarm.code for alarm in await desk.wanting()] == ["disk.low"]
        await desk.look([Sighting("disk.low", "", False, "900 MiB are free")], now_ms=START_MS + MINUTE_MS)
        assert await desk.wanting() == [], "not latched: it is over"
        assert signed == []


async def test_conditions_do_not_disturb_each_other(tmp_path: Path) -> None:
    async with await AlarmStore.open(tmp_path / "alarms.db", now_ms=0) as store:
        desk = AlarmDesk(store, post=Signed().post)
        flow = Sighting("device.away", "alpha-1.flow", True, "comms: no answer")
        await desk.look([AWAY, flow], now_ms=START_MS)
        for minute in (1, 7):
            await desk.look([BACK, flow], now_ms=START_MS + minute * MINUTE_MS)
        standing = {alarm.subject: alarm.cleared_ms is None for alarm in await desk.wanting()}
        assert standing == {"alpha-1.analyser": False, "alpha-1.flow": True}


async def test_what_left_the_configuration_is_cleared_with_the_reason(tmp_path: Path) -> None:
    signed = Signed()
    async with await AlarmStore.open(tmp_path / "alarms.db", now_ms=0) as store:
        desk = AlarmDesk(store, post=signed.post)
        await desk.look([AWAY], now_ms=START_MS)
        await desk.retire(lambda code, subject: True, now_ms=START_MS)
        assert (await desk.wanting())[0].cleared_ms is None
        await desk.retire(lambda code, subject: False, now_ms=START_MS + HOUR_MS)
        assert (await desk.wanting())[0].cleared_ms == START_MS + HOUR_MS
        assert signed[-1][1].text.endswith("no longer in the configuration")


class FullOnce:
    """A store whose disk has no room for the next thing."""

    def __init__(self, store: AlarmStore) -> None:
        self._store = store
        self.is_full = True

    def __getattr__(self, name: str) -> object:
        if self.is_full and name in ("raise_alarm", "clear_alarm"):
            raise StoreError(Kind.FULL, Path("alarms.db"), "no room")
        return getattr(self._store, name)


async def test_a_full_disk_delays_an_alarm_and_loses_none(tmp_path: Path) -> None:
    signed = Signed()
    async with await AlarmStore.open(tmp_path / "alarms.db", now_ms=0) as store:
        full = FullOnce(store)
        desk = AlarmDesk(full, post=signed.post)  # type: ignore[arg-type]
        await desk.look([AWAY], now_ms=START_MS)
        assert signed == []
        full.is_full = False
        await desk.look([AWAY], now_ms=START_MS + MINUTE_MS)
        full.is_full = True
        for minute in range(2, 9):
            await desk.look([BACK], now_ms=START_MS + minute * MINUTE_MS)
        assert len(signed) == 1
        full.is_full = False
        await desk.look([BACK], now_ms=START_MS + 9 * MINUTE_MS)
        assert [code for code, _, _ in signed.told] == ["alarm.raised", "alarm.cleared"]


async def test_a_disk_that_fails_stops_the_gateway(tmp_path: Path) -> None:
    store = await AlarmStore.open(tmp_path / "alarms.db", now_ms=0)
    desk = AlarmDesk(store, post=Signed().post)
    await store.close()
    with pytest.raises(StoreError):
        await desk.look([AWAY], now_ms=START_MS)
