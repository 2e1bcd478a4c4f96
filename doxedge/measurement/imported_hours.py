"""Hours that another system measured, out of its hourly file, as the history of a gateway takes them.

What is taken of a row of the EPA CEM layout (`hourly_file`):

    YYMMDD, HOUR   the hour, from the plant's standard time to UTC
    OPTIME         the operating share, to the hundredth as Part 75 reports it; 0: the unit did not run
    NOXMASS        the mass, in whole grams, where it is quality-assured
    GLOAD          the load; the energy of the hour is load times operating share. Without it the load is not known
    NOXMMEASURE    how the mass was found: quality-assured when measured (1) or calculated (2)
    NOXRMEASURE, HTINPUTMEASURE   rate and heat input, of which it may be made: neither may be a substitute

Nothing else of the file is taken. An hour that ran and is not quality-assured is missing: what the other system put
in its place is not taken either. The file has every hour, one after the other, also those in which the unit did not
run: who could leave out bad hours could raise the availability.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from doxedge.measurement.availability import Availability, AvailabilityCounter
from doxedge.measurement.hour_history import WHOLE_HOUR, KnownHour, operating_hours, rate_g_per_h
from doxedge.measurement.hour_series import MEASURED_FLAGS, ReportedHour, Series, hour_text
from doxedge.measurement.hourly_file import HourlyFileError, HourlyRow
from doxedge.measurement.parameters import Kind
from doxedge.quantity import HOUR_MS, whole

ROWS_MAX: Final = 2 * 26_280
"""Six years; no rule looks back further than three."""
MASS: Final = "NOX g/h"
"""What a series of mass rates is one of."""
UTC_OFFSET_MIN_H: Final = -12
UTC_OFFSET_MAX_H: Final = 14
_WATTS_PER_MEGAWATT: Final = 1_000_000
_MAY_SAY_NOTHING: Final = ("NOXRMEASURE", "HTINPUTMEASURE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a file must fit to be taken for a unit."""

    called: str
    """What the file calls the unit: ORISID/BLRID."""

    utc_offset_hours: int
    """Of the plant's standard time; New York: -5."""

    end_ms: int
    """No hour of the file ends later."""

    end_reason: str
    """What is there: completes `the hour ends after ...`."""

    g_per_h_max: int
    load_w_max: Decimal


@dataclass(frozen=True, slots=True)
class TakenHours:
    """What is taken of a file: its hours in the order of time, without a hole."""

    source: str
    """Names the file, and how its hours were placed."""

    hours: tuple[KnownHour, ...]

    @property
    def first_ms(self) -> int:
        """Beginning of the first hour."""
        return self.hours[0].start_ms

    @property
    def end_ms(self) -> int:
        """End of the last hour."""
        return self.hours[-1].start_ms + HOUR_MS

    @property
    def operating(self) -> int:
        """Hours in which the unit ran."""
        return sum(1 for hour in self.hours if hour.operating_percent)

    @property
    def quality_assured(self) -> int:
        """Those of them whose mass was measured."""
        return sum(1 for hour in self.hours if hour.quality_assured)

    @property
    def without_load(self) -> int:
        """Quality-assured hours that no look-back by load finds."""
        return sum(1 for hour in self.hours if hour.quality_assured and not hour.is_load_known)

    @property
    def nox_g(self) -> int:
        """Of the quality-assured hours."""
        return sum(hour.nox_g for hour in self.hours if hour.nox_g is not None)

    @property
    def availability(self) -> Availability:
        """At the end of the file, by its hours alone."""
        counter, now = AvailabilityCounter(), Availability(0, 0)
        for hour in self.hours:
            if hour.operating_percent:
                now = counter.count(quality_assured=hour.quality_assured)
        return now


def source_name(file_hash: str, utc_offset_hours: int) -> str:
    """The SHA-256 of a file and where its hours were placed: `<64 hex digits>:-5`. Who has both has the hours."""
    return f"{file_hash}:{utc_offset_hours:+d}"


def take(rows: Sequence[HourlyRow], terms: Terms, *, source: str) -> TakenHours:
    """All rows of a file as hours of one unit. Raises HourlyFileError, which names line and column, for any doubt."""
    if len(rows) > ROWS_MAX:
        raise HourlyFileError(
            f"more than {ROWS_MAX} hours; no rule looks back further than three years: leave the oldest out",
            line=rows[ROWS_MAX].line,
        )
    before: HourlyRow | None = None
    for row in rows:
        _check(row, before, terms)
        before = row
    operating = [row for row in rows if row.operating]
    if operating and not any("NOXMMEASURE" in row.flags for row in operating):
        raise HourlyFileError(
            "no hour says how its mass was found, so none would be quality-assured",
            line=operating[0].line,
            column="NOXMMEASURE",
        )
    return TakenHours(source, tuple(known_hour(row, terms.utc_offset_hours, source=source) for row in rows))


