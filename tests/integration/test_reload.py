"""Configurations that change while a real gateway measures a simulated plant on real sockets, in compressed time."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
from pathlib import Path

import pytest

from doxedge.cli.gateway_folder import ask
from doxedge.gateway.configuration_file import read_kept
from doxedge.quantity import HOUR_MS
from tests.gateway.calibrations import calibration_text
from tests.gateway.memory_ledger import UNIT, MemoryLedger
from tests.gateway.waiting import until
from tests.integration.reload_bench import PATIENCE_S, ReloadBench, reload_bench, stored
from tests.integration.simulated_site import SimulatedSite, simulated_site
from tests.integration.test_gateway import assert_true

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def twice_the_flow(site: SimulatedSite) -> str:
    """The loop's full scale said to be twice what it is: every mass is doubled."""
    flow_high = float(site.ready["flow"]["settings"]["flow_high"])
    return f'[[unit.instrument]]\nname = "flow"\nsettings = {{ flow_high = "{2 * flow_high:.0f}" }}\n'


async def until_plant(site: SimulatedSite, at_ms: int) -> None:
    await until(lambda: site.clock.now_ms() >= at_ms, within_s=PATIENCE_S, what="plant time")


async def test_a_reload_under_load_loses_no_sample_and_takes_over_at_the_border(tmp_path: Path) -> None:
    ledger = MemoryLedger.begin()
    polled: dict[str, int] = {}
    async with simulated_site() as site:
        async with reload_bench(site, tmp_path, ledger) as bench:
            old = bench.gateway.measuring.plan.units[0]
            begin = [bench.line_of(f"{UNIT}.{name}") for name in ("analyser", "meter", "flow")]
            before = await bench.whole_hour(site.whole_hour_ms())
            bench.drop_in(twice_the_flow(site))
            answer = await bench.reload()
            assert answer["ok"], answer
            assert answer["reload"]["result"] == "accepted"
            border_ms = answer["reload"]["from_ms"]
            assert border_ms % HOUR_MS == 0
            assert bench.gateway.measuring.plan.units[0] is old
            status = (await asyncio.to_thread(ask, bench.folder / "state" / "gateway", {"ask": "status"}))[
                "status"
            ]
            assert status["change_ms"] in (border_ms, None if status["at_ms"] >= border_ms else border_ms)
            after = await bench.whole_hour(border_ms)
            new = bench.gateway.measuring.plan.units[0]
            # The lines on which nothing changed are the same, and have never stopped.
            assert bench.line_of(f"{UNIT}.analyser") is begin[0]
            assert bench.line_of(f"{UNIT}.meter") is begin[1]
            assert bench.line_of(f"{UNIT}.flow") is not begin[2]
            await until(lambda: len(bench.told("profile.changed")) > 0, within_s=PATIENCE_S, what="event")
            lines = [*begin, bench.line_of(f"{UNIT}.flow")]
        for line in lines:
            for device, counters in line.counters.items():
                polled[device] = polled.get(device, 0) + counters.polls
        assert_true(site, before)
        assert_true(site, after, factor=2)
        for start_ms, body in bench.hours().items():
            is_new = start_ms >= border_ms
            assert body[12] == (new if is_new else old).profile_hash, start_ms
            assert body[13] == old.rules_hash
    (text,) = bench.told("profile.changed")
    hashes = f"{old.profile_hash.hex()} was replaced by {new.profile_hash.hex()}"
    assert text == f"{hashes}; approved by A. Person ({user()}): the loop was set anew"
    assert bench.told("rules.changed") == []
    kept = await stored(tmp_path)
    assert max(count for device in kept.values() for count in device.values()) == 1
    for name in ("analyser", "meter"):
        assert len(kept[f"{UNIT}.{name}"]) == polled[f"{UNIT}.{name}"]
    # What the old settings read beyond the border is left out, at most the one poll that was under way.
    assert 0 <= polled[f"{UNIT}.flow"] - len(kept[f"{UNIT}.flow"]) <= 1
    records = ledger.final_records()
    assert [seq for seq, _, _ in records] == list(range(1, len(records) + 1))


def user() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


