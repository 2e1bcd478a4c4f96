"""What a configuration of units on one stack plans, and what it must not say."""

from __future__ import annotations

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.evidence.commission_file import Head
from doxedge.gateway.commission_plan import map_texts, plan_of, settings_bytes
from doxedge.gateway.commission_words import chain_text
from doxedge.gateway.plan_change import compare, require_changeable
from doxedge.gateway.plant import describe
from tests.gateway.plant_settings import unit_text
from tests.gateway.stack_bench import CHANNEL, METER, OWNER, SHARER, SHARES, shared_plan, sharer_text


def test_both_units_measure_the_same_stack_by_the_same_rules() -> None:
    alpha, beta = shared_plan().units
    assert (alpha.profile_hash, alpha.rules_hash) == (beta.profile_hash, beta.rules_hash)
    assert sorted(alpha.sampled) == sorted(beta.sampled)
    assert (alpha.devices, beta.devices) == (
        tuple(f"{OWNER}.{name}" for name in ("analyser", "flow", "meter", "moisture")),
        (f"{SHARER}.meter",),
    )
    assert alpha.hour.devices == beta.hour.devices
    assert alpha.hour.devices[f"{SHARER}.power_w"] == f"{SHARER}.meter"
    assert beta.hour.energy is not None
    assert beta.hour.energy.quantity == f"{SHARER}.energy_wh"
    said = "\n".join(describe((beta,)))
    assert f"divided hour by hour by load: {OWNER} (power_w), {SHARER} ({SHARER}.power_w)" in said
    assert f"its stack is measured by the instruments of {OWNER}" in said
    assert "is measured by the instruments of" not in "\n".join(describe((alpha,)))
    chain = "\n".join(chain_text(beta.hour.emission, units=(OWNER, SHARER)))
    assert f"For each unit on it, U = {OWNER}, {SHARER}:" in chain


def test_a_commissioning_file_of_either_unit_plans_the_whole_stack() -> None:
    plan = shared_plan()
    for unit in plan.units:
        head = Head(
            CHANNEL,
            bytes.fromhex(unit.table.source),
            "gw",
            unit.table.name,
            unit.profile_hash,
            unit.rules_hash,
            1,
            settings_bytes(plan.settings),
            map_texts(plan.settings),
        )
        again = plan_of(head)
        assert (again.profile_hash, again.rules_hash) == (unit.profile_hash, unit.rules_hash)
        assert (again.hour, again.sampled) == (unit.hour, unit.sampled)


def test_what_one_unit_says_changes_the_hashes_of_both() -> None:
    before = shared_plan()
    for other in (
        shared_plan(sharer=sharer_text(instruments=METER.replace("30000", "15000"))),
        shared_plan("coverage_percent = 80"),
        shared_plan(sharer=sharer_text(f"{SHARES}\n[unit.energy]\nmax_power_w = 50_000_000")),
        shared_plan(sharer=sharer_text(name="gamma-1")),
    ):
        changed = {(unit.profile_hash, unit.rules_hash) for unit in other.units}
        assert len(changed) == 1
        assert changed != {(unit.profile_hash, unit.rules_hash) for unit in before.units}


def test_a_stack_of_ones_own_has_the_hash_that_it_always_had() -> None:
    alone = shared_plan(sharer=unit_text(SHARER, source="d7" * 16, analyser=5040, flow=5041, meter=5042))
    assert alone.units[0].rules_hash != shared_plan().units[0].rules_hash
    assert alone.units[0].hour.shared is None
    assert alone.units[0].others == ()


def test_limits_of_the_second_unit_are_of_its_own_values() -> None:
    _, beta = shared_plan(sharer=sharer_text(f"{SHARES}\n[unit.limits.power_w]\nstuck_minutes = 7")).units
    assert beta.assessment.limits[f"{SHARER}.power_w"].stuck_ms == 7 * 60_000
    assert beta.assessment.limits["power_w"].stuck_ms != 7 * 60_000


def test_substitutes_are_by_the_owners_table_and_the_load_of_all() -> None:
    rules = '[unit.energy]\nmax_power_w = 60_000_000\n[unit.missing_data]\nrules = "part75"\nmaximum_g_per_h = 50_000'
    plan = shared_plan(rules, sharer_text(f"{SHARES}\n[unit.energy]\nmax_power_w = 40_000_000"))
    assert [unit.missing_data.rules.max_load for unit in plan.units] == [100_000_000] * 2
    assert [unit.missing_data.substitutes for unit in plan.units] == [True, True]
    assert shared_plan(rules).units[0].missing_data.rules.by_load is False


POWERLESS = """
[[unit.instrument]]
name = "moisture"
profile = "configured_moisture"
settings = { moisture_percent = 12 }
"""
SPARE = METER.replace('"meter"', '"spare"').replace("5032", "5033") + 'backup_of = "meter"\n'
CALIBRATION = """
[[unit.calibration]]
quantity = "power_w"
span = 100
zero = { reference = 0, bottle = "1", vendor = "v", expires = 2031-01-01 }
upscale = { reference = 80, bottle = "2", vendor = "v", expires = 2031-01-01 }
"""
NEITHER = 'profile = "janitza_umg"\n'


