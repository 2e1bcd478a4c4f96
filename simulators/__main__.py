"""Plants, real files and a broker on one machine, for testers. Start with `python -m simulators --help`."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from doxedge.analysers.configuration import ConfigError
from doxedge.fieldbus.clock import VARIABLE, from_environment
from simulators.catalogue import INSTRUMENTS as SIMULATED
from simulators.faults import EXPLANATIONS, FaultKind
from simulators.plant import PlantSettings, SimulatedPlant
from simulators.plant_file import INSTRUMENTS, FaultPlan, UnitPlan, midnight_before, read_site, simple_site
from simulators.replay import ReplayError, ReplayPlant, read_hours
from simulators.scenario import read_scenario
from simulators.scenario_run import add_parser as add_scenario
from simulators.single import DESCRIPTION as INSTRUMENT_DESCRIPTION
from simulators.single import EPILOG as INSTRUMENT_EPILOG
from simulators.single import LoneInstrument
from simulators.site import Site, replay_site, site_of

EXIT_USAGE: Final = 2
EXIT_LOCAL_IO: Final = 7

_FAULT: Final = re.compile(
    r"(?:(?P<unit>[^:@=]+):)?(?P<instrument>[a-z]+):(?P<kind>[a-z_]+)(?:=(?P<argument>\d+))?"
    r"(?:@(?P<after>\d+(?:\.\d+)?)(?:\+(?P<span>\d+(?:\.\d+)?))?)?"
)

DESCRIPTION: Final = """\
Simulated plants for DoxEdge. Each unit has three instruments on Modbus TCP:

  analyser  Teledyne T200: NO, NO2, NOx, O2, status bits    profile teledyne_t200
  flow      4-20 mA input module: flow, temperature, pressure   profile generic_analogue_input
  meter     Janitza UMG: power and energy                  profile janitza_umg

`instrument` starts one alone, of these and of all others that have a register map, on TCP or on a serial line.

When all of them listen, one line of JSON on stdout says where; SIGTERM or Ctrl-C ends the program.
The registers hold what is true in the simulated stack at the moment of the read: the same seed always
makes the same plant, and `truth` tells what a perfect gateway would have counted.

Time is real unless DOXEDGE_PLANT_CLOCK="<real_origin_ms>,<plant_origin_ms>,<speed>" is set, which all
processes of one demonstration share.
"""

EPILOG: Final = """\
examples
  python -m simulators plant                                one unit on free ports
  python -m simulators plant --units 4 --seed 7             four units, seeds 7 to 10
  python -m simulators plant --fault analyser:silence@60+30 silent from second 60 for 30 plant seconds
  python -m simulators plant --units 2 --one-stack          two units on one stack; its truth is the sum of theirs
  python -m simulators plant --fault unit-1:analyser:exception=2
  python -m simulators replay epa_cem_2007_703-2BLR.csv --from-now
  python -m simulators scenario --help                      faults from a file, with what must come of them
  python -m simulators truth --seed 7 --from 1767225600000 --to 1767229200000
  python -m simulators instrument --profile sick_marsic300  one alone, to try a register map with
  python -m simulators broker --help                        a small MQTT broker that can misbehave

a file for --config
  [[unit]]
  name = "unit-1"
  seed = 7
  capacity_mw = 250
  moisture_percent = 11
  analyser_port = 5020
  [[unit.fault]]
  instrument = "analyser"
  kind = "span"
  after_s = 3600
  for_s = 600
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Exit 0 after a clean stop, 2 for wrong flags or files, 7 when a port cannot be had."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["broker"]:
        # Late: plants need no broker, and the broker has flags of its own.
        from simulators.broker.__main__ import main as broker_main  # noqa: PLC0415

        return broker_main(words[1:])
    arguments = _parser().parse_args(words)
    try:
        command: Callable[[argparse.Namespace], int] = arguments.func
        return command(arguments)
    except (ConfigError, ReplayError, ValueError) as error:
        _complain(str(error))
        return EXIT_USAGE
    except (OSError, RuntimeError) as error:
        _complain(str(error))
        return EXIT_LOCAL_IO


def _plant(arguments: argparse.Namespace) -> int:
    clock = from_environment(os.environ)
    origin_ms = (
        midnight_before(clock.now_ms()) if arguments.meter_origin_ms is None else arguments.meter_origin_ms
    )
    plans = _plans(arguments, origin_ms)
    plans = _with_faults(plans, [_fault(text) for text in arguments.fault])

    async def serve() -> None:
        await _serve(
            site_of(plans, clock, host=arguments.host, one_stack=arguments.one_stack),
            until_stdin_closes=arguments.until_stdin_closes,
        )

    asyncio.run(serve())
    return 0


