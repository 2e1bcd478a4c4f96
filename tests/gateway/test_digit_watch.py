"""The last digits of a unit's values are counted over restarts, and a sign is signed once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from doxedge.gateway.alarm_desk import AlarmDesk
from doxedge.gateway.digit_watch import KEEP_EVERY_MS, DigitWatch
from doxedge.measurement.alarms import Sighting
from doxedge.measurement.digit_grid import LEARN
from doxedge.measurement.digits import EVERY_MS, JUDGE_FIRST, WINDOW_MS
from doxedge.measurement.reading import Reading
from doxedge.measurement.sample import Quality, Reason
from doxedge.store.alarms import AlarmStore
from tests.gateway.unit_bench import SetClock, bench, plan

PLANNED = plan()
FILE = "alpha-1.digits.json"
SUBJECT = "alpha-1.nox_ppb"


def reading(value: Decimal | None, at_ms: int, **changed: object) -> Reading:
    quality = Quality.BAD if value is None else Quality.GOOD
    made = Reading("alpha-1.analyser", "nox_ppb", at_ms, value, quality, Reason.NONE)
    return replace(made, **changed)  # type: ignore[arg-type]


def measured(count: int, *, seed: int = 1) -> Iterator[Decimal]:
    """Tenths of a ppb between 100 and 200 ppm."""
    chance = random.Random(seed)
    return (Decimal(chance.randrange(1_000_000, 2_000_000)) / 10 for _ in range(count))


def made_up(count: int) -> Iterator[Decimal]:
    """Whole ppm, all different, on the steps that were learned."""
    return (Decimal(100_000 + 1_000 * n) for n in range(count))


def show(watch: DigitWatch, values: Iterator[Decimal], *, at_ms: int, running: bool = True) -> list[Sighting]:
    """The last sightings when these were seen one each quarter of an hour."""
    seen: list[Sighting] = []
    for n, value in enumerate(values):
        latest = {"nox_ppb": reading(value, at_ms + n * EVERY_MS)}
        seen = list(watch.look(PLANNED, latest, running=running))
    return seen


def watch_over(folder: Path, clock: SetClock | None = None) -> DigitWatch:
    return DigitWatch(folder, now_ms=(clock or SetClock()).now_ms)


def test_made_up_digits_are_seen_and_a_restart_in_between_forgets_nothing(tmp_path: Path) -> None:
    watch = watch_over(tmp_path)
    learned = show(watch, measured(3 * LEARN), at_ms=0)
    assert learned == [Sighting("value.digits", SUBJECT, None, learned[0].text)]
    assert show(watch, made_up(JUDGE_FIRST // 2), at_ms=WINDOW_MS)[0].holds is False
    watch.keep()
    again = watch_over(tmp_path)
    values = list(made_up(JUDGE_FIRST))[JUDGE_FIRST // 2 :]
    (sign,) = show(again, iter(values), at_ms=WINDOW_MS + JUDGE_FIRST * EVERY_MS)
    assert sign.holds is True
    assert sign.text.startswith("of 50 different values the last digits 0 to 9 come ")


def test_a_unit_that_stands_still_and_a_bad_or_configured_value_are_not_counted(tmp_path: Path) -> None:
    watch = watch_over(tmp_path)
    show(watch, measured(3 * LEARN), at_ms=0, running=False)
    for n, value in enumerate(measured(3 * LEARN)):
        for one in (
            reading(value, n * EVERY_MS, quality=Quality.BAD, reason=Reason.STUCK),
            reading(value, n * EVERY_MS, quality=Quality.UNCERTAIN, reason=Reason.DEFAULT),
            reading(None, n * EVERY_MS),
        ):
            list(watch.look(PLANNED, {"nox_ppb": one}, running=True))
    (sighting,) = show(watch, iter([Decimal(1)]), at_ms=0)
    assert sighting.holds is None
    watch.keep()
    assert (tmp_path / FILE).stat().st_size < 300


def test_a_load_that_people_set_is_not_watched(tmp_path: Path) -> None:
    power = Reading("alpha-1.meter", "power_w", 0, Decimal(50_000_000), Quality.GOOD, Reason.NONE)
    assert list(watch_over(tmp_path).look(PLANNED, {"power_w": power}, running=True)) == []


def test_another_register_map_is_learned_anew(tmp_path: Path) -> None:
    watch = watch_over(tmp_path)
    show(watch, measured(3 * LEARN), at_ms=0)
    assert show(watch, made_up(JUDGE_FIRST), at_ms=WINDOW_MS)[0].holds is True
    analyser, *others = PLANNED.instruments
    settling = replace(analyser.profile, settling_ms=analyser.profile.settling_ms + 1)
    changed = replace(PLANNED, instruments=(replace(analyser, profile=settling), *others))
    latest = {"nox_ppb": reading(Decimal(100_000), 2 * WINDOW_MS)}
    (sighting,) = watch.look(changed, latest, running=True)
    assert sighting.holds is None
    elsewhere = replace(changed, instruments=tuple(others))
    assert list(watch.look(elsewhere, latest, running=True)) == []
    watch.keep()
    assert (tmp_path / FILE).read_text() == "{}", "what no map reads any more takes no room"


async def test_it_is_written_every_few_hours(tmp_path: Path) -> None:
    clock = SetClock()
    watch = watch_over(tmp_path, clock)
    show(watch, measured(3), at_ms=0)
    await watch.keep_if_due()
    assert not (tmp_path / FILE).exists()
    clock.run_to(clock.at_ms + KEEP_EVERY_MS)
    await watch.keep_if_due()
    assert (tmp_path / FILE).exists()


@pytest.mark.parametrize(
    "text", ["", "[]", '{"nox_ppb": {}}', '{"nox_ppb": {"map": "00", "digits": 7}}', "\udcff"]
)
def test_a_damaged_file_is_set_aside(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_bytes(text.encode("utf-8", "surrogateescape"))
    watch = watch_over(tmp_path)
    assert show(watch, measured(1), at_ms=0)[0].holds is None
    assert (tmp_path / "alpha-1.digits.damaged").exists()


def test_a_disk_that_refuses_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watch = watch_over(tmp_path)
    show(watch, measured(3), at_ms=0)
    (tmp_path / "alpha-1.digits.new").mkdir()
    watch.keep()
    assert "are not kept" in caplog.text


async def test_the_sign_is_signed_once_and_its_end_once(tmp_path: Path) -> None:
    async with bench(tmp_path) as unit, await AlarmStore.open(tmp_path / "alarms.db", now_ms=0) as store:
        desk = AlarmDesk(store, post=lambda _, happening: unit.pipeline.desk.hand_in([happening]))
        watch = watch_over(tmp_path)

        async def show_desk(values: Iterator[Decimal], window: int) -> None:
            for n, value in enumerate(values):
                at_ms = window * WINDOW_MS + n * EVERY_MS
                latest = {"nox_ppb": reading(value, at_ms)}
                await desk.look(watch.look(unit.planned, latest, running=True), now_ms=at_ms)

        await show_desk(measured(3 * LEARN), 600)
        await show_desk(made_up(2 * JUDGE_FIRST), 601)
        await show_desk(measured(2 * JUDGE_FIRST, seed=2), 602)
        await show_desk(measured(2, seed=3), 603)
        await unit.pipeline.desk.sign()
        told = [
            (body[1], str(body[3]).partition(": ")[0]) for kind, body in await unit.said() if kind == "event"
        ]
    signs = [one for one in told if one[1].startswith("value.digits")]
    assert signs == [
        ("alarm.raised", f"value.digits {SUBJECT}"),
        ("alarm.cleared", f"value.digits {SUBJECT}"),
    ]