@pytest.mark.parametrize(
    ("owner", "sharer", "path", "message"),
    [
        pytest.param(
            "", sharer_text('shares_stack_of = "gamma-1"'), "unit[1].shares_stack_of",
            "there is no unit gamma-1 in this gateway; there are: alpha-1. If another gateway measures it, bring the "
            "instruments of the stack and this unit's load meter to one of the two", id="a unit of another gateway",
        ),
        pytest.param(
            "", sharer_text(f'shares_stack_of = "{SHARER}"'), "unit[1].shares_stack_of",
            "a unit does not share its own stack", id="itself",
        ),
        pytest.param(
            f'shares_stack_of = "{SHARER}"', None, "unit[0].shares_stack_of",
            "beta-1 shares the stack of alpha-1 itself, and a stack has one owner: name that", id="two owners",
        ),
        pytest.param(
            "", sharer_text() + sharer_text(), "unit", "two units have the same name", id="listed twice",
        ),
        pytest.param(
            "", sharer_text(channel=b"d" * 32), "unit[1].shares_stack_of", "alpha-1 is of another channel",
            id="another channel",
        ),
        pytest.param(
            "", sharer_text(f'{SHARES}\nrule_set = "eu"'), "unit[1].rule_set",
            "the stack is that of alpha-1, and its rule_set holds for all units on it", id="another rule set",
        ),
        pytest.param(
            "", sharer_text(f"{SHARES}\ngrace_ms = 1_000"), "unit[1].grace_ms", "leave it out here", id="another grace",
        ),
        pytest.param(
            "", sharer_text(instruments=METER + CALIBRATION), "unit[1].calibration", "leave it out here",
            id="a calibration",
        ),
        pytest.param(
            "", sharer_text(f'{SHARES}\n[unit.missing_data]\nrules = "part75"\nmaximum_g_per_h = 5'),
            "unit[1].missing_data", "leave it out here", id="its own substitutes",
        ),
        pytest.param(
            "", sharer_text(instruments=POWERLESS), "unit[1].instrument",
            "nothing delivers power_w, the load by which the mass of the stack is divided; give beta-1 its own meter",
            id="no load meter",
        ),
        pytest.param(
            "", sharer_text(f'{SHARES}\n[unit.operating]\nquantity = "flame"\non_above = 1\noff_below = 1').replace(
                "[unit.operating]\non_above = 1_000_000\noff_below = 500_000\n", ""
            ),
            "unit[1].instrument", "nothing delivers flame, its operating signal", id="no operating signal",
        ),
        pytest.param(
            "", sharer_text().replace("[unit.operating]\non_above = 1_000_000\noff_below = 500_000\n", ""),
            "unit[1].operating", "a unit on a shared stack needs its operating signal", id="it always runs",
        ),
        pytest.param(
            "", sharer_text().replace("on_above = 1_000_000", "on_above = 1_000"), "unit[1].operating",
            "off_below 500000 must not lie above on_above 1000", id="thresholds",
        ),
        pytest.param(
            "", sharer_text().replace("off_below = 500_000", "off_below = 500_000\nhold_ms = 12_000"),
            "unit[1].operating.hold_ms", "at least 60000", id="a signal that lapses between polls",
        ),
        pytest.param(
            "", sharer_text(instruments=METER + SPARE), "unit[1].instrument", "power_w has no backup",
            id="a spare meter",
        ),
        pytest.param(
            "", sharer_text(f"{SHARES}\n[unit.limits.nox_ppb]\nstuck_minutes = 7"), "unit[1].limits",
            "nox_ppb: no instrument of this unit delivers it", id="limits of what is not its own",
        ),
        pytest.param(
            'stacks = ["east", "west"]', None, "unit[1].shares_stack_of", "alpha-1 has several `stacks`",
            id="several stacks",
        ),
        pytest.param(
            "", sharer_text(name="backup"), "unit[1].name", "is not called backup", id="a name that is taken",
        ),
        pytest.param(
            "", "".join(sharer_text(name=f"beta-{n}") for n in range(8)), "unit[0]",
            "9 units share its stack; a stack is divided among 8 at most", id="too many",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_table_and_key(
    owner: str, sharer: str | None, path: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        shared_plan(owner, sharer)
    assert message in str(caught.value)
    assert caught.value.path == path


def test_who_shares_a_stack_does_not_change_while_the_gateway_runs() -> None:
    alone = unit_text(SHARER, channel=CHANNEL.hex(), source="74" * 16, analyser=5040, flow=5041, meter=5032)
    before, after = shared_plan(), shared_plan(sharer=alone)
    for old, new in ((before, after), (after, before)):
        with pytest.raises(
            ConfigError, match="which units share the stack of alpha-1: that cannot change while"
        ):
            require_changeable(old, new, source="file")
    other = shared_plan("coverage_percent = 80")
    require_changeable(before, other, source="file")
    assert {one.unit for one in compare(before, other).units} == {OWNER, SHARER}, (
        "the setup of both is another"
    )
