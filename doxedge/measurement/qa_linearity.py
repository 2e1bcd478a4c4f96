"""Files of linearity checks: one row for each gas level, recomputed from its three injections."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from doxedge.measurement.linearity import DIFFERENCE_PLACES, Level, judge_level
from doxedge.measurement.parameters import KINDS, Kind, fixed
from doxedge.measurement.qa_comparison import (
    Audited,
    Difference,
    Rule,
    as_given,
    as_written,
    compare,
    same_number,
    same_text,
)
from doxedge.measurement.table_file import Row, read
from doxedge.measurement.verdict import PASSED_ALTERNATIVE

IDENTITY: Final = ("oris", "location", "test_num", "parameter", "gas_level")
MEASURED: Final = ("measured_1", "measured_2", "measured_3")
ALSO: Final = ("span_scale", "date")
GIVEN: Final = (*ALSO, *MEASURED, "reference")
RESULTS: Final = (
    "mean_measured_3dp",
    "linearity_error_pct",
    "mean_diff_rounded",
    "level_verdict",
    "level_value",
)
OTHERS: Final = ("epa_calc_value", "epa_calc_aps_ind", "reported_value", "reported_aps_ind")
ORDER: Final = (
    *("oris", "location", "test_num", "parameter", "span_scale", "gas_level", "date"),
    *MEASURED,
    "reference",
    *RESULTS,
)

REPORTED_TOLERANCE: Final = Decimal("0.1")
"""A plant that rounds the mean first is up to a tenth off (data of EPA's engine)."""


def audit(lines: Iterable[str]) -> list[Audited]:
    """Every gas level of a file, in its order. Raises TableError."""
    return [_audited(row) for row in read(lines, required=(*IDENTITY, *MEASURED, "reference"), optional=ALSO)]


def differences(ours: Sequence[Audited], lines: Iterable[str]) -> list[Difference]:
    """What a results file states otherwise. Raises TableError."""
    theirs = read(lines, required=IDENTITY, optional=(*GIVEN, *RESULTS, *OTHERS))
    return compare(ours, theirs, key=_key, rules=RULES)


def _key(row: Row) -> tuple[str, ...]:
    return tuple(row.text(column) for column in IDENTITY)


def _audited(row: Row) -> Audited:
    kind = KINDS.get(row.text("parameter"))
    if kind not in DIFFERENCE_PLACES:
        gases = ", ".join(name for name, known in KINDS.items() if known in DIFFERENCE_PLACES)
        raise row.error("parameter", f"no gas that has a linearity check; these have: {gases}")
    level = judge_level(kind, [row.number(column) for column in MEASURED], row.positive("reference"))
    shown = {**row.texts, **_shown(kind, level)}
    return Audited(
        _key(row),
        {column: shown[column] for column in ORDER if column in shown},
        {"mean_measured_3dp": level.mean, "difference": level.difference},
        {
            "epa_calc_value": (shown["level_value"],),
            "epa_calc_aps_ind": (int(level.verdict == PASSED_ALTERNATIVE),),
            "reported_value": (shown["level_value"],),
        },
    )


def _shown(kind: Kind, level: Level) -> Mapping[str, str]:
    return {
        "mean_measured_3dp": fixed(level.mean, 3),
        "linearity_error_pct": fixed(level.error_percent, 1),
        "mean_diff_rounded": fixed(level.difference_rounded, DIFFERENCE_PLACES[kind]),
        "level_verdict": level.verdict,
        "level_value": f"{level.value:f}",
    }


def _reported_value(audited: Audited, row: Row, column: str) -> bool:
    """A plant may state the difference where the error would have passed too, and rounds it as it likes."""
    stated = row.number(column)
    error = Decimal(str(audited.shown["linearity_error_pct"]))
    difference = [audited.exact["difference"], Decimal(str(audited.shown["mean_diff_rounded"]))]
    indicator = row.texts.get("reported_aps_ind", "")
    known = {"0": [error], "1": difference}.get(indicator, [error, *difference])
    return any(abs(stated - value) <= REPORTED_TOLERANCE for value in known)


RULES: Final[Mapping[str, Rule]] = {
    **dict.fromkeys(GIVEN, as_given),
    "mean_measured_3dp": as_written,
    "linearity_error_pct": same_number,
    "mean_diff_rounded": same_number,
    "level_verdict": same_text,
    "level_value": same_number,
    "epa_calc_value": same_number,
    "epa_calc_aps_ind": same_number,
    "reported_value": _reported_value,
}
