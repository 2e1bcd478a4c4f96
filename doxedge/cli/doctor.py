"""`doxedge doctor`: finds what is wrong on this machine, and says what to do about it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from doxedge.cli.command_line import whole_number
from doxedge.cli.outcome import Exit, Failure

if TYPE_CHECKING:
    from doxedge.cli.doctor_report import Finding, Site

FREE_MB_WANTED: Final = 1_024

DESCRIPTION: Final = """\
Looks at configuration, keys, databases, disk, clock, node, peers, brokers and analysers, one line for each
check: ok, warning, error or skipped, with the key or file to change. It changes nothing and disturbs nobody:
databases are only read, the broker is asked under a name of its own, and while the gateway runs its
instruments are left alone.
"""

EPILOG: Final = """\
exit codes
  0 nothing is wrong (warnings may be there); else that of the first error: 1 records that the ledger refused,
  2 configuration or keys, 3 node or broker not reached, 4 not authorised, 6 signatures cannot be checked,
  7 disk, database or analyser

examples
  sudo doxedge doctor                        the services of this machine, /etc/doxedge
  doxedge doctor --dir ~/plant --output json another folder, for a program
  sudo doxedge doctor --deep                 large databases with their indexes too; takes minutes
"""


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `doctor`."""
    parser = nouns.add_parser(
        "doctor",
        help="what is wrong on this machine, and what to do about it",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    folder = Path("/etc/doxedge")
    parser.add_argument(
        "--dir", type=Path, default=folder, metavar="DIR", help=f"configuration (default {folder})"
    )
    parser.add_argument(
        "--gateway",
        type=Path,
        default=None,
        metavar="FILE",
        help="default: gateway.toml in DIR, if it is there",
    )
    parser.add_argument(
        "--node", type=Path, default=None, metavar="FILE", help="default: node.toml in DIR, if it is there"
    )
    parser.add_argument(
        "--user",
        default=None,
        metavar="USER",
        help="whom the services run as (default: doxedge for root, else you)",
    )
    parser.add_argument("--deep", action="store_true", help="check indexes of large databases too")
    parser.add_argument(
        "--free-mb",
        type=whole_number(what="whole number of megabytes"),
        default=FREE_MB_WANTED,
        metavar="MB",
        help=f"warn below (default {FREE_MB_WANTED})",
    )
    parser.add_argument("--output", default="table", choices=("table", "json"))
    parser.set_defaults(func=_run)


def _run(options: argparse.Namespace) -> int:
    from doxedge.cli.doctor_report import Verdict, as_json, exit_code

    findings = list(_findings(_site(options), options, as_json=options.output == "json"))
    counted = {verdict.value: sum(one.verdict is verdict for one in findings) for verdict in Verdict}
    code = exit_code(findings)
    if options.output == "json":
        told = {
            "findings": [as_json(one) for one in findings],
            "counts": counted,
            "exit_code": int(code),
        }
        print(json.dumps(told, indent=1))
    else:
        summary = ", ".join(f"{number} {verdict}" for verdict, number in counted.items())
        print(f"doxedge: {summary}", file=sys.stderr)
    return code


def _site(options: argparse.Namespace) -> Site:
    import pwd

    from doxedge.cli.doctor_configuration import default_user
    from doxedge.cli.doctor_report import Site
    from doxedge.fieldbus.clock import from_environment

    user = options.user or default_user()
    try:
        account = None if user is None else pwd.getpwnam(user)
    except KeyError as error:
        if options.user is not None:
            raise Failure(Exit.USAGE, f"--user: there is no user {user}") from error
        account = None
    found = {}
    for name, given in (("gateway", options.gateway), ("node", options.node)):
        path = given or options.dir / f"{name}.toml"
        found[name] = path.absolute() if given is not None or path.exists() else None
    clock = from_environment(os.environ)
    return Site(found["gateway"], found["node"], account, clock.now_ms())


def _findings(site: Site, options: argparse.Namespace, *, as_json: bool) -> Iterable[Finding]:
    """All checks, causes before their effects; each line is printed as soon as it is known."""
    from doxedge.cli import doctor_configuration, doctor_machine, doctor_network
    from doxedge.cli.doctor_report import as_far_as_we_may, line_of

    def told(findings: Iterable[Finding]) -> Iterable[Finding]:
        for finding in as_far_as_we_may(findings):
            if not as_json:
                print(line_of(finding))
            yield finding

    yield from told(doctor_machine.check_software())
    yield from told(doctor_configuration.check_configuration(site))
    # The node is asked before the keys are looked at: it knows how the device is registered.
    node = list(as_far_as_we_may(doctor_network.check_node(site)))
    yield from told(doctor_configuration.check_keys(site, os.environ))
    yield from told(doctor_machine.check_state(site, free_mb_min=options.free_mb))
    yield from told(doctor_machine.check_stores(site, deep=options.deep))
    yield from told(node)
    yield from told(doctor_network.run_checks(doctor_network.check_brokers, site))
    yield from told(doctor_network.run_checks(doctor_network.check_analysers, site))
    yield from told(doctor_machine.check_clock(os.environ))
