"""An adjusted mass is computed again: proved by the tests on record, or found to differ, and why."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from doxedge.measurement.bias_check import Rules, check_bias
from doxedge.measurement.recipe_check import Recomputed
from doxedge.measurement.tests_in_force import KeptTests
from doxedge.quantity import HOUR_MS
from tests.measurement.readings import HOUR
from tests.measurement.test_bias_in_force import FLOW, NOX, rata

TESTS = KeptTests(
    [
        rata("1.092"),
        rata("1.125", monitor=f"west.{NOX}", capped="1.111"),
        rata("1.010", monitor=FLOW, hours=1),
    ]
)
NOX_TEST, WEST_TEST, FLOW_TEST = (
    test.test for m in (NOX, f"west.{NOX}", FLOW) if (test := TESTS.rata(m, HOUR + HOUR_MS)) is not None
)
BY_NOX = f"baf_by:rata:{NOX}:1.092:{NOX_TEST}"
BY_FLOW = f"baf_by:rata:{FLOW}:1.010:{FLOW_TEST}"
BY_WEST = f"baf_by:rata:west.{NOX}:1.125:{WEST_TEST}"
SIMPLE = ["baf:1.092", "unadjusted_g:1000", BY_NOX]
STACKS = [
    "east.baf:1.000", "east.unadjusted_g:500", "east.nox_g:500", "east.baf_by:no_rata",
    "west.baf:1.125", "west.unadjusted_g:1000", "west.nox_g:1125", f"west.{BY_WEST}",
]  # fmt: skip
SHARED = [
    "baf:1.092", BY_NOX, "stack_operating_percent:100", "stack_g:1092", "stack_unadjusted_g:1000",
    "apportioned_by:load", "load_wh:a:1", "load_wh:b:3",
]  # fmt: skip


def found(
    nox_g: int, remarks: Sequence[object], *, cap: bool = False, at_ms: int = HOUR
) -> tuple[Recomputed, str] | None:
    rules = Rules(low_emitter_cap=cap, tested=(NOX, FLOW))
    return check_bias("a", nox_g, remarks, start_ms=at_ms, tests=TESTS, rules=rules)


@pytest.mark.parametrize(
    ("nox_g", "remarks", "cap"),
    [
        (1_092, SIMPLE, False),
        (1_092, [*SIMPLE, "moisture_percent:default", 7], True),
        (1_625, STACKS, False),
        (273, SHARED, False),
        (1_050, ["baf:1.050", "unadjusted_g:1000"], False),  # the site states it
    ],
)
def test_what_follows_from_the_tests_is_proved(nox_g: int, remarks: list[object], cap: bool) -> None:
    verdict = found(nox_g, remarks, cap=cap)
    assert verdict is not None
    assert verdict[0] is Recomputed.PROVED, verdict


def test_every_test_that_was_in_force_is_named() -> None:
    both = found(1_103, ["baf:1.103", "unadjusted_g:1000", BY_NOX, BY_FLOW], at_ms=HOUR + HOUR_MS)
    one = found(1_092, SIMPLE, at_ms=HOUR + HOUR_MS)
    assert both is not None
    assert one is not None
    assert (both[0], one[0]) == (Recomputed.PROVED, Recomputed.DIFFERS)
    assert "does not name the RATA of flow_m3_per_h" in one[1]


@pytest.mark.parametrize(
    ("nox_g", "remarks", "why"),
    [
        (1_093, SIMPLE, "1000 g x 1.092 is 1092 g, and 1093 g are signed"),
        (1_092, ["baf:1.092", BY_NOX], "does not say what it was multiplied with"),
        (1_092, ["baf:1.092", "unadjusted_g:-1", BY_NOX], "does not say what"),
        (
            1_000,
            ["baf:1.000", "unadjusted_g:1000", "baf_by:no_rata"],
            "does not name the RATA of nox_ppb",
        ),
        (1_020, ["baf:1.020", "unadjusted_g:1000", "baf_by:site"], "does not name the RATA"),
        (1_020, ["baf:1.020", "unadjusted_g:1000", "baf_by:no_rata"], "nothing is adjusted"),
        (900, ["baf:0.900", "unadjusted_g:1000"], "0.900 makes a mass smaller"),
        (1_092, ["baf:1.092", "unadjusted_g:1000", BY_NOX.replace(NOX_TEST, "b" * 64)], "was not in force"),
        (1_092, ["baf:1.092", "unadjusted_g:1000", BY_NOX[:-1]], "cannot be read"),
        (
            1_050,
            ["baf:1.050", "unadjusted_g:1000", BY_NOX.replace("1.092", "1.050")],
            "gives 1.092, not 1.050",
        ),
        (1_050, ["baf:1.050", "unadjusted_g:1000", BY_NOX], "do not make 1.050"),
        (1_625, [*STACKS[:-1], f"west.{BY_WEST.replace('west.', '')}"], "was not in force"),
        (1_092, [*SHARED[:3], "stack_g:1093", *SHARED[4:]], "1093 g are signed"),
        (1_626, STACKS, "1625 g are the hour's by what it says of its stacks, and 1626 g are signed"),
        (272, SHARED, "273 g are the hour's by what it says of its stacks, and 272 g are signed"),
        (273, [*SHARED[:-2], "load_wh:c:1", "load_wh:d:3"], "None g are the hour's"),
        (273, [*SHARED[:-2], "load_wh:a:0", "load_wh:b:0"], "1092 g are nobody's"),
    ],
)
def test_what_does_not_follow_differs(nox_g: int, remarks: list[object], why: str) -> None:
    verdict = found(nox_g, remarks)
    assert verdict is not None
    assert verdict[0] is Recomputed.DIFFERS
    assert why in verdict[1]


def test_a_cap_that_the_site_did_not_choose_or_did_differs() -> None:
    capped = [
        "west.baf:1.111",
        "west.unadjusted_g:1000",
        "west.nox_g:1111",
        f"west.{BY_WEST.replace('1.125', '1.111')}",
    ]
    taken, not_taken = found(1_111, capped, cap=True), found(1_111, capped)
    assert taken is not None
    assert not_taken is not None
    assert (taken[0], not_taken[0]) == (Recomputed.PROVED, Recomputed.DIFFERS)


def test_a_test_of_later_was_not_in_force_and_an_hour_without_a_factor_has_no_verdict() -> None:
    early = found(1_092, SIMPLE, at_ms=HOUR - HOUR_MS)
    assert early is not None
    assert early[0] is Recomputed.DIFFERS
    before = found(1_000, ["baf:1.000", "unadjusted_g:1000", "baf_by:no_rata"], at_ms=HOUR - HOUR_MS)
    assert before == (Recomputed.PROVED, "1000 g x 1.000 = 1000 g, before the first RATA")
    assert found(1_000, ["moisture_percent:default"]) is None
