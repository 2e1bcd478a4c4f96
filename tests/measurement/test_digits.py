"""Made up digits are told, and what plants and instruments do by themselves is not."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.digits import (
    BOUND,
    EVERY_MS,
    JUDGE_FIRST,
    LEARNED_BOUND,
    SCALES_MAX,
    WINDOW_MS,
    LastDigits,
    chi_square_exceeds,
    counts_of,
    is_tested,
)
from tests.measurement.test_digit_grid import as_f32

Report = Callable[[float], Decimal]
PER_WINDOW = WINDOW_MS // EVERY_MS


def tenths(value: float) -> Decimal:
    return Decimal(str(round(value, 1)))


def converter(full: float, steps: int) -> Report:
    """32-bit floats made from the steps of a converter."""
    return lambda value: as_f32(round(value * steps / full) * full / steps)


def plant(
    windows: int, *, seed: int, base: float = 180.0, day: float = 60.0, noise: float = 3.0
) -> Iterator[float]:
    """What an ideal instrument would say each quarter of an hour: a daily course, and noise with a memory."""
    chance, apart = random.Random(seed), 0.0
    for n in range(windows * PER_WINDOW):
        apart = 0.97 * apart + chance.gauss(0, noise)
        yield max(0.0, base + day * math.sin(2 * math.pi * n / 96) + apart)


def heard(
    values: Iterator[float], report: Report, *, digits: LastDigits | None = None, window: int = 0
) -> LastDigits:
    digits = digits or LastDigits()
    for n, value in enumerate(values):
        digits.take(report(value), window * WINDOW_MS + n * EVERY_MS)
    return digits


@pytest.mark.parametrize(
    ("name", "report"),
    [
        ("tenths", tenths),
        ("multiples of five ppb", lambda value: 5 * Decimal(round(value * 200))),
        ("whole ppb as ppm", lambda value: Decimal(round(value * 1_000)) / 1_000),
        ("floats", as_f32),
        ("12 bits", converter(500, 4_095)),
        ("12 bits, binary", converter(500, 4_096)),
        ("16 bits", converter(500, 65_535)),
        ("steps of 0.1999", converter(0.1999 * 4_095, 4_095)),
        ("four significant digits", lambda value: Decimal(f"{value:.3e}")),
        (
            "a square root of 16 bits",
            lambda value: as_f32(500 * math.sqrt(round((value / 500) ** 2 * 65_535) / 65_535)),
        ),
        ("tenths of an inch of mercury", lambda value: tenths(value) * Decimal("3.38639")),
        ("whole degC as K", lambda value: tenths(value) + Decimal("273.15")),
    ],
)
def test_no_instrument_shows_a_sign_by_its_own_steps(name: str, report: Report) -> None:
    digits = LastDigits()
    for window in range(3):
        heard(plant(1, seed=window), report, digits=digits, window=window)
        assert digits.uneven is not True, f"{name}, window {window}: {digits.words}"
    assert any(scale.grid is not None for scale in digits.scales.values()), name


def test_a_plant_at_its_set_point_shows_no_sign() -> None:
    chance = random.Random(1)
    values = (chance.choice((100.0, 250.0, 250.0)) + chance.gauss(0, 0.05) for _ in range(3 * PER_WINDOW))
    assert heard(values, tenths).uneven is not True


@pytest.mark.parametrize(
    ("name", "made_up"),
    [
        ("whole ppm", lambda value: Decimal(round(value))),
        ("halves", lambda value: Decimal(round(value * 2)) / 2),
        ("always one digit", lambda value: Decimal(math.floor(value)) + Decimal("0.7")),
        (
            "no nought and no five",
            lambda value: tenths(value) + (Decimal("0.1") if tenths(value) * 10 % 5 == 0 else 0),
        ),
    ],
)
def test_made_up_digits_are_told_and_stay_told_until_a_window_is_even(name: str, made_up: Report) -> None:
    digits = heard(plant(2, seed=3), tenths)
    digits.take(Decimal(200), 2 * WINDOW_MS)
    assert digits.uneven is False, name
    heard(plant(1, seed=4), made_up, digits=digits, window=3)
    assert digits.uneven is True, f"{name}: {digits.words}"
    told = digits.words
    heard(plant(1, seed=5), tenths, digits=digits, window=4)
    assert (digits.uneven, digits.words) == (True, told)
    digits.take(Decimal(200), 5 * WINDOW_MS)
    assert digits.uneven is False
    assert digits.words != told


def test_a_fifth_of_made_up_values_is_told_by_the_end_of_a_window() -> None:
    digits = heard(plant(1, seed=6), as_f32)
    mixed = enumerate(plant(1, seed=7))
    for n, value in mixed:
        said = Decimal(round(value)) if n % 5 == 0 else as_f32(value)
        digits.take(said, WINDOW_MS + n * EVERY_MS)
    assert digits.uneven is True, digits.words


def test_a_window_in_which_too_little_came_says_nothing() -> None:
    digits = heard(plant(1, seed=8), tenths)
    digits.take(Decimal(200), WINDOW_MS)
    assert digits.uneven is False
    digits.take(Decimal(200), 2 * WINDOW_MS)
    assert digits.uneven is None


def test_one_value_is_taken_of_each_quarter_of_an_hour_and_none_of_a_window_that_is_over() -> None:
    digits = LastDigits()
    first_ms = 10 * WINDOW_MS
    assert digits.take(Decimal(1), first_ms)
    assert not digits.take(Decimal(2), first_ms + EVERY_MS - 1)
    assert digits.take(Decimal(2), first_ms + EVERY_MS)
    assert not digits.take(Decimal(3), first_ms - EVERY_MS)
    assert digits.take(Decimal(3), first_ms - 2 * WINDOW_MS)  # the clock was years ahead: it begins anew


def test_the_digits_of_zero_and_of_many_powers_of_ten_take_no_room() -> None:
    digits = LastDigits()
    powers = [*range(-30, 9), *range(-30, 0)]
    for n, power in enumerate(powers):
        digits.take(Decimal(12).scaleb(power), n * EVERY_MS)
        digits.take(Decimal(0), (len(powers) + n) * EVERY_MS)
    assert sorted(digits.scales) == list(range(10 - SCALES_MAX, 10))


def test_it_goes_on_after_a_restart_as_without_one() -> None:
    values = [tenths(value) for value in plant(2, seed=9)]
    through, stopped = LastDigits(), LastDigits()
    for n, value in enumerate(values):
        if n % 701 == 0:
            stopped = LastDigits.from_dict(json.loads(json.dumps(stopped.as_dict())))
        through.take(value, n * EVERY_MS)
        stopped.take(value, n * EVERY_MS)
    assert stopped == through
    assert len(json.dumps(stopped.as_dict())) < 64_000


@pytest.mark.parametrize(
    "spoilt",
    [
        {},
        {"scales": [], "window": 1, "quarter": 1},
        {"scales": {"2": {}}, "window": 1, "quarter": 1},
        {"scales": {}, "window": "now", "quarter": 1},
        {
            "scales": {
                "2": {
                    "learning": [],
                    "grid": [1, 0],
                    "steps": [],
                    "was_uneven": None,
                    "uneven": None,
                    "counts": [],
                    "told": [],
                }
            }
        },
        {
            "scales": {
                "2": {
                    "learning": [],
                    "grid": None,
                    "steps": [],
                    "was_uneven": 1,
                    "uneven": None,
                    "counts": [],
                    "told": [],
                }
            }
        },
    ],
)
def test_what_was_not_written_here_is_refused(spoilt: dict[str, object]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        LastDigits.from_dict(spoilt)


def chance_of_more(chi_square: float) -> float:
    """The upper tail of chi-square with nine degrees of freedom (Abramowitz and Stegun, 26.4.4)."""
    root = math.sqrt(chi_square)
    series = sum(root ** (2 * r - 1) / math.prod(range(1, 2 * r, 2)) for r in range(1, 5))
    return math.erfc(root / math.sqrt(2)) + math.sqrt(2 / math.pi) * math.exp(-chi_square / 2) * series


def test_the_bounds_are_as_rare_as_they_say() -> None:
    assert 1.2e-9 < chance_of_more(BOUND) < 1.4e-9
    assert 0.0009 < chance_of_more(LEARNED_BOUND) < 0.001
    at_fifty = exact_chance_of_more(BOUND, of=JUDGE_FIRST)
    assert 4.3e-8 < at_fifty < 4.5e-8
    # The same for 100 and 200, which takes too long for a test; on the way to 2,900 it comes down to chi-square's.
    at_a_hundred, at_two_hundred = 1.54e-8, 6.5e-9
    a_window = at_fifty + at_a_hundred + at_two_hundred + 26 * 2 * chance_of_more(BOUND)
    assert 24 * 2 * 365 * a_window < 0.0025


def exact_chance_of_more(chi_square: int, *, of: int) -> float:
    """The same for ten counts of so many, by all ways in which they can come about (the multinomial distribution)."""
    ways: dict[tuple[int, int], float] = {(0, 0): 1.0}
    for _ in range(10):
        longer: dict[tuple[int, int], float] = {}
        for (total, squares), weight in ways.items():
            for count in range(of - total + 1):
                key = total + count, squares + count * count
                longer[key] = longer.get(key, 0.0) + weight / math.factorial(count)
        ways = longer
    more = sum(
        weight
        for (total, squares), weight in ways.items()
        if total == of and 10 * squares - of * of > chi_square * of
    )
    return more * math.factorial(of) / 10.0**of


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=300))
def test_the_test_is_chi_square_in_whole_numbers(steps: list[int]) -> None:
    counts = counts_of(steps)
    chi_square = sum((Decimal(count) - Decimal(len(steps)) / 10) ** 2 for count in counts) / (
        Decimal(len(steps)) / 10
    )
    assert sum(counts) == len(steps)
    for bound in (LEARNED_BOUND, BOUND):
        assert chi_square_exceeds(counts, bound) is (chi_square - bound > Decimal("1e-20"))


def test_what_people_set_and_what_only_counts_is_not_tested() -> None:
    tested = {
        name
        for name in ("nox_ppb", "east.flow_m3_per_h", "power_w", "energy_wh", "frequency_hz")
        if is_tested(name)
    }
    assert tested == {"nox_ppb", "east.flow_m3_per_h"}
