"""How checks are told: the event that is signed, the body that is stored, the text for a person."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from doxedge.gateway.record_desk import Happening
from doxedge.measurement.calibration import ErrorRule
from doxedge.measurement.calibration_check import CheckEnd, CheckResult, GasResult, rule_of
from doxedge.store.qa_rows import QaEntry

SHOWN_PLACES: Final = Decimal("0.001")
"""Of a mean that is shown; the exact one decided, and is stored."""
_UNITS: Final = {
    ErrorRule.PPM_SPAN: "% of span",
    ErrorRule.PCT_ABS: "% of gas",
    ErrorRule.FLOW_SPAN: "% of span",
}


def check_body(result: CheckResult, *, origin: str, by: str) -> dict[str, Any]:
    """For the store: every figure as it was, as decimal strings."""
    return {
        "end": result.end.value,
        "why": result.why,
        "origin": origin,
        "by": by,
        "gases": [_gas_body(gas) for gas in result.gases],
    }


def check_event(entry: QaEntry) -> Happening | None:
    """What is signed of a check; None for one that tested nothing."""
    end = CheckEnd(entry.body["end"])
    if end is CheckEnd.INCOMPLETE:
        return None
    text = f"{entry.quantity}: {check_text(entry.quantity, entry.body)}"
    return Happening(f"calibration.{end.value}", entry.at_ms, text, key=f"{entry.quantity}/{entry.at_ms}")


def suspect_since(entry: QaEntry) -> Happening:
    """A test that failed says something of the hours since it was made."""
    body = entry.body
    text = f"{entry.quantity}: the {body['kind']} of {body['day']} failed; the hours since then are in doubt"
    key = f"{entry.quantity}/{entry.at_ms}/{body['sha256'][:16]}"
    return Happening("hours.suspect", entry.at_ms, text, key=key)


def suspect_back_to(quantity: str, first_ms: int, last_ms: int, failed_ms: int) -> Happening:
    """A check that failed says, under Part 60, something of the hours since the last pass."""
    text = (
        f"{quantity}: a check failed at {failed_ms}; the hours from {first_ms} to {last_ms}, since the last pass, are "
        "in doubt"
    )
    return Happening("calibration.suspect", failed_ms, text, key=f"{quantity}/{failed_ms}")


def check_text(quantity: str, body: Mapping[str, Any]) -> str:
    """One line: each gas with its error, and what went wrong."""
    rule, _ = rule_of(quantity)
    parts = [
        f"{gas['gas']} {shown(gas['measured'])} for {gas['reference']}, error {gas['error']} {_UNITS[rule]}, "
        f"{gas['verdict']}, bottle {gas['bottle']} ({gas['vendor']})"
        for gas in body["gases"]
    ]
    if body["why"]:
        parts.append(str(body["why"]))
    asked = f" by {body['by']}" if body["by"] else ""
    return "; ".join([*parts, f"begun by the {body['origin']}{asked}"])


def shown(number: str) -> str:
    """A mean to three places."""
    return f"{Decimal(number).quantize(SHOWN_PLACES, ROUND_HALF_UP).normalize():f}"


def _gas_body(gas: GasResult) -> dict[str, Any]:
    return {
        "gas": gas.gas.value,
        "measured": str(gas.measured.mean),
        "readings": gas.measured.readings,
        "from_ms": gas.measured.from_ms,
        "to_ms": gas.measured.to_ms,
        "reference": str(gas.cylinder.reference),
        "bottle": gas.cylinder.bottle,
        "vendor": gas.cylinder.vendor,
        "expires_ms": gas.cylinder.expires_ms,
        "error": str(gas.checked.error),
        "verdict": gas.checked.verdict,
    }
