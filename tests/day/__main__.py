"""A day of everything that can go wrong, in minutes: real simulators, a real gateway, a real node.

    python -m tests.day --output json

The simulators play a scenario in compressed plant time; the gateway and the node are killed where it says so and come
back. At the end: no record that the outbox ever held is lost, doubled or out of order on the ledger; every hour is an
hour or a gap with a cause; every outage of a device was told by one line when it went and one when it came back; what
was posted for undisturbed hours is the truth of the plant; and what the scenario expects has come true.

A machine that stands still for a second, or is too busy with other things, does so for minutes of the plant, and its
instruments are away: when only what depends on time has failed then, the day is lived once more.

Exit 0 only when all of it holds, 6 otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from doxedge.analysers.configuration import ConfigError
from tests.day.findings import FoundHour
from tests.day.run import Day, DayResult, read_day

EVERY_FAULT = Path(__file__).parents[2] / "simulators" / "scenarios" / "every_fault.toml"
EXIT_USAGE, EXIT_FAILED = 2, 6
ATTEMPTS = 2


def main() -> int:
    """Exit 0 when everything holds, 2 for a wrong scenario, 6 when something does not hold."""
    first, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m tests.day",
        description=first,
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--hours", type=int, default=24, help="plant hours; default: 24, or the scenario's if fewer"
    )
    parser.add_argument("--speed", type=float, help="plant seconds a second; default: the scenario's")
    parser.add_argument(
        "--scenario", type=Path, default=EVERY_FAULT, help="default: simulators/scenarios/every_fault.toml"
    )
    parser.add_argument(
        "--folder", type=Path, help="where to work; default: a temporary folder, removed afterwards"
    )
    parser.add_argument("--output", choices=("json", "text"), default="text")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="day-")))
        try:
            result = lived(options, folder)
        except (ConfigError, ValueError) as error:
            print(f"tests.day: {error}", file=sys.stderr)
            return EXIT_USAGE
    told = {"clean": result.is_clean, **asdict(result)}
    if options.output == "json":
        print(json.dumps(told))
    else:
        print("\n".join(f"{name:22}{value}" for name, value in told.items() if name != "hours"))
        print("\n".join(_words(hour) for hour in result.hours))
    return 0 if result.is_clean else EXIT_FAILED


def lived(options: argparse.Namespace, folder: Path) -> DayResult:
    """The day, again where the machine stood still; ConfigError and ValueError when it cannot be."""
    result = once(options, folder)
    for attempt in range(2, ATTEMPTS + 1):
        if not result.is_void:
            break
        stood_s = sum(result.machine_stood_s)
        text = f"the machine stood still or was too busy, {stood_s:.1f} s in all: the day is lived once more"
        print(f"tests.day: {text}", file=sys.stderr)
        result = once(options, folder / f"attempt-{attempt}")
    return result


def once(options: argparse.Namespace, folder: Path) -> DayResult:
    """One day in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    return asyncio.run(
        timed(read_day(options.scenario, folder=folder, hours=options.hours, speed=options.speed))
    )


async def timed(day: Day) -> DayResult:
    """The day, and how long it took. A day that broke off is one that failed."""
    started_s = time.monotonic()
    result = day.result
    try:
        await day.run()
    except* (RuntimeError, OSError) as group:  # a time-out is an OSError
        result.failures += [f"the day broke off: {error!r}" for error in leaves(group)]
    result.seconds = round(time.monotonic() - started_s, 1)
    return result


def leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """The errors in a group and in the groups within it."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found += leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def _words(hour: FoundHour) -> str:
    posted, by = "", ", ".join(hour.disturbed_by)
    if hour.posted_g is not None:
        error = f"{100 * (hour.posted_g / hour.truth_g - 1):+7.2f} %" if hour.truth_g else ""
        posted = f"{hour.posted_g} g {error} in {hour.minutes_valid} min"
    return f"hour {hour.hour:>2} {'+'.join(hour.stated):9}{posted:31}{hour.cause:37}{by}".rstrip()


if __name__ == "__main__":
    sys.exit(main())
