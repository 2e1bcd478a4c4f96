"""A calibration check takes its course: flags in, plateau means out, and every way to end."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.calibration_run import CheckRun, Gas, Plateau, Stage, Timing
from doxedge.measurement.reading import Reading
from doxedge.measurement.sample import Quality, Reason

TIMING = Timing(settle_ms=60_000, read_ms=30_000)
NOX, NO = "nox_ppb", "no_ppb"
BOTH = (Gas.ZERO, Gas.UPSCALE)
FLOWS = {Gas.ZERO: Reason.ZERO, Gas.UPSCALE: Reason.SPAN, None: Reason.NONE}


def reading(at_s: int, gas: Gas | None, value: str | None = "1", quantity: str = NOX) -> Reading:
    quality = Quality.GOOD if gas is None else Quality.BAD
    return Reading(
        "a.x", quantity, at_s * 1_000, None if value is None else Decimal(value), quality, FLOWS[gas]
    )


def run(
    *, quantities: tuple[str, ...] = (NOX,), gases: tuple[Gas, ...] = BOTH, in_order: bool = True
) -> CheckRun:
    return CheckRun(
        dict.fromkeys(quantities, TIMING), gases, begun_ms=0, patience_ms=120_000, in_order=in_order
    )


def flow(
    check: CheckRun, gas: Gas | None, from_s: int, to_s: int, value: str | None = "1", quantity: str = NOX
) -> None:
    for at_s in range(from_s, to_s + 1, 10):
        check.see(reading(at_s, gas, value, quantity))
        check.look(at_s * 1_000)


def test_both_gases_are_read_on_their_plateaus_and_the_means_are_exact() -> None:
    check = run()
    flow(check, None, 0, 0)
    assert check.wanted is Gas.ZERO
    flow(check, Gas.ZERO, 10, 60, "99")  # what settles does not count
    assert check.stage(NOX, Gas.ZERO) is Stage.SETTLING
    for at_s, value in ((70, "0.1"), (80, "0.2"), (90, "0.2"), (100, "55")):
        check.see(reading(at_s, Gas.ZERO, value))
    assert check.wanted == Gas("upscale")
    zero = check.measured(NOX, Gas.ZERO)
    assert zero is not None
    assert (str(zero.mean)[:6], zero.readings, zero.from_ms, zero.to_ms) == ("0.1666", 3, 70_000, 90_000)
    flow(check, Gas.UPSCALE, 110, 200, "400")
    assert check.over is not None
    assert check.over.complete
    upscale = check.measured(NOX, Gas.UPSCALE)
    assert upscale is not None
    assert (upscale.mean, upscale.readings) == (Decimal(400), 3)
    assert check.wanted is None


def test_a_gas_is_done_when_it_is_done_for_every_monitor() -> None:
    check = run(quantities=(NOX, NO), gases=(Gas.ZERO,))
    flow(check, Gas.ZERO, 0, 100)
    assert check.over is None
    flow(check, Gas.ZERO, 0, 100, quantity=NO)
    assert check.over is not None
    assert check.over.complete


@pytest.mark.parametrize(
    ("name", "last_s"), [("while it settles", 30), ("while it is read", 70)], ids=["settling", "reading"]
)
def test_a_gas_that_is_taken_away_ends_the_check(name: str, last_s: int) -> None:
    check = run()
    flow(check, Gas.ZERO, 0, last_s)
    flow(check, None, last_s + 10, last_s + 10)
    assert check.over is not None, name
    assert (check.over.complete, check.over.began) == (False, True)
    assert "taken away" in check.over.why


def test_readings_without_a_value_make_no_plateau() -> None:
    check = run()
    flow(check, Gas.ZERO, 0, 90, None)
    assert check.over is not None
    assert "too few" in check.over.why
    assert check.measured(NOX, Gas.ZERO) is None


def test_a_gas_that_never_comes_is_waited_for_no_longer_than_the_patience() -> None:
    check = run()
    flow(check, None, 0, 120)
    assert check.over is None
    check.look(120_001)
    assert check.over is not None
    assert (check.over.complete, check.over.began, check.over.late) == (False, False, True)
    assert "no zero gas was read within 120 s" in check.over.why


def test_patience_begins_anew_with_each_gas_and_when_the_clock_is_set_back() -> None:
    check = run()
    flow(check, Gas.ZERO, 0, 90)
    check.look(210_000)
    assert check.over is None
    check.look(-50_000)
    check.look(60_000)
    assert check.over is None
    check.look(70_001)
    assert check.over is not None


def test_readings_that_stop_end_the_check_too() -> None:
    check = run()
    flow(check, Gas.ZERO, 0, 70)
    check.look(300_000)
    assert check.over is not None
    assert check.over.began


def test_in_order_a_gas_that_is_not_wanted_yet_does_not_count() -> None:
    check = run()
    flow(check, Gas.UPSCALE, 0, 50)
    assert check.stage(NOX, Gas.UPSCALE) is Stage.WAITING
    flow(check, Gas.ZERO, 60, 150)
    assert check.wanted is Gas.UPSCALE


def test_an_instruments_own_sequence_is_followed_in_any_order() -> None:
    check = run(in_order=False)
    flow(check, Gas.UPSCALE, 0, 90, "400")
    flow(check, Gas.ZERO, 100, 190, "0")
    assert check.over is not None
    assert check.over.complete


def test_what_is_over_stays_as_it_ended() -> None:
    check = run()
    check.end("the gateway was stopped")
    flow(check, Gas.ZERO, 0, 200)
    check.end("again")
    assert check.over is not None
    assert check.over.why == "the gateway was stopped"


def test_readings_of_other_quantities_are_passed_over() -> None:
    check = run()
    flow(check, Gas.ZERO, 0, 90, quantity="o2_percent")
    assert not check.began


@pytest.mark.parametrize("broken", [(-1, 1, 1), (0, 0, 1), (0, 1, 0)])
def test_times_that_are_none_are_refused(broken: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="plateau"):
        Timing(*broken)


def test_a_check_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="monitor"):
        run(quantities=())
    with pytest.raises(ValueError, match="gas"):
        run(gases=())


def test_a_value_that_is_not_finite_does_not_count() -> None:
    plateau = Plateau(Timing(settle_ms=0, read_ms=10_000, readings_min=1))
    plateau.see(0, Decimal("NaN"), flows=True)
    plateau.see(5_000, Decimal(2), flows=True)
    plateau.see(10_000, Decimal(9), flows=True)
    assert plateau.measured is not None
    assert plateau.measured.mean == 2


STEPS = st.lists(
    st.tuples(
        st.sampled_from([None, Gas.ZERO, Gas.UPSCALE]),
        st.one_of(st.none(), st.integers(-10, 500)),
        st.sampled_from([NOX, NO]),
        st.integers(1, 40),
    ),
    max_size=200,
)


@given(STEPS, st.booleans())
def test_whatever_is_read_a_complete_check_has_a_plateau_of_each_gas_for_each_monitor(
    steps: list[tuple[Gas | None, int | None, str, int]], in_order: bool
) -> None:
    quantities = (NOX, NO)
    check, at_s = run(quantities=quantities, in_order=in_order), 0
    read: dict[tuple[str, Gas], list[int]] = {}
    for gas, value, quantity, after_s in steps:
        at_s += after_s
        check.see(reading(at_s, gas, None if value is None else str(value), quantity))
        check.look(at_s * 1_000)
        if gas is not None and value is not None:
            read.setdefault((quantity, gas), []).append(value)
    assert (check.wanted is None) == (check.over is not None)
    for quantity in quantities:
        for gas in BOTH:
            found = check.measured(quantity, gas)
            if check.over is not None and check.over.complete:
                assert found is not None
            if found is not None:
                assert found.readings >= TIMING.readings_min
                assert min(read[quantity, gas]) <= found.mean <= max(read[quantity, gas])
                assert found.to_ms - found.from_ms < TIMING.read_ms