async def test_a_wrong_configuration_changes_nothing_and_is_an_alarm_until_it_is_right(
    tmp_path: Path,
) -> None:
    ledger = MemoryLedger.begin()

    async def alarms(bench: ReloadBench) -> set[str]:
        answer = await asyncio.to_thread(ask, tmp_path / "state" / "gateway", {"ask": "status"})
        return {alarm["code"] for alarm in answer["status"]["alarms"]}

    async with simulated_site() as site, reload_bench(site, tmp_path, ledger) as bench:
        plan, lines = bench.gateway.measuring.plan, bench.lines()
        bench.drop_in('[[unit.instrument]]\nname = "flow"\nport = 0\n')
        answer = await bench.reload()
        assert (answer["ok"], answer["code"]) == (False, "configuration")
        assert "10-change.toml: unit[0].instrument[0].port" in answer["reason"]
        while "configuration.refused" not in await alarms(bench):
            pass
        bench.drop_in('state_dir = "/elsewhere"\n')
        answer = await bench.reload()
        assert "state_dir: that cannot change while the gateway runs; restart it" in answer["reason"]
        bench.drop_in(f'[[unit]]\nname = "{UNIT}"\nsource = "{"ab" * 16}"\n')
        answer = await bench.reload()
        assert f"unit[0].source: of unit {UNIT}: that cannot change" in answer["reason"]
        assert bench.gateway.measuring.plan is plan
        assert bench.lines() == lines
        bench.drop_in("")
        answer = await bench.reload()
        assert answer["reload"]["result"] == "unchanged"
        while "configuration.refused" in await alarms(bench):
            pass
        answer = await bench.reload(name=" ")
        assert answer["code"] == "bad_question"


async def test_signals_are_taken_together_and_leave_the_name_of_who_approved(tmp_path: Path) -> None:
    ledger = MemoryLedger.begin()
    async with simulated_site() as site, reload_bench(site, tmp_path, ledger) as bench:
        bench.drop_in(twice_the_flow(site))
        answer = await bench.reload()
        before = bench.reads
        for _ in range(1_000):
            bench.gateway.hang_up()
        await until(lambda: bench.reads > before, within_s=PATIENCE_S, what="the signals are followed")
        await bench.whole_hour(answer["reload"]["from_ms"])
        assert bench.reads == before + 1
        (text,) = bench.told("profile.changed")
        assert "approved by A. Person" in text


@pytest.mark.soak
async def test_where_an_instrument_is_changes_at_once_and_no_hour_says_so(tmp_path: Path) -> None:
    ledger = MemoryLedger.begin()
    async with simulated_site() as site, reload_bench(site, tmp_path, ledger) as bench:
        line, plan = bench.line_of(f"{UNIT}.meter"), bench.gateway.measuring.plan
        states = bench.gateway.measuring.device_states
        await until(lambda: f"{UNIT}.meter" in states, within_s=PATIENCE_S, what="the meter answers")
        bench.drop_in('group_commit_ms = 100\n[[unit]]\nname = "alpha-1"\n[[unit.instrument]]\nname = "meter"\n'
                      'host = "localhost"\n')  # fmt: skip
        answer = await bench.reload()
        assert answer["reload"]["result"] == "in_force", answer
        assert answer["reload"]["units"] == []
        moved = bench.line_of(f"{UNIT}.meter")
        assert moved is not line
        assert moved.name.startswith("localhost:")
        assert bench.gateway.measuring.plan is not plan
        body = await bench.whole_hour(site.whole_hour_ms())
        assert body[12] == plan.units[0].profile_hash
        assert_true(site, body)
        assert bench.told("profile.changed") == []


@pytest.mark.soak
async def test_a_change_that_is_put_back_does_not_come(tmp_path: Path) -> None:
    ledger = MemoryLedger.begin()
    async with simulated_site() as site, reload_bench(site, tmp_path, ledger) as bench:
        lines = bench.lines()
        bench.drop_in(twice_the_flow(site))
        border_ms = (await bench.reload())["reload"]["from_ms"]
        bench.drop_in("")
        answer = await bench.reload()
        assert answer["reload"]["result"] in ("withdrawn", "accepted")
        if answer["reload"]["result"] == "accepted":
            pytest.skip("this machine was so slow that the border came between the two")
        kept = read_kept(tmp_path / "state" / "gateway" / "configuration.json")
        assert kept is not None
        assert kept.accepted is None
        body = await bench.whole_hour(border_ms)
        assert bench.lines() == lines
        assert_true(site, body)


