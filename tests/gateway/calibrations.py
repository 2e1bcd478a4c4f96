"""Tables of `[[unit.calibration]]` for tests."""

from __future__ import annotations

ZERO = 'zero = { reference = 0, bottle = "Z-1", vendor = "zero air" }'
UPSCALE = 'upscale = { reference = 400_000, bottle = "U-9", vendor = "a maker", expires = 2031-03-31 }'


def calibration_text(
    quantity: str = "nox_ppb",
    *,
    lines: str = "",
    span: str = "500_000",
    zero: str = ZERO,
    upscale: str = UPSCALE,
) -> str:
    """One table; `lines` adds keys."""
    return f'\n[[unit.calibration]]\nquantity = "{quantity}"\nspan = {span}\n{lines}\n{zero}\n{upscale}\n'
