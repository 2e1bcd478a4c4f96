"""The hourly file of the system that measured the bench's unit before the gateway."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from doxedge.quantity import HOUR_MS
from tests.ledger.channels import START_MS

HEADER = (
    "ORISID,BLRID,YYMMDD,HOUR,NOXMASS,NOXRATE,OPTIME,GLOAD,HTINPUT,HTINPUTMEASURE,NOXMMEASURE,NOXRMEASURE"
)
CALLED = "703/2BLR"
UTC_OFFSET = -5
POUNDS = Decimal("44.0925")
GRAMS = 20_000
"""As much, and the rate of `missing_hours`."""


@dataclass(frozen=True)
class Hour:
    """One row."""

    pounds: Decimal | None = POUNDS
    load_mw: int = 50
    flag: str = "1"
    optime: str = "1"
    blrid: str = "2BLR"


def text(hours: Iterable[Hour], *, end_ms: int = START_MS) -> str:
    """A file whose last hour ends at an instant (UTC)."""
    rows = [*hours]
    lines = [HEADER]
    for n, hour in enumerate(rows):
        local_ms = end_ms - (len(rows) - n) * HOUR_MS + UTC_OFFSET * HOUR_MS
        at = dt.datetime.fromtimestamp(local_ms // 1_000, dt.UTC)
        mass = "-9" if hour.pounds is None else f"{hour.pounds:f}"
        lines.append(
            f"703,{hour.blrid},{at:%y%m%d},{at.hour},{mass},.2,{hour.optime},{hour.load_mw},500,1,{hour.flag},1"
        )
    return "\n".join(lines) + "\n"