def known_hour(row: HourlyRow, utc_offset_hours: int, *, source: str) -> KnownHour:
    """One hour as the history has it."""
    percent = _percent(row)
    nox_g = row.grams if percent and is_assured(row) else None
    load_w = load_w_of(row)
    energy_wh = 0 if load_w is None else whole(load_w * percent / WHOLE_HOUR)
    return KnownHour(
        row.start_ms(utc_offset_hours),
        percent,
        nox_g if percent else 0,
        energy_wh,
        load_w is not None,
        "",
        quality_assured=nox_g is not None,
        source=source,
    )


def mass_series(rows: Sequence[HourlyRow]) -> list[Series]:
    """The mass rates of a file's units, g/h and W, as the history of a gateway has them after an import."""
    units: dict[tuple[str, str], list[HourlyRow]] = {}
    for row in rows:
        units.setdefault((row.plant, row.unit), []).append(row)
    return [_of_unit(sorted(unit, key=lambda row: row.local_start_ms)) for unit in units.values()]


def _of_unit(rows: Sequence[HourlyRow]) -> Series:
    operating = [row for row in rows if row.operating]
    hours = operating_hours([known_hour(row, 0, source="") for row in operating])
    placed = tuple(replace(hour, line=row.line) for hour, row in zip(hours, operating, strict=True))
    told = {row.local_start_ms: ReportedHour(row.flags.get("NOXMMEASURE")) for row in operating}
    load_unit = "W" if any(hour.load is not None for hour in placed) else None
    return Series(rows[0].plant, rows[0].unit, MASS, Kind.RATE, placed, told, load_unit)


def is_assured(row: HourlyRow) -> bool:
    """Whether the mass of an hour was measured, and nothing that it was made of is a substitute."""
    if row.nox_lb is None or row.flags.get("NOXMMEASURE") not in MEASURED_FLAGS:
        return False
    return all(row.flags.get(column, "1") in MEASURED_FLAGS for column in _MAY_SAY_NOTHING)


def load_w_of(row: HourlyRow) -> Decimal | None:
    """Mean power while the unit ran; None where the file has none. Steam is no power."""
    return None if row.gross_mw is None else row.gross_mw * _WATTS_PER_MEGAWATT


def _check(row: HourlyRow, before: HourlyRow | None, terms: Terms) -> None:
    """All that must hold of a row; whatever comes first is told."""
    called = f"{row.plant}/{row.unit}"
    if called != terms.called:
        raise _error(row, "BLRID", called, f"another unit; only hours of {terms.called} are taken")
    if before is not None and row.local_start_ms != before.local_start_ms + HOUR_MS:
        what = (
            "out of order" if row.local_start_ms < before.local_start_ms else "hours are left out before it"
        )
        raise _error(
            row, "HOUR", hour_text(row.local_start_ms),
            f"{what}: each hour follows the one before ({hour_text(before.local_start_ms)}), also where the unit "
            "did not run",
        )  # fmt: skip
    if row.start_ms(terms.utc_offset_hours) + HOUR_MS > terms.end_ms:
        raise _error(
            row,
            "HOUR",
            hour_text(row.local_start_ms),
            f"the hour ends after {terms.end_reason}: leave it out",
        )
    _check_values(row, terms)


def _check_values(row: HourlyRow, terms: Terms) -> None:
    if row.operating_h is None:
        raise _error(row, "OPTIME", "", "whether the unit ran must be known of each hour; 0 where it did not")
    if not row.operating_h and row.nox_lb:
        raise _error(row, "NOXMASS", row.nox_lb, "a mass, and the unit did not run (OPTIME 0)")
    load_w, grams = load_w_of(row), row.grams
    if load_w is not None and load_w > terms.load_w_max:
        raise _error(
            row, "GLOAD", row.gross_mw, f"more than {terms.load_w_max:f} W, which is no load of this unit"
        )
    if not row.operating or grams is None:
        return
    if (rate := rate_g_per_h(grams, _percent(row))) > terms.g_per_h_max:
        reason = (
            f"{rate} g/h while it ran, more than the {terms.g_per_h_max} g/h that this unit can emit at most"
        )
        raise _error(row, "NOXMASS", row.nox_lb, reason)


def _percent(row: HourlyRow) -> int:
    """A unit that ran at all ran a hundredth of the hour."""
    if not row.operating or row.operating_h is None:
        return 0
    return max(1, whole(row.operating_h * WHOLE_HOUR))


def _error(row: HourlyRow, column: str, value: object, reason: str) -> HourlyFileError:
    return HourlyFileError(reason, line=row.line, column=column, value=str(value))
