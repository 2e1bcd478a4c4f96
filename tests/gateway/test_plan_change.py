"""What differs between two configurations, and what cannot differ while the gateway runs."""

from __future__ import annotations

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.fieldbus.clock import RealClock
from doxedge.gateway.plan import Plan, make_plan
from doxedge.gateway.plan_change import compare, require_changeable
from doxedge.gateway.settings import parse_settings
from tests.gateway.plant_settings import settings_text

DEVICES = {f"north-1.{name}" for name in ("analyser", "flow", "meter", "moisture")}


def plan(text: str = settings_text()) -> Plan:
    return make_plan(parse_settings(text, source="g.toml"), source="g.toml", clock=RealClock())


def test_two_readings_of_one_file_are_one_plan() -> None:
    change = compare(plan(), plan())
    assert change.is_nothing
    assert change.kept == DEVICES


@pytest.mark.parametrize(
    ("text", "kind", "kept", "lines"),
    [
        (settings_text(unit="coverage_percent = 80"), "changed", DEVICES, 0),
        (settings_text(unit="grace_ms = 5"), "changed", DEVICES, 0),
        (settings_text().replace("576300", "576301"), "changed", DEVICES - {"north-1.flow"}, 1),
        (settings_text().replace("= 12 }", "= 13 }"), "changed", DEVICES - {"north-1.moisture"}, 1),
        (settings_text().replace("5021", "5022"), None, DEVICES - {"north-1.flow"}, 2),
        (settings_text().replace('"127.0.0.1"\nport = 5022', '"127.0.0.2"\nport = 5022'), None,
         DEVICES - {"north-1.meter"}, 1),
        (settings_text(top="group_commit_ms = 5"), None, DEVICES, 0),
    ],
)  # fmt: skip
def test_each_change_touches_what_it_must(text: str, kind: str | None, kept: set[str], lines: int) -> None:
    """A line is touched when one of its devices is; a unit when its hours would be made otherwise."""
    change = compare(plan(), plan(text))
    assert not change.is_nothing
    assert [one.kind for one in change.units] == ([] if kind is None else [kind])
    assert change.touches_hours == (kind is not None)
    assert change.kept == kept
    assert len(change.ended) == lines


def test_units_that_come_and_go() -> None:
    one, two = settings_text(), settings_text(units={"north-1": "", "south-1": ""}).replace("5020", "5025")
    change = compare(plan(one), plan(two))
    assert [(unit.unit, unit.kind) for unit in change.units] == [("south-1", "added")]
    back = compare(plan(two), plan(one))
    assert [(unit.unit, unit.kind) for unit in back.units] == [("south-1", "removed")]
    told = back.units[0].as_dict()
    assert told["profile_hash"] == [plan(two).units[1].profile_hash.hex(), None]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (settings_text(state_dir="/elsewhere"), "state_dir: "),
        (settings_text(key="file:///other.pem"), "key: "),
        (settings_text(node="unix:/other.sock"), "node: "),
        (settings_text(top="[outbox]\nbudget_mb = 512\n"), "outbox: "),
        (settings_text().replace("ab" * 32, "cd" * 32), "unit[0].channel: of unit north-1: "),
        (settings_text().replace("cd" * 16, "ab" * 16), "unit[0].source: of unit north-1: "),
    ],
)
def test_what_a_process_hangs_on_does_not_change_while_it_runs(text: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        require_changeable(plan(), plan(text), source="new")
    assert str(caught.value) == f"new: {named}that cannot change while the gateway runs; restart it"


def test_everything_else_may() -> None:
    require_changeable(plan(), plan(settings_text(units={"south-1": "grace_ms = 3"})), source="new")
