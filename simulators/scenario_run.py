"""`python -m simulators scenario`: a plant with its faults in compressed plant time, and a word of each as it comes."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from doxedge.analysers.configuration import ConfigError
from doxedge.fieldbus.clock import VARIABLE, Clock, CompressedClock, from_environment, real_ms
from simulators.broker.server import Broker
from simulators.broker.settings import BrokerSettings
from simulators.faults import EXPLANATIONS, FaultKind
from simulators.scenario import FINDINGS, OUTAGES, PLANT_EVENTS, Scenario, Step, read_scenario
from simulators.scenario_keys import KEYS
from simulators.site import Site, site_of

DESCRIPTION: Final = f"""\
Runs the units of a TOML file, and does to them what its steps say, at their times.

The first line on stdout is JSON and says where the instruments listen and which clock a gateway has to
share ({VARIABLE}). Then comes a line for each step that begins or ends. The program ends with the
plant's last hour, or by SIGTERM or Ctrl-C. Outages of the gateway and of the node are told and not made:
they are for whoever runs those processes. `python -m tests.day --scenario FILE.toml` does, with a real gateway
and a real node, and then looks whether what the file expects has come true. Lines keep their own, real time: that an
instrument is away shows after two time-outs with the silence behind them, some four real seconds on a serial line. So a
fault that is to be seen lasts for_s = 4 * speed or longer.
"""

EPILOG: Final = """\
an analyser that falls silent for 25 minutes, and what a good gateway makes of it
  [plant]
  hours = 3
  speed = 320                  # an hour is eleven seconds
  [[unit]]
  name = "alpha-1"
  two_shift = false            # no stops at night
  [[step]]
  at = "01:05"                 # or at_s = 3900
  for_s = 1500
  instrument = "analyser"      # analyser, flow or meter
  fault = "silence"            # `scenario --list` explains them all
  [[expect]]
  hour = 1
  finds = "gap"                # stated, hour, valid or gap
  cause = "too_few_points:nox_ppb:comms"

an analyser that speaks AK, and a flow meter on Modbus RTU, each at the end of a serial line of its own
  [plant]
  hours = 2
  [[unit]]
  name = "alpha-1"
  analyser_profile = "cai_700_ak"
  analyser_serial = true       # the first line says "serial": "/dev/pts/4" in the place of host and port
  flow_serial = true
  [[step]]
  at = "00:20"
  for_s = 600
  instrument = "flow"
  fault = "wrong_unit"
  [[expect]]
  away = "flow"
  times = 1

a trip, a unit held at half load, and a node that is away meanwhile
  [plant]
  hours = 4
  [[unit]]
  name = "alpha-1"
  meter_profile = "sunspec_meter_213"
  [[step]]
  at = "00:30"                 # what the plant does is on the grid of five minutes
  plant = "trip"               # start, stop, trip or load
  for_s = 1800
  [[step]]
  at = "01:30"
  plant = "load"
  load_percent = 50
  [[step]]
  at = "02:10"
  for_s = 600
  outage = "node"              # gateway, node or broker
  [[expect]]
  event = "gateway.start"
  times = 1

examples
  python -m simulators scenario --list
  python -m simulators scenario simulators/scenarios/every_fault.toml --check
  python -m simulators scenario simulators/scenarios/every_fault.toml --speed 320 --output json
  python -m simulators scenario simulators/scenarios/serial_lines.toml
  python -m simulators truth --scenario FILE.toml --from MS --to MS
