"""`doxedge node`: run the ledger daemon, or ask a running one how it is."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path

from doxedge.analysers.configuration import ConfigError
from doxedge.cli.daemons import configure_logging, run_until_signal
from doxedge.cli.outcome import Exit, Failure

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
    run = verbs.add_parser("run", help="follow and serve until stopped (SIGTERM)")
    run.add_argument(
        "--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help=f"default: {DEFAULT_CONFIG}"
    )
    run.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    run.set_defaults(func=_run)
    status = verbs.add_parser("status", help="heights, backlog and roots of a running node")
    status.add_argument(
        "--node", default=None, metavar="ADDRESS", help="unix:///path or http://127.0.0.1:PORT"
    )
    status.add_argument("--output", default="table", choices=("table", "json"))
    status.set_defaults(func=_status)


def _run(options: argparse.Namespace) -> int:
    from doxedge.backends.service import ServiceManager
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
    return asyncio.run(run_until_signal(node.run()))


def _status(options: argparse.Namespace) -> int:
    from doxedge.backends.http_client import NodeAddress, NodeClient, default_socket
    from doxedge.backends.port import LedgerError

    address = NodeAddress.parse(options.node or f"unix://{default_socket()}")
    try:
        channels = json.loads(NodeClient(address).request("GET", "/v1/channels").body)
    except LedgerError as error:
        raise Failure(Exit.UNREACHABLE, f"{error}; is the node running? Name it with --node") from error
    if options.output == "json":
        json.dump(channels, sys.stdout, indent=1)
        sys.stdout.write("\n")
        return Exit.OK
    for channel in channels:
        state = f"catching up to {channel['best_height']}" if channel["catching_up"] else "in step"
        print(
            f"{channel['name']:20} height {channel['height']:>8}  {state}  waiting {channel['pool_transactions']}"
        )
    return Exit.OK