def _instrument(arguments: argparse.Namespace) -> int:
    clock = from_environment(os.environ)
    settings = PlantSettings(
        seed=arguments.seed,
        two_shift=not arguments.always_on,
        meter_origin_ms=midnight_before(clock.now_ms()),
    )

    async def serve() -> None:
        alone = LoneInstrument(
            arguments.profile,
            clock,
            host=arguments.host,
            port=arguments.port,
            unit_id=arguments.unit_id,
            serial=arguments.serial,
            plant=settings,
            faults=arguments.fault,
        )
        await _serve(alone, until_stdin_closes=arguments.until_stdin_closes)

    asyncio.run(serve())
    return 0


def _replay(arguments: argparse.Namespace) -> int:
    clock = from_environment(os.environ)
    with Path(arguments.file).open(encoding="utf-8-sig", newline="") as lines:
        hours = read_hours(lines)
    start_ms = ReplayPlant(hours).start_ms
    shift_ms = midnight_before(clock.now_ms()) - start_ms if arguments.from_now else 0
    plant = ReplayPlant(hours, moisture_percent=arguments.moisture, shift_ms=shift_ms)
    faults = [fault for _, fault in map(_fault, arguments.fault)]

    async def serve() -> None:
        site = replay_site(arguments.name, plant, clock, host=arguments.host, faults=faults)
        await _serve(site, until_stdin_closes=arguments.until_stdin_closes)

    asyncio.run(serve())
    return 0


def _truth(arguments: argparse.Namespace) -> int:
    origin_ms = (
        midnight_before(arguments.start) if arguments.meter_origin_ms is None else arguments.meter_origin_ms
    )
    if not 0 <= arguments.end - arguments.start <= 400 * 86_400_000:
        raise ValueError("--to lies at or after --from, at most 400 days")
    units: dict[str, dict[str, int]] = {}
    plans = (
        _plans(arguments, origin_ms)
        if arguments.scenario is None
        else read_scenario(Path(arguments.scenario)).units
    )
    for plan in plans:
        plant = SimulatedPlant(plan.plant)
        units[plan.plant.name] = {
            "truth_g": plant.truth_g(arguments.start, arguments.end),
            "energy_wh": plant.energy_wh(arguments.end) - plant.energy_wh(arguments.start),
        }
    sys.stdout.write(json.dumps(units) + "\n")
    return 0


