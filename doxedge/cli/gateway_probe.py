"""`doxedge gateway probe`: try a register map against a device, and see what each doubtful point looks like."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from doxedge.cli.gateway_device import Device, add_device_flags, line_failure, open_device
from doxedge.cli.outcome import Exit

if TYPE_CHECKING:
    from doxedge.analysers.driver import Driver
    from doxedge.analysers.phrase_map import PhrasePoint
    from doxedge.analysers.question import Outcome, Request
    from doxedge.measurement.sample import Sample

DESCRIPTION: Final = """\
Asks a device everything that its register map asks, once, and prints raw registers beside decoded values.
For each float it also shows what the four orders of bytes would make of the registers, at the map's address (n)
and at the one before (n-1): plausible values are marked, so that a wrong order or a list that counts from one is
seen at a glance. Settings that the map asks of the site and that are not given with --set stand at a value to try.

Nothing is written to the device, and nothing is kept. Many instruments take one connection only: stop the gateway.
"""

EPILOG: Final = """\
reading the table
  *   plausible: within the map's range and not zero        ~   possible: finite, but zero or outside the range
  n   the address as the map has it                         n-1 the address before it
  ABCD at n and CDAB at n-1 have the high word in common, so both look right; only the later digits tell. Likewise
  CDAB at n and ABCD at n+1. Compare as many digits with the instrument's display as it shows.

examples
  doxedge gateway probe --profile teledyne_t200 --host 192.0.2.7
  doxedge gateway probe --profile sick_marsic300 --host 192.0.2.8 --set word_order=CDAB --set gas_unit=ppm
  doxedge gateway probe --profile suto_s430 --serial /dev/serial/by-id/usb-FTDI_0 --baud 19200 --unit-id 3
  doxedge gateway probe --profile thermo_42i_clink --host 192.0.2.7
  doxedge gateway probe --profile schneider_iem3000 --host 192.0.2.9 --framing rtu --port 4001 --output json

To try it without an instrument: python -m simulators instrument --profile sick_marsic300

