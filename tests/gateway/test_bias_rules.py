"""The bias factor of a unit, from its table to the signed hour; and what is never done to a mass."""

from __future__ import annotations

import ast
import datetime as dt
from pathlib import Path

import pytest

import doxedge
from doxedge.analysers.configuration import ConfigError
from doxedge.gateway.commission_words import chain_text
from doxedge.gateway.plant import describe
from doxedge.quantity import HOUR_MS, round_half_away
from tests.gateway.unit_bench import GRAMS_PER_HOUR, bench, plan
from tests.ledger.channels import START_MS

SOON = "2026-01-01T01:00:00Z"
LOW = ', low_emitter = { reference_mean = 0.15, unit = "lb/mmBtu" }'


def lines(*factors: str) -> str:
    return f"bias = [{', '.join(factors)}]"


def at(factor: str, since: str, more: str = "") -> str:
    return f"{{ factor = {factor}, since = {since}{more} }}"


async def test_both_masses_stand_on_the_record_from_the_hour_on_in_which_the_factor_holds(
    tmp_path: Path,
) -> None:
    assert START_MS % HOUR_MS == 0
    second = dt.datetime.fromtimestamp((START_MS + HOUR_MS) // 1_000, tz=dt.UTC)
    text = f"{second:%Y-%m-%dT%H:%M:%SZ}"
    async with bench(tmp_path, planned=plan(lines=lines(at("1.052", text)))) as unit:
        await unit.measure(122)
        before, after = await unit.hours()
    assert before[18] == ["moisture_percent:default"]
    assert abs(int(str(before[4])) - GRAMS_PER_HOUR) < 2
    recipe = after[18]
    assert isinstance(recipe, list)
    baf, moisture, unadjusted = recipe
    assert (baf, moisture) == ("baf:1.052", "moisture_percent:default")
    grams = int(str(unadjusted).removeprefix("unadjusted_g:"))
    assert abs(grams - GRAMS_PER_HOUR) < 2
    assert after[4] == round_half_away(grams * 1_052, 1_000)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (at("0.95", SOON), "never lowers emissions"),
        (at("1.0525", SOON), "three decimals"),
        (at("1.05", "2026-01-01T01:30:00Z"), "from the beginning of an hour"),
        (at("1.05", "2026-01-01T01:00:00"), "unit[0].bias[0].since"),
        (at("1.2", SOON, LOW.replace("0.15", "0.25")), "so the cap of 1.111 is not allowed"),
        (at("1.2", SOON, ", low_emitter = true"), "unit[0].bias[0].low_emitter"),
        (f"{at('1.05', SOON)}, {at('1.06', SOON)}", "in the order of their times"),
    ],
)
def test_a_factor_that_may_not_be_is_refused(wrong: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan(lines=lines(wrong))
    assert message in str(caught.value)


def test_the_plan_says_which_factor_holds_and_the_rules_hash_covers_it() -> None:
    capped = plan(lines=lines(at("1.052", SOON), at("1.125", "2026-06-01T02:00:00+02:00", LOW)))
    told = describe((capped,))
    assert "  mass x bias factor 1.052 from 2026-01-01T01:00Z on" in told
    assert "  mass x bias factor 1.111 from 2026-06-01T00:00Z on (a low emitter: 1.125 is capped)" in told
    assert "nox_g = nox_g * 1.052, rounded the same way" in "\n".join(chain_text(capped.hour.emission))
    same = plan(lines=lines(at("1.052", SOON), at("1.125", "2026-06-01T00:00:00Z", LOW)))
    assert capped.rules_hash == same.rules_hash
    assert capped.rules_hash != plan().rules_hash


LIMITS_ALONE = {"standardisation", "qal2"}
"""Reference oxygen and the confidence interval: for comparisons with a limit, never for a mass."""


def test_nothing_that_makes_an_hour_knows_reference_oxygen_or_confidence_interval() -> None:
    """What the mass can reach by its imports holds neither, so neither can be applied to it."""
    room = Path(doxedge.__file__).parent / "measurement"
    reached, to_read = set[str](), ["collected_hour", "hour", "hour_sequence"]
    while to_read:
        module = to_read.pop()
        if module in reached:
            continue
        reached.add(module)
        tree = ast.parse((room / f"{module}.py").read_text(encoding="utf-8"))
        imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        to_read += [name.rpartition(".")[2] for name in imported if name.startswith("doxedge.measurement.")]
    assert {"emission", "part75_mass", "conversion"} <= reached
    assert not reached & LIMITS_ALONE


async def test_the_rule_set_of_europe_reports_the_same_mass_as_that_of_america(tmp_path: Path) -> None:
    masses = []
    for name in ("us60", "eu", "alberta"):
        (tmp_path / name).mkdir()
        async with bench(tmp_path / name, planned=plan(lines=f'rule_set = "{name}"')) as unit:
            await unit.measure(62)
            (body,) = await unit.hours()
            masses.append(body[4])
    assert len(set(masses)) == 1
