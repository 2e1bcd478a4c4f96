"""Of another system's file is taken what was measured, and nothing of a file that leaves a doubt."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from doxedge.measurement.hour_history import KnownHour, operating_hours, substitutes_of
from doxedge.measurement.hourly_file import HourlyFileError, parse
from doxedge.measurement.imported_hours import ROWS_MAX, TakenHours, Terms, mass_series, source_name, take
from doxedge.measurement.missing_data_rules import MASS_RATE
from doxedge.measurement.substitute_recipe import IMPORTED, canonical_recipe, sources_in
from doxedge.quantity import HOUR_MS
from tests.measurement.test_hourly_file import HEADER, with_field

FIRST_MS = 1_167_609_600_000
"""1 January 2007, 0:00, as if the plant's time were UTC."""
TERMS = Terms(
    called="77/B-1",
    utc_offset_hours=-5,
    end_ms=FIRST_MS + 1_000 * HOUR_MS,
    end_reason="the first hour of the gateway itself",
    g_per_h_max=100_000,
    load_w_max=Decimal(60_000_000),
)
SOURCE = source_name("ab" * 32, -5)


def row(hour: int, **fields: str) -> str:
    line = with_field("YYMMDD", f"0701{hour // 24 + 1:02d}", with_field("HOUR", str(hour % 24)))
    for column, value in fields.items():
        line = with_field(column, value, line)
    return line


def off(hour: int) -> str:
    return row(
        hour, NOXMASS="-9", NOXRATE="-9", OPTIME="0", GLOAD="-9", HTINPUT="-9", NOXMMEASURE="", NOXRMEASURE=""
    )


def taken(*rows: str, terms: Terms = TERMS) -> TakenHours:
    return take(parse([HEADER, *rows]), terms, source=SOURCE)


def refusal(*rows: str, terms: Terms = TERMS) -> str:
    with pytest.raises(HourlyFileError) as refused:
        taken(*rows, terms=terms)
    return str(refused.value)


def test_an_hour_is_taken_in_grams_watt_hours_and_utc() -> None:
    """100.5 lb at 50 MW for three quarters of the hour that began at midnight in New York."""
    (hour,) = taken(row(0, OPTIME=".75")).hours
    assert hour == KnownHour(
        FIRST_MS + 5 * HOUR_MS, 75, 45_586, 37_500_000, True, "", quality_assured=True, source=SOURCE
    )  # fmt: skip
    assert hour.load_w == 50_000_000


@pytest.mark.parametrize(
    ("fields", "assured"),
    [
        ({"NOXMMEASURE": "1"}, True),
        ({"NOXMMEASURE": "2"}, True),
        ({"NOXRMEASURE": "2", "HTINPUTMEASURE": ""}, True),
        ({"NOXMMEASURE": "3"}, False),
        ({"NOXMMEASURE": "4"}, False),
        ({"NOXMMEASURE": "6"}, False),
        ({"NOXMMEASURE": ""}, False),
        ({"NOXRMEASURE": "3"}, False),
        ({"HTINPUTMEASURE": "3"}, False),
        ({"NOXMASS": "-9"}, False),
    ],
)
def test_only_a_mass_that_was_measured_or_calculated_of_measurements_counts(
    fields: dict[str, str], assured: bool
) -> None:
    hour = taken(row(0), row(1, **fields)).hours[1]
    assert (hour.quality_assured, hour.nox_g, hour.is_missing) == (
        (True, 45_586, False) if assured else (False, None, True)
    )


def test_an_hour_of_rest_has_no_mass_and_a_moment_is_a_hundredth() -> None:
    rest, moment, unknown = taken(off(0), row(1, OPTIME=".001", NOXMASS="0.1"), row(2, GLOAD="-9")).hours
    assert (rest.operating_percent, rest.nox_g, rest.quality_assured, rest.is_missing) == (0, 0, False, False)
    assert (moment.operating_percent, moment.nox_g, moment.load_w) == (1, 45, 50_000_000)
    assert (unknown.is_load_known, unknown.load_w, unknown.quality_assured) == (False, None, True)


