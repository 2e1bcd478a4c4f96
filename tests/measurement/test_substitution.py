"""What stands for a missing hour: the table line by line, and everything against a twin that looks at all hours."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.missing_data_rules import Reading, Rules, Statistic, rules_for
from doxedge.measurement.parameters import Kind
from doxedge.measurement.substitution import (
    OperatingHour,
    Substitute,
    load_range,
    percentile_rank,
    substitutes,
)
from doxedge.quantity import HOUR_MS

NOX = rules_for("NOXR", Kind.RATE)
H2O = rules_for("H2O", Kind.MOISTURE)
SO2 = rules_for("SO2C", Kind.CONCENTRATION)


def old(rules: Rules) -> Rules:
    """The monitor is no longer young, and has missed nothing."""
    return replace(rules, prior_operating_hours=5_000, prior_qa_hours=5_000)


def series(
    *values: str | None, load: str | None = "100", first: int = 0, step: int = 1
) -> list[OperatingHour]:
    """Hours in a row; None is missing."""
    return [
        OperatingHour(
            n + 2,
            (first + n * step) * HOUR_MS,
            None if value is None else Decimal(value),
            value is not None,
            None if load is None else Decimal(load),
        )
        for n, value in enumerate(values)
    ]


def found(hours: Sequence[OperatingHour], rules: Rules) -> list[tuple[str, str | None]]:
    return [
        (one.method.code, None if one.value is None else f"{one.value:f}")
        for one in substitutes(hours, rules)
    ]


def test_a_short_gap_at_good_availability_is_the_mean_of_the_look_back() -> None:
    hours = series("0.100", "0.200", "0.201", None, None, "0.900")
    assert found(hours, old(NOX)) == [("11", "0.167")] * 2


def test_a_long_gap_is_the_greater_of_percentile_and_neighbours() -> None:
    known = [f"0.{n:03d}" for n in range(1, 11)]
    hours = series(*known, *[None] * 25, "0.002")
    # 90th percentile of ten: the ninth; neighbours: (0.010 + 0.002) / 2
    assert found(hours, old(NOX)) == [("08", "0.009")] * 25
    hours = series(*known, *[None] * 25, "0.500")
    (first, *_) = substitutes(hours, old(NOX))
    assert (str(first.value), first.chosen) == ("0.255", Statistic.NEIGHBOURS)
    assert first.candidates[Statistic.PERCENTILE] == Decimal("0.009")
    assert first.rank == 9


def test_the_length_of_the_gap_counts_operating_hours_only() -> None:
    """24 missing hours of operation, spread over 24 days of standstill, are a short gap."""
    hours = series("0.1", *[None] * 24, "0.3", step=24)
    assert found(hours, old(NOX)) == [("11", "0.100")] * 24


@pytest.mark.parametrize(
    ("missed", "codes"),
    # so many of the prior hours were missing; 8 hours are missing now, then 9
    [(0, ("11", "11")), (300, ("11", "09")), (700, ("10", "10")), (1_500, ("12", "12"))],
)
def test_availability_decides_the_line_of_the_table(missed: int, codes: tuple[str, str]) -> None:
    rules = replace(NOX, prior_operating_hours=5_000, prior_qa_hours=5_000 - missed)
    for length, code in zip((8, 9), codes, strict=True):
        hours = series("0.100", "0.300", *[None] * length, "0.200")
        values = {"11": "0.200", "09": "0.300", "10": "0.300", "12": "5.659"}
        assert found(hours, rules) == [(code, values[code])] * length


def test_availability_is_that_of_the_hour_and_may_fall_within_a_gap() -> None:
    rules = replace(NOX, prior_operating_hours=1_000, prior_qa_hours=951, initial_hours=900)
    hours = series("0.1", *[None] * 3, "0.1")
    percents = [str(one.availability.percent) for one in substitutes(hours, rules)]
    assert percents == ["95.0", "94.9", "94.8"]
    assert [code for code, _ in found(hours, rules)] == ["11", "11", "11"]


def test_a_young_monitor_takes_all_earlier_hours_of_the_load_range_or_of_the_next_higher_that_has_any() -> (
    None
):
    low, high = series("0.1", "0.2", load="100"), series("0.4", "0.6", load="1000", first=10)
    missing = [
        replace(hour, load=Decimal(load))
        for hour, load in zip(series(*[None] * 4, first=20), ("50", "150", "950", "0"), strict=True)
    ]
    assert found([*low, *high, *missing], NOX) == [
        ("07", "0.150"),
        ("07", "0.500"),
        ("07", "0.500"),
        ("07", "0.150"),
    ]
    assert found([*low, missing[2]], replace(NOX, max_load=Decimal(1000))) == [("07", "5.659")]


def test_a_monitor_that_has_measured_nothing_has_its_maximum() -> None:
    assert found(series(None, "0.1"), NOX) == [("07", "5.659")]
    assert found(series(None, "0.1"), replace(NOX, maximum=None)) == [("07", None)]


def test_youth_ends_after_so_many_hours_or_after_three_years() -> None:
    rules = replace(NOX, initial_hours=3)
    assert [code for code, _ in found(series("1", "1", None, "1", None, "1"), rules)] == ["07", "12"]
    three_years = NOX.oldest_clock_hours
    late = [*series("1", "1"), *series(None, first=three_years - 1)]
    assert [code for code, _ in found(late, rules)] == ["07"]
    late = [*series("1", "1"), *series(None, "1", first=three_years)]
    assert [code for code, _ in found(late, rules)] == ["12"]  # 2 of 3 hours: 66.7 %


def test_sulphur_dioxide_takes_its_neighbours() -> None:
    hours = series("10", "20", None, "40", load=None)
    assert found(hours, SO2) == [("07", "30.0")]
    assert found(hours, old(SO2)) == [("06", "30.0")]
    assert found(series(None, "40", load=None), replace(SO2, maximum=Decimal(500))) == [("07", "500.0")]
    assert found(series(None, "4", load=None), replace(old(SO2), maximum=Decimal(500))) == [("12", "500.0")]


def test_a_gap_that_lasts_is_provisional_and_knows_one_neighbour_only() -> None:
    (one,) = substitutes(series("10", "20", None, load=None), old(SO2))
    assert (one.provisional, str(one.value)) == (True, "20.0")
    (one,) = substitutes(series("10", "20", None, "40", load=None), old(SO2))
    assert not one.provisional


def test_an_hour_without_any_hour_to_look_back_to_has_the_maximum() -> None:
    hours = [*series("0.1", "0.2", load="1000"), *series(None, first=5, load="10")]
    (one,) = substitutes(hours, old(NOX))
    assert (one.method.code, str(one.value), one.look_back) == ("12", "5.659", None)
    assert "no hour to look back to" in one.rule


def test_nothing_older_than_three_years_is_looked_at() -> None:
    now = NOX.oldest_clock_hours
    hours = [*series("9", "1", "2"), *series(None, "1", first=now + 1)]
    (one,) = substitutes(hours, old(NOX))
    assert one.look_back is not None
    assert [hour.start_ms // HOUR_MS for hour in one.look_back.hours] == [1, 2]


def test_the_two_readings_of_the_look_back_differ() -> None:
    in_range = series(*["1"] * 4, load="1000")
    others = series(*["3"] * 3, load="500", first=10)
    hours = [*in_range, *others, *series(None, "1", first=20, load="1000")]
    rules = replace(old(NOX), look_back_hours=4)
    (one,) = substitutes(hours, rules)
    (other,) = substitutes(hours, replace(rules, reading=Reading.AMONG_LAST))
    assert one.look_back is not None
    assert other.look_back is not None
    assert (len(one.look_back.hours), len(other.look_back.hours)) == (4, 1)


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        (None, 0),
        ("-1", 1),
        ("0", 1),
        ("1", 1),
        ("74.3", 1),
        ("74.31", 2),
        ("668.7", 9),
        ("668.8", 10),
        ("743", 10),
        ("900", 10),
    ],
)
def test_a_load_range_holds_its_upper_border(load: str | None, expected: int) -> None:
    assert load_range(None if load is None else Decimal(load), Decimal(743), 10) == expected
    assert load_range(Decimal(5), None, 10) == 0


@given(st.integers(1, 3_000), st.sampled_from([90, 95]))
def test_the_nearest_rank_is_the_first_with_enough_at_or_below(count: int, percent: int) -> None:
    rank = percentile_rank(percent, count)
    assert Fraction(rank, count) >= Fraction(percent, 100) > Fraction(rank - 1, count)


def mean(chosen: Sequence[OperatingHour]) -> Fraction | None:
    values = [Fraction(hour.value) for hour in chosen if hour.value is not None]
    return sum(values, Fraction(0)) / len(values) if values else None


def ranges(hours: Sequence[OperatingHour], rules: Rules) -> Callable[[OperatingHour], int]:
    top = max((hour.load for hour in hours if hour.load is not None), default=None)

    def range_of(hour: OperatingHour) -> int:
        if not rules.by_load or hour.load is None or not top:
            return 0
        share = Fraction(hour.load) / Fraction(top) * 10
        return next((n for n in range(1, 11) if share <= n), 10)

    return range_of


def twin(hours: Sequence[OperatingHour], rules: Rules, missing: OperatingHour) -> tuple[str, Fraction | None]:
    """Straight from the page: code and exact value, from all hours each time."""
    place = hours.index(missing)
    earlier = [hour for hour in hours[:place] if hour.quality_assured]
    later = [hour for hour in hours[place:] if hour.quality_assured]
    beside = mean([earlier[-1], *later[:1]]) if earlier else None
    begin = hours.index(earlier[-1]) + 1 if earlier else 0
    end = hours.index(later[0]) if later else len(hours)
    range_of = ranges(hours, rules)
    if len(earlier) < rules.initial_hours:
        return "07", young_twin(earlier, rules, range_of, range_of(missing), beside)
    exact = Fraction(100 * len(earlier), place + 1)
    available = Fraction(int(exact * 10 + Fraction(1, 2)), 10)
    if rules.reading is Reading.IN_RANGE:
        back = [hour for hour in earlier if range_of(hour) == range_of(missing)][-rules.look_back_hours :]
    else:
        back = [hour for hour in earlier[-rules.look_back_hours :] if range_of(hour) == range_of(missing)]
    code, value = old_twin(available, end - begin, back, beside, by_load=rules.by_load)
    return (code, value) if value is not None else ("12", Fraction(rules.maximum or 0))


def young_twin(
    earlier: Sequence[OperatingHour],
    rules: Rules,
    range_of: Callable[[OperatingHour], int],
    wanted: int,
    beside: Fraction | None,
) -> Fraction:
    maximum = Fraction(rules.maximum or 0)
    if not rules.by_load:
        return maximum if beside is None else beside
    for n in range(wanted, 11 if wanted else 1):
        if (value := mean([hour for hour in earlier if range_of(hour) == n])) is not None:
            return value
    return maximum


def old_twin(
    available: Fraction,
    length: int,
    back: Sequence[OperatingHour],
    beside: Fraction | None,
    *,
    by_load: bool,
) -> tuple[str, Fraction | None]:
    if available < 80:
        return "12", None
    if available >= 90 and length <= (24 if available >= 95 else 8):
        return ("11", mean(back)) if by_load else ("06", beside)
    values = sorted(Fraction(hour.value) for hour in back if hour.value is not None)
    if available < 90 or not values:
        return "10", values[-1] if values else None
    percent = 90 if available >= 95 else 95
    rank = next(n for n in range(1, len(values) + 1) if Fraction(n, len(values)) >= Fraction(percent, 100))
    return ("08" if percent == 90 else "09"), max(values[rank - 1], beside or Fraction(0))


HOURS = st.lists(
    st.tuples(
        st.sampled_from([True] * 9 + [False]),
        st.integers(1, 30),
        st.decimals(0, 2, places=3),
        st.one_of(st.none(), st.integers(0, 100)),
    ),
    max_size=120,
)


@given(HOURS, st.sampled_from(Reading), st.booleans(), st.integers(1, 9), st.integers(0, 12))
def test_every_substitute_is_that_of_a_twin_that_looks_at_all_hours(
    drawn: list[tuple[bool, int, Decimal, int | None]],
    reading: Reading,
    by_load: bool,
    repeat: int,
    initial_hours: int,
) -> None:
    hours: list[OperatingHour] = []
    for good, run, value, load in drawn:
        for _ in range(run if not good else repeat):
            hours.append(
                OperatingHour(
                    len(hours) + 2,
                    len(hours) * HOUR_MS,
                    value if good else None,
                    good,
                    None if load is None else Decimal(load),
                )
            )
    base = NOX if by_load else replace(SO2, maximum=Decimal(900), places=3)
    rules = replace(base, reading=reading, look_back_hours=7, initial_hours=initial_hours)
    made: list[Substitute] = list(substitutes(hours, rules))
    assert [one.hour for one in made] == [hour for hour in hours if not hour.quality_assured]
    for one in made:
        code, exact = twin(hours, rules, one.hour)
        assert one.method.code == code
        assert one.exact is not None
        assert exact is not None
        assert abs(Fraction(one.exact) - exact) <= Fraction(1, 10**30)


def test_an_hour_without_a_load_may_be_looked_at_with_the_hours_of_every_load() -> None:
    hours = [*series("0.1", load="10"), *series("0.3", first=1), *series(None, "0.9", load=None, first=2)]
    assert found(hours, old(NOX)) == [("12", "5.659")]
    assert found(hours, replace(old(NOX), any_load=True)) == [("11", "0.200")]
    among = replace(old(NOX), any_load=True, reading=Reading.AMONG_LAST, look_back_hours=1)
    assert found(hours, among) == [("11", "0.300")]


def test_substitutes_can_be_asked_from_an_hour_on_and_are_the_same() -> None:
    hours = series("0.1", None, "0.3", "0.4", None, None, "0.2")
    every = list(substitutes(hours, old(NOX)))
    assert list(substitutes(hours, old(NOX), from_ms=4 * HOUR_MS)) == every[1:]
    aged = next(substitutes(hours, NOX, from_ms=4 * HOUR_MS, first_ms=-26_280 * HOUR_MS))
    assert aged.method.code == "12"
    assert list(substitutes([], NOX)) == []


def test_where_either_side_may_be_the_safe_one_nothing_is_computed_but_neighbours() -> None:
    assert found(series("10", None, "12", load=None), H2O) == [("07", "11.0")]
    assert found(series("10", None, "12", load=None), old(H2O)) == [("06", "11.0")]
    (*_, last) = substitutes(series("10", *[None] * 25, "12", load=None), old(H2O))
    assert (last.method.code, last.value, last.chosen, last.look_back) == (
        "08",
        None,
        Statistic.EITHER_SIDE,
        None,
    )
    poor = replace(H2O, prior_operating_hours=5000, prior_qa_hours=1000, maximum=Decimal(20))
    (one,) = substitutes(series("10", None, "12", load=None), poor)
    assert (one.method.code, one.value) == ("12", None)
