"""What a start measures by, for everything that the run before may have left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from doxedge.gateway.configuration_file import (
    Approval,
    Configuration,
    Kept,
    configuration_of,
    read_kept,
    write_kept,
)
from doxedge.gateway.plan import Plan, make_plan
from doxedge.gateway.settings import load_settings, parse_settings
from doxedge.gateway.start import begin
from doxedge.quantity import HOUR_MS
from tests.gateway.plant_settings import settings_text
from tests.gateway.unit_bench import SetClock
from tests.ledger.channels import START_MS

WHO = Approval("A. Person", "another coverage", "root")
NOW_MS = START_MS + 10 * HOUR_MS + 20 * 60_000
BORDER_MS = START_MS + 11 * HOUR_MS


def plan(unit: str = "", *, host: str = "127.0.0.1") -> Plan:
    text = settings_text(unit=unit).replace("127.0.0.1", host)
    return make_plan(parse_settings(text, source="g.toml"), source="g.toml", clock=SetClock())


def kept_as(one: Plan, from_ms: int = START_MS) -> Configuration:
    return configuration_of(one, from_ms=from_ms, approval=WHO)


def at(at_ms: int) -> SetClock:
    return SetClock(at_ms=at_ms)


OLD, NEW, OTHER = plan(), plan("coverage_percent = 80"), plan("coverage_percent = 90")


def rules(one: Plan | None) -> bytes | None:
    return None if one is None else one.units[0].rules_hash


def test_the_first_start_takes_the_files() -> None:
    start = begin(None, OLD, clock=at(NOW_MS))
    assert (start.plan, start.before, start.coming) == (OLD, None, None)
    assert start.kept.in_force.makes(OLD)


def test_a_restart_goes_on_and_closes_what_an_earlier_one_measured() -> None:
    kept = Kept(kept_as(NEW, NOW_MS - 60_000), before=kept_as(OLD))
    start = begin(kept, NEW, clock=at(NOW_MS))
    assert (start.plan, rules(start.before), start.coming) == (NEW, rules(OLD), None)
    assert start.kept == kept


def test_a_change_that_is_to_come_comes_after_a_restart_too() -> None:
    kept = Kept(kept_as(OLD), accepted=kept_as(NEW, BORDER_MS))
    start = begin(kept, NEW, clock=at(NOW_MS))
    assert rules(start.plan) == rules(OLD)
    assert start.coming is not None
    assert (start.coming.plan, start.coming.from_ms, start.coming.approval) == (NEW, BORDER_MS, WHO)
    assert start.kept == kept


def test_after_its_border_it_is_in_force_and_the_hours_before_are_the_old_ones() -> None:
    kept = Kept(kept_as(OLD), accepted=kept_as(NEW, BORDER_MS))
    start = begin(kept, NEW, clock=at(BORDER_MS))
    assert (start.plan, rules(start.before), start.coming) == (NEW, rules(OLD), None)
    assert start.kept.in_force == kept.accepted
    assert (start.kept.before, start.kept.accepted) == (kept.in_force, None)


def test_a_change_that_was_put_back_before_the_restart_does_not_come() -> None:
    kept = Kept(kept_as(OLD), accepted=kept_as(NEW, BORDER_MS))
    start = begin(kept, OLD, clock=at(NOW_MS))
    assert (start.plan, start.coming, start.kept.accepted) == (OLD, None, None)


@pytest.mark.parametrize("accepted", [None, kept_as(NEW, BORDER_MS)])
def test_what_nobody_accepted_counts_from_the_hour_that_runs(accepted: Configuration | None) -> None:
    start = begin(Kept(kept_as(OLD), accepted=accepted), OTHER, clock=at(NOW_MS))
    assert (start.plan, rules(start.before), start.coming) == (OTHER, rules(OLD), None)
    assert start.kept.in_force.from_ms == NOW_MS // HOUR_MS * HOUR_MS
    assert start.kept.in_force.approval.words == "; nobody gave a name (found at a restart)"


def test_of_two_restarts_within_an_hour_the_first_made_no_hour() -> None:
    first = begin(Kept(kept_as(OLD)), OTHER, clock=at(NOW_MS))
    second = begin(first.kept, NEW, clock=at(NOW_MS + 60_000))
    assert (second.plan, rules(second.before)) == (NEW, rules(OLD))


def test_another_address_is_no_other_configuration() -> None:
    moved = plan(host="192.0.2.9")
    start = begin(Kept(kept_as(OLD)), moved, clock=at(NOW_MS))
    assert start.plan is moved
    assert start.kept.in_force.settings == moved.settings
    assert start.kept.in_force.from_ms == START_MS


def test_register_maps_that_have_changed_cannot_make_the_hours_of_their_time() -> None:
    """The old configuration is known, and what it would make now is another."""
    gone = replace(kept_as(OLD), hashes={"north-1": ("00" * 32, "11" * 32)})
    start = begin(Kept(gone, accepted=kept_as(NEW, BORDER_MS)), NEW, clock=at(NOW_MS))
    assert (start.plan, start.before, start.coming) == (NEW, None, None)
    assert start.kept.in_force.approval == WHO


def test_the_file_keeps_everything(tmp_path: Path) -> None:
    path = tmp_path / "configuration.json"
    assert read_kept(path) is None
    for kept in (
        Kept(kept_as(OLD)),
        Kept(kept_as(NEW), before=kept_as(OLD), accepted=kept_as(OTHER, BORDER_MS)),
    ):
        write_kept(path, kept)
        again = read_kept(path)
        assert again == kept
        assert again.in_force.makes(make_plan(again.in_force.settings, source="", clock=SetClock()))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"in_force": 3}', '{"in_force": {"settings": {}}}'])
def test_a_damaged_file_is_set_aside(tmp_path: Path, text: str) -> None:
    path = tmp_path / "configuration.json"
    path.write_text(text)
    assert read_kept(path) is None
    assert not path.exists()
    assert path.with_suffix(".damaged").read_text() == text


def test_every_key_that_there_is_comes_back_from_the_file(tmp_path: Path) -> None:
    """The example has them all: numbers, words, dates, times, tables."""
    settings = load_settings(Path(__file__).parents[2] / "firmware_configs" / "gateway.toml")
    whole = make_plan(settings, source="", clock=SetClock())
    path = tmp_path / "configuration.json"
    write_kept(path, Kept(kept_as(whole)))
    again = read_kept(path)
    assert again is not None
    assert again.in_force.settings == settings
    assert again.in_force.makes(make_plan(again.in_force.settings, source="", clock=SetClock()))
