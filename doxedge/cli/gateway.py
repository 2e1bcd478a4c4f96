"""`doxedge gateway`: run the acquisition daemon, or look at what it would do."""

from __future__ import annotations

import argparse
import asyncio
import functools
import os
from pathlib import Path

from doxedge.analysers.configuration import ConfigError
from doxedge.cli.collector import spare_start
from doxedge.cli.daemons import configure_logging, run_until_signal
from doxedge.cli.gateway_alarms import add_alarms
from doxedge.cli.gateway_calibrate import add_calibrate
from doxedge.cli.gateway_check import add_check
from doxedge.cli.gateway_commission import add_commission
from doxedge.cli.gateway_enter import add_enter
from doxedge.cli.gateway_exchange import add_exchange
from doxedge.cli.gateway_folder import DEFAULT_CONFIG
from doxedge.cli.gateway_hours import add_hours
from doxedge.cli.gateway_minutes import add_minutes
from doxedge.cli.gateway_probe import add_probe
from doxedge.cli.gateway_qa import add_qa
from doxedge.cli.gateway_record import add_record
from doxedge.cli.gateway_records import add_records
from doxedge.cli.gateway_reload import add_reload
from doxedge.cli.gateway_samples import add_samples
from doxedge.cli.gateway_status import add_status
from doxedge.cli.gateway_template import add_template
from doxedge.cli.outcome import Exit, Failure


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `gateway run` and `check`, what looks at a running gateway, and what tries an instrument."""
    parser = nouns.add_parser(
        "gateway",
        help="the acquisition daemon: analysers in, signed hours out",
        description="Polls analysers, judges what they say, closes hours of emission mass, signs them, keeps them in "
        "a durable outbox and posts them to the local node until each is proved final.",
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    run = verbs.add_parser(
        "run",
        help="measure and post until stopped (SIGTERM); SIGHUP takes up a changed configuration",
        description="Polls, judges, signs and posts until stopped (SIGTERM), and finishes what is under way. A start "
        "goes on where the last run ended: hours that were open are closed from the samples on the disk. At SIGHUP "
        "files, drop-ins and register maps are read anew, as by `doxedge gateway reload`, without a name.",
        epilog="Exit codes: 0 stopped, 2 configuration or key, 7 disk.",
        examples=("doxedge gateway run --config /etc/doxedge/gateway.toml",),
    )
    run.set_defaults(func=_run)
    run.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help=f"default: {DEFAULT_CONFIG}"
    )
    run.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    add_check(verbs)
    add_reload(verbs)
    add_status(verbs)
    add_alarms(verbs)
    add_calibrate(verbs)
    add_qa(verbs)
    add_records(verbs)
    add_hours(verbs)
    add_minutes(verbs)
    add_probe(verbs)
    add_record(verbs)
    add_template(verbs)
    add_samples(verbs)
    add_commission(verbs)
    add_exchange(verbs)
    add_enter(verbs)


def _run(options: argparse.Namespace) -> int:
    from doxedge.backends.service import ServiceManager
    from doxedge.fieldbus.clock import from_environment
    from doxedge.gateway.daemon import Gateway
    from doxedge.gateway.plan import load_plan

    configure_logging(options.log_level)
    try:
        clock = from_environment(os.environ)
        gateway = Gateway(
            load_plan(options.config, clock=clock),
            clock=clock,
            service=ServiceManager.from_environment(os.environ),
            read=functools.partial(load_plan, options.config, clock=clock),
        )
    except ConfigError as error:
        raise Failure(Exit.USAGE, str(error)) from error
    daemon = gateway.run(started=spare_start)
    return asyncio.run(run_until_signal(daemon, on_hang_up=gateway.hang_up))