"""


@dataclass(frozen=True, slots=True)
class Moment:
    """A step begins or ends."""

    at_ms: int
    begins: bool
    step: Step

    def as_dict(self, scenario: Scenario) -> dict[str, object]:
        """For programs."""
        step = self.step
        told: dict[str, object] = {
            "at_ms": self.at_ms,
            "at": clock_text(self.at_ms - scenario.start_ms),
            "step": step.number,
            "begins": self.begins,
            "what": step.what,
        }
        told |= {"unit": step.unit} if step.unit else {}
        told |= {"for_s": step.for_s} if self.begins and step.for_s is not None else {}
        return told

    def words(self, scenario: Scenario) -> str:
        """For people."""
        step, at = self.step, clock_text(self.at_ms - scenario.start_ms)
        where = f"{step.unit} " if step.unit else ""
        if not self.begins:
            return f"{at}  {where}{step.what} is over"
        span = "to the end" if step.for_s is None else f"for {step.for_s:g} s"
        return f"{at}  {where}{step.what} {span}: {step.explanation}"


def moments(scenario: Scenario) -> list[Moment]:
    """Beginnings and ends in the order of time; what ends at an instant ends before the next begins."""
    found = []
    for step in scenario.steps:
        found.append(Moment(scenario.start_ms + round(step.at_s * 1_000), True, step))
        if step.to_s is not None:
            found.append(Moment(scenario.start_ms + round(step.to_s * 1_000), False, step))
    return sorted(found, key=lambda moment: (moment.at_ms, moment.begins))


def clock_text(after_ms: int) -> str:
    """Plant time since the start as HH:MM:SS; hours may be more than 24."""
    seconds = after_ms // 1_000
    return f"{seconds // 3_600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


@dataclass
class Player:
    """The plant of a scenario while it runs."""

    scenario: Scenario
    clock: Clock
    clock_variable: str
    host: str = "127.0.0.1"
    is_json: bool = False
    site: Site = field(init=False)
    broker: Broker | None = None

    def __post_init__(self) -> None:
        self.site = site_of(self.scenario.units, self.clock, host=self.host, start_ms=self.scenario.start_ms)

    async def run(self, *, stop: asyncio.Event, until_stopped: bool) -> None:
        """Serve until the last hour is over, or until `stop` is set; only the latter with `until_stopped`."""
        async with AsyncExitStack() as stack:
            await self.site.start()
            stack.push_async_callback(self.site.stop)
            if self.scenario.broker_port is not None:
                await self._open_broker(self.scenario.broker_port)
            stack.push_async_callback(self._close_broker)
            self._print(json.dumps(self.ready_line()))
            for moment in moments(self.scenario):
                if await self._wait(stop, moment.at_ms):
                    return
                if moment.step.outage == "broker":
                    await (self._close_broker() if moment.begins else self._open_broker(None))
                told = moment.as_dict(self.scenario)
                self._print(json.dumps(told) if self.is_json else moment.words(self.scenario))
            if until_stopped:
                await stop.wait()
            else:
                await self._wait(stop, self.scenario.end_ms)

    def ready_line(self) -> dict[str, object]:
        """Where everything listens, and the clock that goes with it."""
        line = self.site.ready_line() | {"clock": self.clock_variable}
        if self.broker is not None:
            line |= {"broker": {"host": self.host, "port": self.broker.port}}
        return line

    async def _open_broker(self, port: int | None) -> None:
        """At the given port, or at the port where it was before; without its memory."""
        if port is None:
            port = self.broker.port if self.broker is not None else 0
        self.broker = Broker(BrokerSettings(host=self.host, port=port))
        await self.broker.start()

    async def _close_broker(self) -> None:
        if self.broker is not None:
            await self.broker.stop()

    async def _wait(self, stop: asyncio.Event, until_ms: int) -> bool:
        """Wait for an instant of plant time; True when there is no need to wait any longer."""
        while not stop.is_set() and (left_ms := until_ms - self.clock.now_ms()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_ms / 1_000 / self.clock.speed):
                    await stop.wait()
        return stop.is_set()

    def _print(self, line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `scenario`."""
    parser = nouns.add_parser(
        "scenario",
        help="run units, and what goes wrong with them, from a TOML file",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE.toml")
    parser.add_argument("--check", action="store_true", help="only read the file, and say what is in it")
    parser.add_argument(
        "--list", action="store_true", help="explain every key, fault, plant event and outage"
    )
    parser.add_argument(
        "--speed", type=float, metavar="N", help="plant seconds a second; default: the file's"
    )
    parser.add_argument("--output", choices=("text", "json"), default="text")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--until-stdin-closes",
        action="store_true",
        help="go on after the last hour; end with the parent process",
    )
    parser.set_defaults(func=command)


