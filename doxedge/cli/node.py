"""`doxedge node`: run the ledger daemon, or ask a running one how it is."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doxedge.analysers.configuration import ConfigError
from doxedge.cli.ask_node import Asked, add_node_options, utc_text
from doxedge.cli.daemons import configure_logging, run_until_signal
from doxedge.cli.outcome import Exit, Failure
from doxedge.quantity import kilograms_text

DEFAULT_CONFIG = Path("/etc/doxedge/node.toml")


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `node run` and `node status`."""
    parser = nouns.add_parser(
        "node",
        help="the ledger daemon: order, execute, gossip, serve",
        description="Keeps the ledgers of one or more channels: takes signed records from the local gateway, gossips "
        "them over MQTT, executes every final block, and serves a status page and an HTTP interface.",
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    run = verbs.add_parser(
        "run",
        help="follow and serve until stopped (SIGTERM)",
        description="Follows and serves until stopped (SIGTERM). The file is read at the start only: a change counts "
        "after a restart. SIGHUP ends a node, as a closed terminal does.",
        examples=("doxedge node run --config /etc/doxedge/node.toml",),
    )
    run.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help=f"default: {DEFAULT_CONFIG}"
    )
    run.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    run.set_defaults(func=_run)
    status = verbs.add_parser(
        "status",
        help="a running node: heights, backlog, and how far the credits of each account reach",
        description="For each channel the height and what waits, and for each account and year what is held and "
        "emitted, the headroom, and when the credits run out at the present rate.",
        examples=(
            "doxedge node status",
            "doxedge node status --node http://127.0.0.1:8080 --token-file token --output json",
        ),
    )
    add_node_options(status)
    status.add_argument("--output", default="table", choices=("table", "json"))
    status.set_defaults(func=_status)


def _run(options: argparse.Namespace) -> int:
    from doxedge.backends.service import ServiceManager
    from doxedge.cli.collector import spare_ledger
    from doxedge.fieldbus.clock import from_environment
    from doxedge.node.daemon import Node
    from doxedge.node.settings import load_settings

    configure_logging(options.log_level)
    try:
        node = Node(
            load_settings(options.config),
            source=str(options.config),
            clock=from_environment(os.environ),
            service=ServiceManager.from_environment(os.environ),
        )
    except ConfigError as error:
        raise Failure(Exit.USAGE, str(error)) from error
    return asyncio.run(run_until_signal(node.run(started=spare_ledger)))


def _status(options: argparse.Namespace) -> int:
    asked = Asked(options)
    try:
        channels = [
            {**channel, "accounts": asked.get_json(f"/v1/channels/{channel['channel']}/accounts")}
            for channel in asked.channels(None)
        ]
    finally:
        asked.close()
    if options.output == "json":
        json.dump(channels, sys.stdout, indent=1)
        sys.stdout.write("\n")
        return Exit.OK
    for channel in channels:
        _print_channel(channel)
    return Exit.OK


def _print_channel(channel: Mapping[str, Any]) -> None:
    state = f"catching up to {channel['best_height']}" if channel["catching_up"] else "in step"
    print(
        f"{channel['name']:20} height {channel['height']:>8}  {state}  waiting {channel['pool_transactions']}"
    )
    for account in channel["accounts"]:
        print(f"  {account['account']} of {account['year']}: {_position(account)}")


def _position(account: Mapping[str, Any]) -> str:
    """One account in words."""
    held, emitted, headroom = (
        kilograms_text(account[f"{name}_g"]) for name in ("held", "emitted", "headroom")
    )
    text = f"held {held} kg, emitted {emitted} kg, headroom {headroom} kg"
    if account["standing"] in ("warned", "exceeded"):
        text += f", {account['standing'].upper()}"
    if account["standing"] != "exceeded" and account["runs_out_ms"] is not None:
        text += f", runs out {utc_text(account['runs_out_ms'])} UTC at the present rate"
    return text