@pytest.mark.parametrize("after_border", [False, True], ids=["before the border", "in the grace time"])
async def test_a_restart_between_acceptance_and_the_end_of_the_grace_time(
    tmp_path: Path, after_border: bool
) -> None:
    ledger = MemoryLedger.begin()
    async with simulated_site() as site:
        async with reload_bench(site, tmp_path, ledger) as bench:
            old = bench.gateway.measuring.plan.units[0]
            await bench.whole_hour(site.whole_hour_ms())
            bench.drop_in(twice_the_flow(site))
            border_ms = (await bench.reload())["reload"]["from_ms"]
            if after_border:
                await until_plant(site, border_ms + 20_000)
        async with reload_bench(site, tmp_path, ledger) as bench:
            await bench.whole_hour(border_ms)
            await until(
                lambda: bench.gateway.measuring.plan.units[0].profile_hash != old.profile_hash,
                within_s=PATIENCE_S, what="the change has come",
            )  # fmt: skip
            new = bench.gateway.measuring.plan.units[0]
            for start_ms, body in bench.hours().items():
                assert body[12] == (new if start_ms >= border_ms else old).profile_hash, start_ms
            (text,) = bench.told("profile.changed")
            assert "approved by A. Person" in text


async def test_units_come_and_go_and_what_a_gone_one_signed_is_posted(tmp_path: Path) -> None:
    """The unit is taken out by a main file without it; another takes its instruments."""
    ledger = MemoryLedger.begin()
    async with simulated_site() as site, reload_bench(site, tmp_path, ledger) as bench:
        await bench.whole_hour(site.whole_hour_ms())
        path = tmp_path / "gateway.toml"
        text = path.read_text()
        renamed = text.replace(f'name = "{UNIT}"', 'name = "alpha-9"').replace(ledger.source.hex(), "5a" * 16)
        path.write_text(renamed)
        answer = await bench.reload()
        assert {(one["unit"], one["change"]) for one in answer["reload"]["units"]} == {
            (UNIT, "removed"), ("alpha-9", "added"),
        }  # fmt: skip
        border_ms = answer["reload"]["from_ms"]
        await until(
            lambda: UNIT not in bench.gateway.measuring.pipelines, within_s=PATIENCE_S, what="it is gone"
        )
        assert set(bench.gateway.measuring.posters) == {"alpha-9"}
        assert set(bench.gateway.measuring.clerks) == {"alpha-9"}
        stated = [*bench.hours(), *(int(str(gap[1])) for gap in ledger.final_bodies("gap"))]
        assert max(stated) == border_ms - HOUR_MS
        (said,) = bench.told("measuring.ended")
        assert "approved by A. Person" in said
        states = bench.gateway.measuring.device_states
        await until(lambda: len(states) >= 3, within_s=PATIENCE_S, what="the new unit is polled")
        assert {device.partition(".")[0] for device in states} == {"alpha-9"}
        memory = json.loads((tmp_path / "state" / "gateway" / "alpha-9.memory.json").read_text())
        assert memory["carry"]["next_start_ms"] >= border_ms


@pytest.mark.soak
async def test_checks_with_gas_begin_with_the_hour_that_names_them(tmp_path: Path) -> None:
    """A monitor without a check that passed has no value: hours before the border have a mass, those after it none."""
    ledger = MemoryLedger.begin()
    async with simulated_site() as site, reload_bench(site, tmp_path, ledger) as bench:
        await bench.whole_hour(site.whole_hour_ms())
        assert bench.gateway.measuring.quality.desks == {}
        checks = calibration_text(lines="settle_s = 120\nread_s = 60")
        bench.drop_in(f'[[unit]]\nname = "{UNIT}"\n{checks}')
        answer = await bench.reload()
        assert answer["ok"], answer
        border_ms = answer["reload"]["from_ms"]

        def gaps() -> dict[int, str]:
            return {int(str(body[1])): str(body[3]) for body in ledger.final_bodies("gap")}

        await until(lambda: any(start >= border_ms for start in gaps()), within_s=PATIENCE_S, what="a gap")
        assert set(bench.gateway.measuring.quality.desks) == {UNIT}
        assert gaps()[border_ms].startswith("too_few_points:nox_ppb:out_of_control")
        assert max(bench.hours()) < border_ms
        (told,) = bench.told("rules.changed")
        assert "approved by A. Person" in told
        bench.drop_in("")
        border_ms = (await bench.reload())["reload"]["from_ms"]
        body = await bench.whole_hour(border_ms)
        assert_true(site, body)
        assert bench.gateway.measuring.quality.desks == {}
