"""Files of calibration checks: one row for each day, recomputed from its zero and its upscale injection."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from doxedge.measurement.calibration import ErrorRule, Injection, Limits, judge
from doxedge.measurement.parameters import fixed
from doxedge.measurement.qa_comparison import (
    Audited,
    Difference,
    Rule,
    as_given,
    compare,
    same_number,
    same_text,
)
from doxedge.measurement.table_file import Row, read
from doxedge.measurement.verdict import worst

IDENTITY: Final = ("oris", "location", "test_num")
MOMENTS: Final = ("zero_date", "zero_time", "upscale_date", "upscale_time")
RAW: Final = ("error_rule", "span", "zero_measured", "zero_ref", "upscale_measured", "upscale_ref")
ALSO: Final = ("online_ind", "upscale_level", *MOMENTS)
RESULTS: Final = ("zero_cal_error", "upscale_cal_error", "test_result")
ORDER: Final = (
    *("oris", "location", "test_num", "error_rule", "span", "online_ind"),
    *("zero_date", "zero_time", "zero_measured", "zero_ref", "zero_cal_error"),
    *(
        "upscale_level",
        "upscale_date",
        "upscale_time",
        "upscale_measured",
        "upscale_ref",
        "upscale_cal_error",
    ),
    "test_result",
)
RULE_NAMES: Final = tuple(rule.value for rule in ErrorRule)


def audit(lines: Iterable[str], *, limits: Limits = Limits.SEVEN_DAY) -> list[Audited]:
    """Every day of a file, in its order. Raises TableError."""
    rows = read(lines, required=(*IDENTITY, *RAW), optional=ALSO, what="day")
    days = [_audited(row, limits) for row in rows]
    verdicts: dict[tuple[str, ...], list[str]] = {}
    for day in days:
        verdicts.setdefault(day.key[: len(IDENTITY)], []).append(str(day.shown["test_result"]))
    # EPA stores the result of the whole test; a day of it may be reported with either.
    return [
        Audited(day.key, day.shown, {}, {"test_result": (worst(verdicts[day.key[: len(IDENTITY)]]),)})
        for day in days
    ]


def differences(ours: Sequence[Audited], lines: Iterable[str]) -> list[Difference]:
    """What a results file states otherwise. Raises TableError."""
    theirs = read(lines, required=IDENTITY, optional=(*RAW, *ALSO, *RESULTS), what="day")
    both = [
        column for column in MOMENTS if column in theirs[0].texts and all(column in day.shown for day in ours)
    ]
    known = [replace(day, key=tuple(str(day.shown[column]) for column in (*IDENTITY, *both))) for day in ours]
    return compare(known, theirs, key=lambda row: _key(row, both), rules=RULES)


def _key(row: Row, moments: Sequence[str]) -> tuple[str, ...]:
    return (*(row.text(column) for column in IDENTITY), *(row.texts[column] for column in moments))


def _audited(row: Row, limits: Limits) -> Audited:
    rule = ErrorRule(row.one_of("error_rule", RULE_NAMES))
    needs_span = rule is not ErrorRule.PCT_ABS or row.has("span")
    checked = judge(
        Injection(row.number("zero_measured"), row.number("zero_ref")),
        Injection(row.number("upscale_measured"), row.number("upscale_ref")),
        span=row.positive("span") if needs_span else Decimal(1),  # percent of gas knows no span
        rule=rule,
        limits=limits,
    )
    shown = {
        **row.texts,
        # One decimal decides; the layout writes two.
        "zero_cal_error": fixed(checked.zero.error, 2),
        "upscale_cal_error": fixed(checked.upscale.error, 2),
        "test_result": checked.verdict,
    }
    moments = [column for column in MOMENTS if column in row.texts]
    return Audited(_key(row, moments), {column: shown[column] for column in ORDER if column in shown})


RULES: Final[Mapping[str, Rule]] = {
    **dict.fromkeys((*RAW, "online_ind", "upscale_level"), as_given),
    "zero_cal_error": same_number,
    "upscale_cal_error": same_number,
    "test_result": same_text,
}
