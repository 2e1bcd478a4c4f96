"""The recipe of a substitute: every number that went into it, so that anybody can compute it again from the file.

Numbers are decimal texts, counts are whole numbers, hours are local standard time labelled by their beginning. A
look-back is told by its load range, its first and last hour and how many hours it has: these are all quality-assured
hours of that range from the first to the last.
"""

from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Any

from doxedge.measurement.averaging import EXACT
from doxedge.measurement.hour_series import hour_text
from doxedge.measurement.missing_data_rules import Rules, Statistic
from doxedge.measurement.substitution import WITHOUT_LOAD, LookBack, OperatingHour, Substitute


def recipe(substitute: Substitute, rules: Rules, max_load: Decimal | None) -> Mapping[str, Any]:
    """As JSON values. `max_load` is what the load ranges are shares of."""
    gap = substitute.gap
    return {
        "rule": substitute.rule,
        "statistic": substitute.chosen.value,
        "exact": _text(substitute.exact),
        "decimals": rules.places,
        "availability": {
            "qa_hours": substitute.availability.qa_hours,
            "operating_hours": substitute.availability.operating_hours,
            "percent": str(substitute.availability.percent),
        },
        "gap": {
            "first": hour_text(gap.hours[0].start_ms),
            "last": hour_text(gap.hours[-1].start_ms),
            "operating_hours": len(gap.hours),
            "ended": gap.after is not None,
        },
        "load": None
        if substitute.load_range == WITHOUT_LOAD
        else {
            "load": _text(substitute.hour.load),
            "max_load": _text(max_load),
            "range": substitute.load_range,
            "ranges": rules.load_ranges,
        },
        "look_back": _look_back(substitute, rules),
        "neighbours": _neighbours(substitute),
        "maximum_potential": _text(rules.maximum) if substitute.chosen is Statistic.POTENTIAL else None,
    }


def _look_back(substitute: Substitute, rules: Rules) -> Mapping[str, Any] | None:
    look_back = substitute.look_back
    if look_back is None:
        return None
    statistic = substitute.method.statistic
    told: dict[str, Any] = {
        "load_range": look_back.load_range or None,
        "reading": rules.reading.value if look_back.wanted else "all",
        "wanted_hours": look_back.wanted,
        "hours": len(look_back.hours),
        "first": hour_text(look_back.hours[0].start_ms),
        "last": hour_text(look_back.hours[-1].start_ms),
        "statistic": statistic.value,
        "value": _text(substitute.candidates[statistic]),
    }
    if statistic is Statistic.MEAN:
        told["sum"] = _text(_sum(look_back))
    if substitute.rank is not None:
        told |= {"percent": substitute.method.percent, "rank": substitute.rank}
    return told


def _neighbours(substitute: Substitute) -> Mapping[str, Any] | None:
    if Statistic.NEIGHBOURS not in substitute.candidates:
        return None
    return {
        "before": _beside(substitute.gap.before),
        "after": _beside(substitute.gap.after),
        "mean": _text(substitute.candidates[Statistic.NEIGHBOURS]),
    }


def _beside(hour: OperatingHour | None) -> Mapping[str, Any] | None:
    return None if hour is None else {"hour": hour_text(hour.start_ms), "value": _text(hour.value)}


def _sum(look_back: LookBack) -> Decimal:
    with localcontext(EXACT):
        return sum((hour.value for hour in look_back.hours if hour.value is not None), Decimal(0))


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"