def test_a_file_is_counted() -> None:
    found = taken(row(0), off(1), row(2, GLOAD="-9"), row(3, NOXMMEASURE="3"))
    assert (found.first_ms, found.end_ms) == (FIRST_MS + 5 * HOUR_MS, FIRST_MS + 9 * HOUR_MS)
    assert (len(found.hours), found.operating, found.quality_assured) == (4, 3, 2)
    assert (found.without_load, found.nox_g) == (1, 2 * 45_586)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([row(0), row(1, BLRID="B-2")], "line 3, column BLRID: '77/B-2': another unit; only hours of 77/B-1"),
        ([row(0, ORISID="78")], "line 2, column BLRID: '78/B-1': another unit"),
        ([row(1), row(0)], "line 3, column HOUR: '2007-01-01 00': out of order"),
        ([row(0), row(2)], "line 3, column HOUR: '2007-01-01 02': hours are left out before it"),
        ([row(0, OPTIME="-9")], "line 2, column OPTIME: '': whether the unit ran must be known"),
        ([row(0, OPTIME="0")], "line 2, column NOXMASS: '100.5': a mass, and the unit did not run"),
        ([row(0, NOXMASS="220.5")], "line 2, column NOXMASS: '220.5': 100017 g/h while it ran, more than the 100000"),
        ([row(0, NOXMASS="110.3", OPTIME=".5")], "line 2, column NOXMASS: '110.3': 100062 g/h while it ran"),
        ([row(0, GLOAD="60.1")], "line 2, column GLOAD: '60.1': more than 60000000 W"),
        ([row(0, NOXMMEASURE="")], "line 2, column NOXMMEASURE: no hour says how its mass was found"),
    ],
)  # fmt: skip
def test_whatever_leaves_a_doubt_is_refused_with_line_and_column(rows: list[str], words: str) -> None:
    assert words in refusal(*rows)


def test_what_another_system_put_in_the_place_of_a_measurement_is_held_against_the_maximum_too() -> None:
    assert "column NOXMASS" in refusal(row(0), row(1, NOXMASS="999999", NOXMMEASURE="3"))


def test_no_hour_ends_after_the_first_of_the_gateway() -> None:
    terms = replace(TERMS, end_ms=FIRST_MS + 7 * HOUR_MS)
    assert len(taken(row(0), row(1), terms=terms).hours) == 2
    assert (
        "line 4, column HOUR: '2007-01-01 02': the hour ends after the first hour of the gateway itself"
        in refusal(row(0), row(1), row(2), terms=terms)
    )


def test_a_file_of_more_than_six_years_is_refused() -> None:
    (first,) = parse([HEADER, row(0)])
    rows = [replace(first, line=n + 2, local_start_ms=FIRST_MS + n * HOUR_MS) for n in range(ROWS_MAX + 1)]
    terms = replace(TERMS, end_ms=FIRST_MS + 10**6 * HOUR_MS)
    assert len(take(rows[1:], terms, source=SOURCE).hours) == ROWS_MAX
    with pytest.raises(HourlyFileError, match=f"line {ROWS_MAX + 2}: more than {ROWS_MAX} hours"):
        take(rows, terms, source=SOURCE)


RULES = replace(MASS_RATE, maximum=Decimal(99_999), max_load=Decimal(60_000_000), initial_hours=2)


def own(n: int, nox_g: int | None) -> KnownHour:
    """An hour that the gateway measured, or missed, `n` hours after the file begins."""
    start_ms = FIRST_MS + (5 + n) * HOUR_MS
    return KnownHour(start_ms, 100, nox_g, 50_000_000, True, "01" if nox_g else "", nox_g is not None)


