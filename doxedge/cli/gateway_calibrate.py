"""`doxedge gateway calibrate`: have the running gateway check an analyser with gas, and wait for what comes of it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from doxedge.cli.gateway_folder import add_place, ask, folder_of, print_json, printable, utc
from doxedge.cli.outcome import Exit, Failure

SCHEMA: Final = "doxedge.gateway.calibrate/1"
LOOK_EVERY_S: Final = 1.0
_CODES: Final = {"not_begun": Exit.REFUSED, "disk": Exit.LOCAL_IO, "busy": Exit.TIMEOUT}
_STEPS: Final = {"waiting for the gas": 0, "settling": 1, "reading": 2}
"""How many steps of a gas are over (`measurement/calibration_run.Stage`); anything else is the end of it."""
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
        examples=(
            "doxedge gateway calibrate --unit alpha-1",
            "doxedge gateway calibrate --unit alpha-1 --quantity nox_ppb --level zero",
            "doxedge gateway calibrate --unit alpha-1 --stop",
        ),
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

    def look() -> Mapping[str, Any]:
        time.sleep(LOOK_EVERY_S)
        answer = _answer(folder, {"ask": "check", "unit": unit, "check": check["check"]})
        now: Mapping[str, Any] = answer["check"]
        return now

    if sys.stderr.isatty():
        return _with_bar(check, look)
    told = ""
    while not check["over"]:
        now = _progress(check)
        if now != told:
            print(printable(now), file=sys.stderr)
            told = now
        check = look()
    return check


def _with_bar(check: Mapping[str, Any], look: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """The same on a terminal: how many of the steps of all gases are over, and since when it goes on."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=len(_STEPS) * len(check["stages"]))
        while not check["over"]:
            completed = sum(_STEPS.get(one["stage"], len(_STEPS)) for one in check["stages"])
            bar.update(task, completed=completed, description=printable(_now(check)))
            check = look()
    return check


def _now(check: Mapping[str, Any]) -> str:
    """What goes on, in as few words as a bar leaves room for."""
    under_way = [one for one in check["stages"] if 0 < _STEPS.get(one["stage"], len(_STEPS)) < len(_STEPS)]
    if under_way:
        return ", ".join(f"{one['gas']} gas: {one['stage']}" for one in under_way)
    wanted = check["wanted"]
    if wanted is not None and not check["driven"]:
        return f"put {wanted} gas on at the instrument"
    return "waiting for the gas" if wanted is None else f"waiting for {wanted} gas"


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
