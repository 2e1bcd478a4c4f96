"""`[[unit.calibration]]` in the gateway's file: how one quantity is checked with gas, and when."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

VALUE_MAX = Decimal(10**15)
Value = Annotated[Decimal, Field(ge=-VALUE_MAX, le=VALUE_MAX)]
PositiveValue = Annotated[Decimal, Field(gt=0, le=VALUE_MAX)]
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
"""What is printed on a bottle."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GasTable(_Table):
    """`zero = { ... }` and `upscale = { ... }`: the gas, as its certificate says."""

    reference: Value
    """In the unit of the quantity."""
    bottle: Label
    vendor: Label
    expires: dt.date | None = None
    """The last day of the certificate; none for zero air from a generator."""


class CalibrationTable(_Table):
    """`[[unit.calibration]]`: one quantity that is out of control until a check has passed."""

    quantity: str
    """What is checked, and bad while it is out of control."""
    reads: str | None = None
    """The quantity whose readings are taken while gas flows, where the instrument has another for that."""
    span: PositiveValue
    """In the unit of the quantity."""
    limits: Literal["daily", "seven-day"] = "daily"
    failed_check: Literal["part75", "part60"] = "part75"
    """What a failed check says of the hours since the last pass: nothing (part75), or that they are invalid."""
    control: Literal["by_hand", "commands"] = "by_hand"
    """Who switches the gas: somebody or the instrument itself, or the gateway with the commands of the register map."""
    daily_at: dt.time | None = None
    """UTC. None: no schedule."""
    settle_s: int = Field(180, ge=0, le=3_600)
    """After the gas is on, before its readings count."""
    read_s: int = Field(60, ge=1, le=3_600)
    """So long readings count."""
    s_ams: PositiveValue | None = None
    """Standard deviation of the analyser, from its approval, in the unit of the quantity: with it the checks are kept
    on QAL3 charts (EN 14181, 7). A unit under the rule set `eu` needs it."""
    zero: GasTable
    upscale: GasTable