def test_a_substitute_that_looks_back_on_a_file_names_it_in_its_recipe() -> None:
    imported = taken(row(0), row(1, NOXMASS="50"), row(2, NOXMMEASURE="3")).hours
    history = [*imported, own(3, None), own(4, 60_000)]
    (one,) = substitutes_of(history, RULES, {own(3, None).start_ms}, began_ms=history[0].start_ms)
    assert (one.value, one.availability.qa_hours, one.availability.operating_hours) == (Decimal(99_999), 2, 4)
    assert one.rests_on == (SOURCE,)
    recipe = canonical_recipe(one, RULES)
    assert recipe[-1] == [IMPORTED + SOURCE]
    assert sources_in(recipe) == {SOURCE}
    # The gap began in the other system's time; who runs it then is told by the hours alone.
    assert recipe[5] == [imported[2].start_ms, own(3, None).start_ms, 2, True]


def test_what_rests_on_the_gateway_alone_names_no_file() -> None:
    history = [own(0, 50_000), own(1, 50_000), own(2, None), own(3, 50_000)]
    (one,) = substitutes_of(history, RULES, {own(2, None).start_ms}, began_ms=history[0].start_ms)
    assert one.rests_on == ()
    assert sources_in(canonical_recipe(one, RULES)) == frozenset()
    assert sources_in(["something else"]) == frozenset()


def test_files_are_named_from_the_newest_on_each_once() -> None:
    imported = taken(row(0), row(1), row(2), row(3)).hours
    sources = ("a:-5", "a:-5", "c:-5", "b:-5")
    of_files = [replace(hour, source=source) for hour, source in zip(imported, sources, strict=True)]
    history = [*of_files, own(4, 50_000), own(5, None), own(6, 50_000)]
    (one,) = substitutes_of(history, RULES, {own(5, None).start_ms}, began_ms=own(4, None).start_ms)
    assert one.rests_on == ("b:-5", "c:-5", "a:-5")


@pytest.mark.parametrize(("short_h", "code"), [(1, "07"), (0, "12")])
def test_a_monitor_is_as_old_as_the_files_say(short_h: int, code: str) -> None:
    """The initial procedure ends with 2,160 hours or three years; then three good hours of four are below 80 %."""
    rules = replace(RULES, initial_hours=1_000)
    gap = RULES.oldest_clock_hours - short_h
    history = [*taken(row(0), row(1)).hours, own(gap - 1, 50_000), own(gap, None), own(gap + 1, 50_000)]
    began_ms = own(gap - 1, None).start_ms
    (one,) = substitutes_of(history, rules, {own(gap, None).start_ms}, began_ms=began_ms)
    assert one.method.code == code


def test_a_series_of_masses_is_in_the_order_of_time_whatever_the_order_of_the_file() -> None:
    rows = parse([HEADER, row(0), row(1, NOXMASS="50"), off(2), row(3)])
    (in_order,), (turned,) = mass_series(rows), mass_series(rows[::-1])
    assert [hour.value for hour in in_order.hours] == [Decimal(45_586), Decimal(22_680), Decimal(45_586)]
    assert turned == in_order


def test_three_years_after_a_file_nothing_rests_on_it() -> None:
    imported = taken(row(0), row(1)).hours
    later = RULES.oldest_clock_hours
    history = [
        *imported,
        own(later + 2, 50_000),
        own(later + 3, 50_000),
        own(later + 4, None),
        own(later + 5, 50_000),
    ]
    (one,) = substitutes_of(history, RULES, {own(later + 4, None).start_ms}, began_ms=history[0].start_ms)
    assert one.rests_on == ()


def test_hours_of_a_file_are_operating_hours_as_the_audit_has_them() -> None:
    hours = operating_hours(taken(row(0), off(1), row(2, OPTIME=".5")).hours)
    assert [(hour.value, hour.load, hour.quality_assured) for hour in hours] == [
        (Decimal(45_586), Decimal(50_000_000), True),
        (Decimal(91_172), Decimal(50_000_000), True),
    ]