Exit codes: 0 answered and not contradicted, 2 flags or map, 3 cannot connect, 6 another instrument than the map's,
7 the line brought no answer that can be trusted.
"""


TWIN: Final = "ABCD at n and CDAB at n-1 share their high word: compare all digits with the display"
"""A list of floats read one register early in the other order gives values that look right. No range finds that."""


def add_probe(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The verb."""
    verb = verbs.add_parser(
        "probe",
        help="try a register map against one device",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_device_flags(verb)
    verb.set_defaults(func=_probe)


def _probe(options: argparse.Namespace) -> int:
    device = open_device(options, with_trials=True)
    report = asyncio.run(_look(device))
    if options.output == "json":
        sys.stdout.write(json.dumps(report, indent=1) + "\n")
    else:
        sys.stdout.write("\n".join(_table(report)) + "\n")
    return Exit.UNVERIFIED if report["identity"]["result"] == "contradicted" else Exit.OK


async def _look(device: Device) -> dict[str, Any]:
    """Everything that was seen. Raises Failure when the line fails."""
    from doxedge.analysers.question import Unanswered
    from doxedge.fieldbus.errors import LineError
    from doxedge.fieldbus.identify import identify

    reads: list[dict[str, Any]] = []

    async def ask(requests: Sequence[Request], group: str = "identity") -> list[Outcome]:
        outcomes: list[Outcome] = []
        for request in requests:
            started_s = time.monotonic()
            outcomes.append(await device.endpoint.exchange(request))
            reads.append(_read(group, request, outcomes[-1], 1_000 * (time.monotonic() - started_s)))
        return outcomes

    try:
        found = await identify(device.driver, ask)
        contradicted = isinstance(found, Unanswered)
        known = device.driver if isinstance(found, Unanswered) else found
        is_lost = contradicted and getattr(device.profile, "search", None) is not None
        groups = [] if is_lost else [await _group(known, group, ask) for group in known.groups]
    except LineError as error:
        raise line_failure(device, error) from error
    finally:
        await device.endpoint.close()
    identity = {"result": "agrees" if reads and reads[0]["group"] == "identity" else "no check", "detail": ""}
    if isinstance(found, Unanswered):
        identity = {"result": "contradicted", "detail": found.detail}
    return {**_head(device), "identity": identity, "reads": reads, "groups": groups}


def _head(device: Device) -> dict[str, Any]:
    identity = device.profile.identity
    return {
        "profile": device.profile.source,
        "maker": identity.maker,
        "model": identity.model,
        "source": identity.source,
        "verified": identity.verified.value,
        "doubts": list(identity.doubts),
        "line": device.endpoint.name,
        "settings": {name: str(value) for name, value in device.settings.items()},
        "tried_settings": list(device.trial),
    }


def _read(group: str, request: Request, outcome: Outcome, milliseconds: float) -> dict[str, Any]:
    from doxedge.analysers.question import Answer, DeviceException, Phrase
    from doxedge.fieldbus.modbus_pdu import exception_text

    what: dict[str, Any] = {"group": group, "ms": round(milliseconds, 1)}
    if isinstance(request, Phrase):
        what |= {"asked": request.text}
    else:
        what |= {"function": int(request.function), "address": request.address, "count": request.count}
    if isinstance(outcome, Answer):
        text = {"said": repr(outcome.data)[2:-1]} if isinstance(request, Phrase) else {}
        return {**what, "result": "answer", "data": outcome.data.hex(), **text}
    assert isinstance(outcome, DeviceException)  # noqa: S101 - exchange() brings no other outcome
    return {**what, "result": outcome.text or exception_text(outcome.code), "data": ""}


async def _group(driver: Driver, group: str, ask: Any) -> dict[str, Any]:
    """One poll, its decoded sample, and the other ways to read its floats."""
    from doxedge.analysers.phrase_map import PhrasePoint

    outcomes = await ask(driver.requests(group), group)
    sample = driver.sample(
        group, outcomes, at_ms=time.time_ns() // 1_000_000, monotonic_ns=time.monotonic_ns()
    )
    values: list[dict[str, Any]] = []
    for point in driver.profile.points:
        if point.group != group:
            continue
        if isinstance(point, PhrasePoint):
            values.append(_said(point, sample))
            continue
        registers = _registers(point.span, outcomes)
        value, limits = sample.values[point.quantity], point.limits
        values.append(
            {
                "quantity": point.quantity,
                "function": int(point.span.function),
                "address": point.span.first,
                "type": point.type.value,
                "order": point.order.value,
                "registers": registers.hex(),
                "value": None if value is None else str(value),
                "failure": sample.failures[point.quantity].value if value is None else None,
                "plausible": value is not None and _mark(value, limits) == "*",
                "readings": await _readings(point, driver, ask) if point.type.value in ("f32", "f64") else {},
                "quality": [
                    {
                        "about": one.about,
                        "address": one.span.first,
                        "holds": int.from_bytes(_registers(one.span, outcomes), "big") & one.mask,
                        "good": list(one.good),
                    }
                    for one in point.quality
                ],
            }
        )
    floats: list[Any] = [value["readings"] for value in values if value["readings"]]
    return {
        "group": group,
        "values": values,
        "flags": sorted(sample.flags),
        "floats": len(floats),
        "plausible_orders": _plausible_orders(floats),
    }


def _said(point: PhrasePoint, sample: Sample) -> dict[str, Any]:
    """A value that an instrument said in words: there is one way to read it."""
    value = sample.values[point.quantity]
    return {
        "quantity": point.quantity,
        "asked": point.ask,
        "place": point.place,
        "unit": point.unit,
        "value": None if value is None else str(value),
        "failure": sample.failures[point.quantity].value if value is None else None,
        "plausible": value is not None and _mark(value, point.limits) == "*",
        "readings": {},
        "quality": [],
    }


def _plausible_orders(floats: Sequence[dict[str, dict[str, dict[str, str]]]]) -> dict[str, dict[str, int]]:
    """For each place and order, how many floats it makes plausible: chance makes one so, but seldom all of them."""
    counts: dict[str, dict[str, int]] = {}
    for readings in floats:
        for place, orders in readings.items():
            for order, one in orders.items():
                row = counts.setdefault(place, {})
                row[order] = row.get(order, 0) + (one["mark"] == "*")
    return counts


async def _readings(point: Any, driver: Driver, ask: Any) -> dict[str, dict[str, dict[str, str]]]:
    """What each order makes of the registers at n and at n-1."""
    from dataclasses import replace
    from decimal import Decimal

    from doxedge.analysers.decoding import decode
    from doxedge.analysers.profile import Order
    from doxedge.analysers.question import Answer, ReadRegisters

    found: dict[str, dict[str, dict[str, str]]] = {}
    unit_id: int = driver.requests(point.group)[0].unit_id
    for name, address in (("n", point.span.first), ("n-1", point.span.first - 1)):
        if address < 0:
            continue
        request = ReadRegisters(unit_id, point.span.function, address, point.span.count)
        (outcome,) = await ask([request], f"{point.group} {name}")
        if not isinstance(outcome, Answer):
            continue
        found[name] = {}
        for order in Order:
            value = decode(outcome.data, replace(point, order=order))
            is_value = isinstance(value, Decimal)
            found[name][order.value] = {
                "value": f"{value:.7g}" if isinstance(value, Decimal) else value.value,
                "mark": _mark(value, point.limits) if isinstance(value, Decimal) and is_value else " ",
            }
    return found


def _mark(value: Any, limits: Any) -> str:
    """`*` within the narrowest range that the map gives and not zero, `~` otherwise."""
    low = limits.hard_low if limits.soft_low is None else limits.soft_low
    high = limits.hard_high if limits.soft_high is None else limits.soft_high
    is_within = (low is None or low <= value) and (high is None or value <= high)
    return "*" if value != 0 and is_within and abs(value) < PLAUSIBLE_MAX else "~"


PLAUSIBLE_MAX: Final = 10**15
"""For values without a range: no power, flow or counter of a plant is beyond it."""


def _registers(span: Any, outcomes: Sequence[Outcome]) -> bytes:
    """The bytes of a span, wherever they were read; none where the read failed."""
    from doxedge.analysers.question import Answer, ReadRegisters

    for outcome in outcomes:
        request = outcome.request
        if not isinstance(outcome, Answer) or not isinstance(request, ReadRegisters):
            continue
        offset = span.first - request.address
        if request.function == span.function and 0 <= offset <= request.count - span.count:
            return outcome.data[2 * offset : 2 * (offset + span.count)]
    return b""


def _table(report: dict[str, Any]) -> list[str]:
    """The same for people."""
    lines = [f"{report['maker']} {report['model']} on {report['line']}, map {report['profile']}"]
    lines += [f"  rests on: {report['source']} ({report['verified']})"]
    for name, value in report["settings"].items():
        tried = "   tried, not given: choose with --set" if name in report["tried_settings"] else ""
        lines += [f"  setting {name} = {value}{tried}"]
    identity = report["identity"]
    lines += [f"identity: {identity['result']}" + (f": {identity['detail']}" if identity["detail"] else "")]
    lines += ["", "asked"]
    for read in report["reads"]:
        if not read["group"].endswith((" n", " n-1")):
            lines += ["  " + _asked(read)]
    for group in report["groups"]:
        flags = f"   flags: {', '.join(group['flags'])}" if group["flags"] else ""
        lines += ["", f"group {group['group']}{flags}"]
        for value in group["values"]:
            lines += [f"  {line}" for line in _value_lines(value)]
        for place, orders in group["plausible_orders"].items():
            counted = ", ".join(f"{order} {count}" for order, count in orders.items())
            lines += [f"  plausible at {place}, of {group['floats']} floats: {counted}"]
        if group["floats"]:
            lines += [f"  {TWIN}"]
    if report["doubts"]:
        lines += ["", "to be tried before anybody rests on this map"]
        lines += [f"  - {doubt}" for doubt in report["doubts"]]
    return lines


def _asked(read: dict[str, Any]) -> str:
    where = read.get("asked") or f"FC{read['function']:02} {read['address']}+{read['count']}"
    what = read.get("said", read["data"]) if read["result"] == "answer" else read["result"]
    shown = what if len(what) <= 64 else f"{what[:60]}... ({len(what) // 2} bytes)"
    return f"{read['group']:14} {where:16} {read['ms']:8.1f} ms  {shown}"


def _value_lines(value: dict[str, Any]) -> list[str]:
    shown = value["failure"] if value["value"] is None else f"{float(value['value']):.9g}"
    mark = "*" if value["plausible"] else " "
    if "asked" in value:
        where = f"{value['asked']!r} at {value['place']}, in {value['unit']} unless it says another unit"
    else:
        where = f"FC{value['function']:02} {value['address']} {value['type']} {value['order']}"
        where += f"  {value['registers'] or '-'}"
    head = f"{mark} {value['quantity']:30} {shown:>16}   {where}"
    lines = [head]
    for place, orders in value["readings"].items():
        cells = "".join(f"{order} {one['mark']}{one['value']:<15} " for order, one in orders.items())
        lines.append(f"      {place:4}{cells}".rstrip())
    for quality in value["quality"]:
        good = ", ".join(map(str, quality["good"]))
        lines.append(
            f"      {quality['about']}: {quality['address']} holds {quality['holds']}, good is {good}"
        )
    return lines
