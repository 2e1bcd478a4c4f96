"""A signed hour with the factor of a test that was handed in later: which monitors, which grams, and what stays."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.bias_check import check_bias
from doxedge.measurement.bias_restated import SignedHour, restated, rules_of
from doxedge.measurement.hour_settings import HourSettings, Stack
from doxedge.measurement.recipe_check import Recomputed
from doxedge.measurement.tests_in_force import KeptTests
from tests.measurement.readings import HOUR, settings
from tests.measurement.test_bias_in_force import FLOW, NOX, rata

SPARE = f"backup.{NOX}"
BARE = ["baf:1.000", "baf_by:no_rata", "moisture_percent:default", "unadjusted_g:1000"]


def rules(
    *, backups: frozenset[str] = frozenset(), by_rata: bool = True, stacks: bool = False
) -> HourSettings:
    made = settings()
    if stacks:
        names = made.emission.measured
        made = replace(
            made, stacks=tuple(Stack(name, {q: f"{name}.{q}" for q in names}) for name in ("east", "west"))
        )
    return replace(made, backups=backups, emission=replace(made.emission, bias_by_rata=by_rata))


def hour(remarks: list[str], *, nox_g: int = 1_000, minutes: int = 60) -> SignedHour:
    return SignedHour("unit-1", HOUR, nox_g, minutes, remarks)


def test_the_factor_takes_the_place_of_the_one_before_and_nothing_else_changes() -> None:
    test = rata("1.092")
    again = restated(hour(BARE), rules(), KeptTests([test]))
    assert again == (
        1_092,
        [
            "baf:1.092",
            f"baf_by:rata:{NOX}:1.092:{test.test}",
            "moisture_percent:default",
            "unadjusted_g:1000",
        ],
    )
    assert restated(hour(again[1], nox_g=1_092), rules(), KeptTests([test])) is None
    both = restated(hour(BARE), rules(), KeptTests([test, rata("1.010", monitor=FLOW)]))
    assert both is not None
    assert both[0] == 1_103


@pytest.mark.parametrize(
    ("remarks", "by_rata"),
    [
        (BARE, False),
        (["baf:1.020", "unadjusted_g:1000"], True),  # by a site that stated it
        (["moisture_percent:default"], True),
        (["baf:1.000", "baf_by:no_rata"], True),  # nobody says what it was before
        (
            ["baf:1.050", f"baf_by:rata:{NOX}:1.050:{'e' * 64}", "unadjusted_g:1000"],
            True,
        ),  # a test that is lost
    ],
)
def test_what_was_not_made_by_tests_or_cannot_be_made_again_stays(
    remarks: list[str], *, by_rata: bool
) -> None:
    assert restated(hour(remarks), rules(by_rata=by_rata), KeptTests([rata("1.092")])) is None


@pytest.mark.parametrize(
    ("stood_in", "backups", "factor"),
    [
        (None, {NOX}, 1_092),
        (12, {NOX}, 1_114),  # the larger one
        (60, {NOX}, 1_114),
        (60, set(), 1_092),
    ],
)
def test_the_backup_counts_where_the_hour_says_that_it_stood_in(
    stood_in: int | None, backups: set[str], factor: int
) -> None:
    words = [] if stood_in is None else [f"backup_minutes:{stood_in}"]
    tests = KeptTests([rata("1.092"), rata("1.114", monitor=SPARE)])
    again = restated(hour([*BARE, *words]), rules(backups=frozenset(backups)), tests)
    assert again is not None
    assert again[0] == factor


def test_an_hour_that_the_backup_alone_made_is_not_adjusted_by_the_first() -> None:
    tests = KeptTests([rata("1.092"), rata("1.030", monitor=SPARE)])
    again = restated(hour([*BARE, "backup_minutes:60"]), rules(backups=frozenset({NOX})), tests)
    assert again is not None
    assert again[0] == 1_030
    mixed = restated(hour([*BARE, "backup_minutes:59"]), rules(backups=frozenset({NOX})), tests)
    assert mixed is not None
    assert mixed[0] == 1_092


def test_of_several_stacks_each_has_its_own() -> None:
    words = [
        word
        for name in ("east", "west")
        for word in (
            f"{name}.baf:1.000",
            f"{name}.baf_by:no_rata",
            f"{name}.nox_g:500",
            f"{name}.unadjusted_g:500",
        )
    ]
    again = restated(hour(words), rules(stacks=True), KeptTests([rata("1.100", monitor=f"west.{NOX}")]))
    assert again is not None
    assert (again[0], "west.nox_g:550" in again[1], "east.nox_g:500" in again[1]) == (1_050, True, True)
    assert "west.baf:1.100" in again[1]


def test_of_a_shared_stack_the_part_is_divided_anew() -> None:
    words = [
        "baf:1.000", "baf_by:no_rata", "stack_operating_percent:100", "stack_g:1000", "stack_unadjusted_g:1000",
        "apportioned_by:load", "load_wh:unit-1:1", "load_wh:unit-2:2",
    ]  # fmt: skip
    again = restated(hour(words, nox_g=333), rules(), KeptTests([rata("1.100")]))
    assert again is not None
    assert again[0] == 367  # of 1,100 g, and the gram that is left
    assert "stack_g:1100" in again[1]
    assert "stack_unadjusted_g:1000" in again[1]


@given(
    st.integers(0, 10**9),
    st.integers(1_000, 2_000),
    st.one_of(st.none(), st.integers(1_000, 2_000)),
    st.integers(0, 60),
)
def test_what_is_restated_is_proved_and_stays(
    before_g: int, thousandths: int, of_flow: int | None, stood_in: int
) -> None:
    tests = KeptTests([rata(f"{thousandths / 1_000:.3f}")])
    if of_flow is not None:
        tests.put(rata(f"{of_flow / 1_000:.3f}", monitor=FLOW))
    made = rules(backups=frozenset({NOX}))
    words = ["baf:1.000", "baf_by:no_rata", f"unadjusted_g:{before_g}", f"backup_minutes:{stood_in}"]
    again = restated(hour(words, nox_g=before_g), made, tests)
    assert again is not None
    nox_g, remarks = again
    assert nox_g >= before_g
    found = check_bias("unit-1", nox_g, remarks, start_ms=HOUR, tests=tests, rules=rules_of(made))
    assert found is not None
    assert found[0] is Recomputed.PROVED
    assert restated(hour(remarks, nox_g=nox_g), made, tests) is None