def command(arguments: argparse.Namespace) -> int:
    """Run, check or explain. Raises ConfigError and ValueError for what the caller got wrong, OSError for ports."""
    if arguments.list:
        _write(_explained(), is_json=arguments.output == "json")
        return 0
    if arguments.file is None:
        raise ValueError("scenario wants a file, or --list")
    scenario = read_scenario(arguments.file)
    if arguments.check:
        _write_checked(scenario, is_json=arguments.output == "json")
        return 0
    clock, variable = _clock(scenario, arguments.speed, os.environ)
    player = Player(scenario, clock, variable, host=arguments.host, is_json=arguments.output == "json")
    asyncio.run(_play(player, until_stdin_closes=arguments.until_stdin_closes))
    return 0


async def _play(player: Player, *, until_stdin_closes: bool) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if until_stdin_closes:
        loop.add_reader(sys.stdin.fileno(), _watch_stdin, loop, stop)
    await player.run(stop=stop, until_stopped=until_stdin_closes)


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    with suppress(BlockingIOError):
        if not os.read(sys.stdin.fileno(), 4_096):
            loop.remove_reader(sys.stdin.fileno())
            stop.set()


def _clock(scenario: Scenario, speed: float | None, environ: Mapping[str, str]) -> tuple[Clock, str]:
    """The clock that the caller shares with us; without one a clock that begins now with the plant's start."""
    if environ.get(VARIABLE):
        if speed is not None:
            raise ValueError(f"--speed and {VARIABLE} are both given")
        return from_environment(environ), environ[VARIABLE]
    origin_ms = real_ms()
    chosen = scenario.speed if speed is None else speed
    try:
        clock = CompressedClock(real_origin_ms=origin_ms, plant_origin_ms=scenario.start_ms, speed=chosen)
    except ValueError as error:
        raise ConfigError(source="scenario", path="plant", reason=str(error)) from None
    return clock, f"{origin_ms},{scenario.start_ms},{chosen:g}"


def _write_checked(scenario: Scenario, *, is_json: bool) -> None:
    steps = moments(scenario)
    if is_json:
        told = {
            "start_ms": scenario.start_ms,
            "hours": scenario.hours,
            "speed": scenario.speed,
            "units": [unit.plant.name for unit in scenario.units],
            "moments": [moment.as_dict(scenario) for moment in steps],
            "expectations": [expectation.words for expectation in scenario.expectations],
        }
        sys.stdout.write(json.dumps(told) + "\n")
        return
    names = ", ".join(unit.plant.name for unit in scenario.units)
    lines = [f"{scenario.hours} h of {names} at {scenario.speed:g} times the speed of life"]
    lines += [moment.words(scenario) for moment in steps]
    lines += [f"expected: {expectation.words}" for expectation in scenario.expectations]
    sys.stdout.write("\n".join(lines) + "\n")


def _explained() -> dict[str, dict[str, str]]:
    return {
        **KEYS,
        "fault": {kind.value: EXPLANATIONS[kind] for kind in FaultKind},
        "plant": {str(name): text for name, text in PLANT_EVENTS.items()},
        "outage": {str(name): text for name, text in OUTAGES.items()},
        "finds": {str(name): text for name, text in FINDINGS.items()},
    }


def _write(explained: Mapping[str, Mapping[str, str]], *, is_json: bool) -> None:
    if is_json:
        sys.stdout.write(json.dumps(explained) + "\n")
        return
    for noun, entries in explained.items():
        sys.stdout.write(f"{noun}\n" if noun in KEYS else f"{noun} = ...\n")
        sys.stdout.write("".join(f"  {name:22}{text}\n" for name, text in entries.items()))