async def _serve(site: Site | LoneInstrument, *, until_stdin_closes: bool) -> None:
    """Serve until SIGTERM, SIGINT, or (where asked for) the end of stdin."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if until_stdin_closes:
        loop.add_reader(sys.stdin.fileno(), _watch_stdin, loop, stop)
    await site.start()
    try:
        sys.stdout.write(json.dumps(site.ready_line()) + "\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await site.stop()


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """A parent that dies closes the pipe, and its simulators go with it."""
    with suppress(BlockingIOError):
        if not os.read(sys.stdin.fileno(), 4_096):
            loop.remove_reader(sys.stdin.fileno())
            stop.set()


def _plans(arguments: argparse.Namespace, origin_ms: int) -> list[UnitPlan]:
    if arguments.config is not None:
        return read_site(Path(arguments.config), meter_origin_ms=origin_ms)
    if arguments.units is not None and arguments.units < 1:
        raise ValueError("--units wants 1 or more")
    names = [f"unit-{n + 1}" for n in range(arguments.units or 1)]
    if arguments.names:
        names = arguments.names.split(",")
        if arguments.units not in (None, len(names)):
            raise ValueError(f"--units {arguments.units} does not fit the {len(names)} of --names")
    if len(set(names)) < len(names) or not all(names):
        raise ValueError("--names wants different names, separated by commas")
    return simple_site(
        names,
        seed=arguments.seed,
        capacity_mw=arguments.capacity_mw,
        moisture_percent=arguments.moisture,
        two_shift=not arguments.always_on,
        meter_origin_ms=origin_ms,
    )


def _fault(text: str) -> tuple[str | None, FaultPlan]:
    """`[UNIT:]INSTRUMENT:FAULT[=ARGUMENT][@AFTER[+SECONDS]]`: the unit (None = all) and the plan."""
    match = _FAULT.fullmatch(text)
    if match is None:
        raise ValueError(f"--fault {text!r} is not [UNIT:]INSTRUMENT:FAULT[=ARGUMENT][@AFTER[+SECONDS]]")
    if match["instrument"] not in INSTRUMENTS:
        raise ValueError(f"--fault {text!r}: instruments are {', '.join(INSTRUMENTS)}")
    if match["kind"] not in set(FaultKind):
        raise ValueError(f"--fault {text!r}: faults are {', '.join(FaultKind)}")
    return match["unit"], FaultPlan(
        match["instrument"],
        FaultKind(match["kind"]),
        float(match["after"] or 0),
        float(match["span"]) if match["span"] else None,
        int(match["argument"]) if match["argument"] else None,
    )


def _with_faults(plans: Sequence[UnitPlan], faults: Sequence[tuple[str | None, FaultPlan]]) -> list[UnitPlan]:
    names = [plan.plant.name for plan in plans]
    for unit, _ in faults:
        if unit is not None and unit not in names:
            raise ValueError(f"--fault: there is no unit {unit!r}; there are {', '.join(names)}")
    return [
        replace(plan, faults=(*plan.faults, *(f for unit, f in faults if unit in (None, plan.plant.name))))
        for plan in plans
    ]


def _parser() -> argparse.ArgumentParser:
    explained = "\n".join(f"  {kind.value:18}{EXPLANATIONS[kind]}" for kind in FaultKind)
    parser = argparse.ArgumentParser(
        prog="python -m simulators",
        description=DESCRIPTION,
        epilog=f"{EPILOG}\nfaults\n{explained}\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    nouns = parser.add_subparsers(required=True, metavar="plant|instrument|scenario|replay|truth|broker")
    plant = nouns.add_parser("plant", help="start the instruments of one or more simulated units")
    _add_units(plant)
    _add_serving(plant)
    plant.add_argument(
        "--one-stack",
        action="store_true",
        help="all units emit through one stack: every analyser and flow meter sees the gas of all, each meter its unit",
    )
    plant.set_defaults(func=_plant)
    add_scenario(nouns)
    alone = nouns.add_parser(
        "instrument",
        help="start one simulated instrument alone, on TCP or on a serial line",
        description=INSTRUMENT_DESCRIPTION,
        epilog=INSTRUMENT_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_instrument(alone)
    alone.set_defaults(func=_instrument)
    replay = nouns.add_parser(
        "replay", help="start the instruments of one unit that plays an EPA hourly file"
    )
    replay.add_argument(
        "file", help="CSV file with ORISID, BLRID, YYMMDD, HOUR, NOXMASS, OPTIME, GLOAD, HTINPUT ..."
    )
    replay.add_argument("--name", default="unit-1", help="name of the unit")
    replay.add_argument(
        "--from-now", action="store_true", help="let the file begin today at 00:00 plant time"
    )
    replay.add_argument("--moisture", type=float, default=12.0, metavar="PERCENT")
    _add_serving(replay)
    replay.set_defaults(func=_replay)
    truth = nouns.add_parser("truth", help="what a perfect gateway would have counted, as JSON")
    _add_units(truth)
    truth.add_argument(
        "--scenario", metavar="FILE", help="the units of a scenario, with what was done to them"
    )
    truth.add_argument(
        "--from", dest="start", type=int, required=True, metavar="MS", help="UTC ms since 1970"
    )
    truth.add_argument("--to", dest="end", type=int, required=True, metavar="MS", help="UTC ms since 1970")
    truth.set_defaults(func=_truth)
    nouns.add_parser("broker", help="a small MQTT broker that can misbehave", add_help=False)
    return parser


def _add_instrument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--profile", required=True, metavar="NAME", help=f"its register map: {', '.join(SIMULATED)}"
    )
    parser.add_argument(
        "--serial", action="store_true", help="on one end of a null-modem cable; else on a network"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="0 takes a free one")
    parser.add_argument("--unit-id", type=int, metavar="N", help="default: its usual number")
    parser.add_argument("--seed", type=int, default=1, help="the same seed always makes the same plant")
    parser.add_argument("--always-on", action="store_true", help="no stops at night, no trips")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND[=ARG][@AFTER[+S]]",
        help="may be given several times",
    )
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help=f"end with the parent process; time by {VARIABLE}"
    )


def _add_units(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", metavar="FILE", help="TOML file with the units; takes the place of the flags below"
    )
    parser.add_argument("--units", type=int, default=None, metavar="N", help="how many units (default 1)")
    parser.add_argument("--names", metavar="A,B", help="their names; default unit-1, unit-2 ...")
    parser.add_argument(
        "--seed", type=int, default=1, help="the first unit's seed; the next has the next one"
    )
    parser.add_argument("--capacity-mw", type=float, default=100.0, metavar="MW")
    parser.add_argument(
        "--moisture", type=float, default=12.0, metavar="PERCENT", help="of the stack gas, constant"
    )
    parser.add_argument("--always-on", action="store_true", help="no stops at night, no trips")
    parser.add_argument(
        "--meter-origin-ms",
        type=int,
        metavar="MS",
        help="when energy counters stood at 0; default 00:00 UTC today",
    )


def _add_serving(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--fault", action="append", default=[], metavar="[UNIT:]INSTRUMENT:FAULT[=ARG][@AFTER[+S]]"
    )
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help=f"end with the parent process; time by {VARIABLE}"
    )


def _complain(text: str) -> None:
    sys.stderr.write(f"simulators: {text}\n")


if __name__ == "__main__":
    sys.exit(main())
