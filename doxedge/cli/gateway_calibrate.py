"""`doxedge gateway calibrate`: have the running gateway check an analyser with gas, and wait for what comes of it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from doxedge.cli.gateway_folder import add_place, ask, folder_of, print_json, printable, utc
from doxedge.cli.outcome import Exit, Failure

SCHEMA: Final = "doxedge.gateway.calibrate/1"
LOOK_EVERY_S: Final = 1.0
_CODES: Final = {"not_begun": Exit.REFUSED, "disk": Exit.LOCAL_IO, "busy": Exit.TIMEOUT}
GOOD: Final = frozenset({"passed", "partial"})


def add_calibrate(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `gateway calibrate`."""
    parser = verbs.add_parser(
        "calibrate",
        help="check an analyser with zero and upscale gas, now",
        description="Asks the running gateway to check what has a [[unit.calibration]] table, and waits. The zero gas "
        "comes first, the upscale gas after it; the instrument's own status says which gas flows. Once the readings "
        "of both are taken the check is judged, kept for ever, signed as an event, and told to the hour.",
        epilog="Exit codes: 0 passed (or one gas alone within its limits), 1 not begun, failed, aborted or incomplete, "
        "2 no such unit or quantity, 3 no gateway runs here, 4 not in the service's group, 5 no answer. The check "
        "goes on when this command is stopped with Ctrl-C; --stop ends it.",
    )
    parser.add_argument("--unit", required=True, metavar="U", help="the unit, as in gateway.toml")
    parser.add_argument(
        "--quantity", metavar="Q", help="one quantity, such as nox_ppb; default: all that are checked"
    )
    parser.add_argument(
        "--level",
        choices=("zero", "upscale", "both"),
        default="both",
        help="one gas alone validates nothing, but can fail; default: both",
    )
    parser.add_argument(
        "--stop",
        action="store_true",
        help="end what is under way: aborted, once gas flowed; back to stack gas",
    )
    parser.add_argument("--no-wait", action="store_true", help="begin, and do not wait for the end")
    add_place(parser)
    parser.set_defaults(func=_calibrate)


def _calibrate(options: argparse.Namespace) -> int:
    folder = folder_of(options)
    question = {"ask": "stop_check", "unit": options.unit}
    if not options.stop:
        question = {
            "ask": "calibrate",
            "unit": options.unit,
            "quantity": options.quantity,
            "level": options.level,
        }
    answer = _answer(folder, question, changes=True)
    for wrong in answer["not_begun"]:
        print(f"doxedge: not begun: {printable(wrong)}", file=sys.stderr)
    checks = answer["checks"]
    if not options.no_wait:
        try:
            checks = [_wait(folder, options.unit, check) for check in checks]
        except KeyboardInterrupt:
            raise Failure(Exit.TIMEOUT, "the check goes on; look with `doxedge gateway status`") from None
    if options.output == "json":
        print_json(
            {"schema": SCHEMA, "unit": options.unit, "checks": checks, "not_begun": answer["not_begun"]}
        )
    else:
        for check in checks:
            print("\n".join(_lines(check)))
    ends = [result["end"] for check in checks for result in check["results"]]
    return Exit.OK if GOOD.issuperset(ends) and not answer["not_begun"] else Exit.REFUSED


def _wait(folder: Path, unit: str, check: Mapping[str, Any]) -> Mapping[str, Any]:
    """Until it is over; what changes is told on stderr."""
    told = ""
    while not check["over"]:
        now = _progress(check)
        if now != told:
            print(printable(now), file=sys.stderr)
            told = now
        time.sleep(LOOK_EVERY_S)
        check = _answer(folder, {"ask": "check", "unit": unit, "check": check["check"]})["check"]
    return check


def _progress(check: Mapping[str, Any]) -> str:
    stages = ", ".join(f"{one['quantity']} {one['gas']}: {one['stage']}" for one in check["stages"])
    wanted = check["wanted"]
    hint = "" if wanted is None or check["driven"] else f"; put {wanted} gas on at the instrument"
    return f"check {check['check']} of {check['device']}: {stages}{hint}"


def _lines(check: Mapping[str, Any]) -> list[str]:
    if not check["over"]:
        return [printable(_progress(check))]
    lines = []
    for result in check["results"]:
        lines.append(f"{result['quantity']}: {result['end']} at {utc(result['at_ms'])} UTC")
        lines += [
            f"  {gas['gas']}: measured {gas['measured'][:16]}, reference {gas['reference']}, error {gas['error']}, "
            f"{gas['verdict']}, bottle {gas['bottle']} ({gas['vendor']})"
            for gas in result["gases"]
        ]
        if result["why"]:
            lines.append(f"  {result['why']}")
    return [printable(line) for line in lines]


def _answer(folder: Path, question: Mapping[str, object], *, changes: bool = False) -> dict[str, Any]:
    answer = ask(folder, question, changes=changes)
    if not answer.get("ok"):
        code = _CODES.get(str(answer.get("code")), Exit.USAGE)
        raise Failure(code, printable(str(answer.get("reason"))))
    return answer
