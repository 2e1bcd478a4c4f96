"""`doxedge gateway check`: what the gateway makes of its configuration, and which file each value came from."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from doxedge.analysers.configuration import ConfigError
from doxedge.cli.doctor_report import Finding, as_json, exit_code, line_of
from doxedge.cli.gateway_folder import DEFAULT_CONFIG, Section, print_json, print_section, printable
from doxedge.cli.outcome import Exit, Failure

if TYPE_CHECKING:
    from doxedge.gateway.layers import Layers, Location
    from doxedge.gateway.plan import Plan

SCHEMA: Final = "doxedge.gateway.check/1"
DEFAULT: Final = "default"


def add_check(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `gateway check`."""
    from pathlib import Path

    check = verbs.add_parser(
        "check",
        help="check the configuration and print the poll plan; with --machine and --probe keys, disk, clock, wiring",
        description="Reads the gateway's file and its drop-ins, the *.toml in the folder beside it (gateway.d for "
        "gateway.toml) in the order of their names: later ones win key by key, units and instruments meet by name. "
        "Checks everything that can be checked without a device, and prints what would be polled and how busy each "
        "line is at worst. --machine adds keys, disk, databases and clock, "
        "--probe also asks every instrument who it is: the checks of `doxedge doctor`.",
        epilog="Exit codes: 0 right, 2 a mistake, named by file, table and key; with --machine or --probe that of the "
        "first error, as of the doctor. A running gateway is disturbed by neither: its instruments are left alone. It "
        "takes the configuration up with `doxedge gateway reload`.",
        examples=(
            "doxedge gateway check --probe                 # is all right, also the wiring?",
            "doxedge gateway check --config new.toml --show   # before it takes the old one's place",
        ),
    )
    check.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help=f"default: {DEFAULT_CONFIG}"
    )
    check.add_argument(
        "--show", action="store_true", help="every value that counts, with the file it came from"
    )
    check.add_argument(
        "--machine", action="store_true", help="keys, disk, databases and clock of this machine too"
    )
    check.add_argument(
        "--probe",
        action="store_true",
        help="does each instrument answer, and is it the one? implies --machine",
    )
    check.add_argument("--output", default="table", choices=("table", "json"), help="default: table")
    check.set_defaults(func=_check)


def _check(options: argparse.Namespace) -> int:
    from doxedge.fieldbus.clock import RealClock
    from doxedge.gateway.layers import read_layers
    from doxedge.gateway.line_plan import line_times, one_device_twice
    from doxedge.gateway.plan import plan_of
    from doxedge.gateway.plant import describe

    try:
        layers = read_layers(options.config)
        plan = plan_of(layers, clock=RealClock())
    except ConfigError as error:
        raise Failure(Exit.USAGE, str(error)) from error
    values = list(_values(plan, layers))
    findings = _findings(options)
    if options.output == "json":
        found: dict[str, object] = {"schema": SCHEMA, "files": layers.files, "units": _units(plan)}
        found["lines"] = [asdict(time) for time in line_times(plan.lines)]
        found["remarks"] = one_device_twice(plan.lines)
        if options.show:
            found["values"] = [dict(zip(("key", "value", "file"), row, strict=True)) for row in values]
        if options.machine or options.probe:
            found["findings"] = [as_json(finding) for finding in findings]
        print_json(found)
    elif options.show:
        rows = [(key, json.dumps(value, ensure_ascii=False), file) for key, value, file in values]
        print_section(Section("configuration", ("key", "value", "from"), rows, nothing="nothing"))
    else:
        said = [*describe(plan.units), *(time.words for time in line_times(plan.lines))]
        said += one_device_twice(plan.lines)
        print("\n".join(printable(line) for line in said))
    if options.output != "json":
        for finding in findings:
            print(printable(line_of(finding)))
    return exit_code(findings)


def _findings(options: argparse.Namespace) -> list[Finding]:
    from doxedge.cli.gateway_machine import machine_findings

    if not (options.machine or options.probe):
        return []
    return list(machine_findings(options.config, probe=options.probe))


def _units(plan: Plan) -> list[dict[str, object]]:
    return [
        {
            "unit": unit.table.name,
            "channel": unit.table.channel,
            "source": unit.table.source,
            "profile_hash": unit.profile_hash.hex(),
            "rules_hash": unit.rules_hash.hex(),
            "polls": [
                {
                    "instrument": instrument.table.name,
                    "profile": instrument.table.profile,
                    "line": instrument.address.name,
                    "group": poll.group,
                    "period_ms": poll.period_ms,
                    "questions": len(poll.driver.requests(poll.group)),
                }
                for instrument in unit.instruments
                for poll in instrument.polls
            ],
        }
        for unit in plan.units
    ]


def _values(plan: Plan, layers: Layers) -> Iterator[tuple[str, object, str]]:
    """(key, value, file) of everything that has a value; tables of an array are shown by their name."""
    settings = plan.settings.model_dump(mode="json", exclude_none=True)
    for location, key, value in _leaves(settings, (), ""):
        yield key, value, layers.origins[location].file if location in layers.origins else DEFAULT


def _leaves(value: Any, location: Location, key: str) -> Iterator[tuple[Location, str, object]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, (*location, name), f"{key}.{name}" if key else name)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*location, index), f"{key}[{inner.get('name', index)}]")
    else:
        yield location, key, value
