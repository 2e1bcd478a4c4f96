"""A sample as it is kept on disk: the raw answers and what was decoded from them, in one form.

The bytes of a row are a leaf of the Merkle tree whose root the signed hour carries, so they hold everything that is
needed to assess the sample again: after a restart, or at a regulator's desk years later.

    row     canonical [1, monotonic_ns, values, [flag…], raw]
    values  one line of ASCII for each: `nox_ppb=123.4`, `no_ppb!comms` (no value, and why), `n_ppb=1!default`

The values are one byte string and not an array because a gateway writes some hundred of them a second: checking and
encoding each as a value of its own costs several times as much as everything else on their way to the disk.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final

from doxedge.measurement.sample import Reason, Sample
from doxedge.signing import canonical

VERSION: Final = 1
ROW_BYTES_MAX: Final = 64 * 1024
AGAIN_AT_ONCE: Final = 256
"""Stored rows that a restart reads at once: what it takes for a moment stays with the process for good."""
FORMS_KEPT_MAX: Final = 256
"""Groups of values; more are made anew each time."""
_LINE: Final = re.compile(r"([a-z0-9_]+)(?:=([-+0-9.E]+))?(?:!([a-z_]+))?")


def pack(sample: Sample) -> bytes:
    """The row of a sample."""
    return _row(sample, _lines(sample))


class Packer:
    """Makes rows, and the lines of values that come again only once."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], tuple[Sample, bytes]] = {}

    def pack(self, sample: Sample) -> bytes:
        """The row of a sample."""
        group = sample.device, next(iter(sample.values), "")
        known = self._last.get(group)
        # The same mappings, as a driver gives them out while an instrument answers the same bytes.
        if known is None or not (known[0].values is sample.values and known[0].failures is sample.failures):
            known = self._last[group] = sample, _lines(sample)
        return _row(sample, known[1])


def unpack(device: str, at_ms: int, row: bytes) -> Sample:
    """The sample in a row. Raises ValueError when the row is none of ours."""
    where = f"the stored sample of {device} at {at_ms}"
    match canonical.decode(row, limit=ROW_BYTES_MAX):
        case [1, int(monotonic_ns), bytes(values), list(flags), bytes(raw)]:
            pass
        case _:
            raise ValueError(f"{where} has an unknown form")
    decoded: dict[str, Decimal | None] = {}
    failures: dict[str, Reason] = {}
    for line in values.decode("ascii").split("\n") if values else ():
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"{where} has a value of unknown form: {line!r}")
        name, value, reason = match.groups()
        decoded[name] = None if value is None else _decimal(value, where)
        if reason is not None:
            failures[name] = Reason(reason)
    return Sample(
        device=device,
        at_ms=at_ms,
        monotonic_ns=monotonic_ns,
        values=decoded,
        flags=frozenset(str(flag) for flag in flags),
        failures=failures,
        raw=raw,
    )


def _row(sample: Sample, lines: bytes) -> bytes:
    return canonical.encode([VERSION, sample.monotonic_ns, lines, [*sorted(sample.flags)], sample.raw])


def _lines(sample: Sample) -> bytes:
    failures = sample.failures
    if not failures:
        return (_form(tuple(sample.values)) % tuple(sample.values.values())).encode("ascii")
    lines = [_line(name, value, failures.get(name)) for name, value in sample.values.items()]
    return "\n".join(lines).encode("ascii")


@lru_cache(maxsize=FORMS_KEPT_MAX)
def _form(names: tuple[str, ...]) -> str:
    """The lines of values that are all there, with a place for each."""
    return "\n".join(f"{name}=%s" for name in names)


def _line(name: str, value: Decimal | None, reason: Reason | None) -> str:
    stated = name if value is None else f"{name}={value}"
    return stated if reason is None else f"{stated}!{reason.value}"


def _decimal(text: str, where: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{where}: {text!r} is not a decimal number") from error
