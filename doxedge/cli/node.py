"""`doxedge node`: run the ledger daemon, or ask a running one how it is."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from doxedge.analysers.configuration import ConfigError
from doxedge.cli.ask_node import Asked, add_node_options
from doxedge.cli.daemons import configure_logging, run_until_signal
from doxedge.cli.outcome import Exit, Failure

if TYPE_CHECKING:
    from doxedge.backends.port import TransactionStatus

DEFAULT_CONFIG = Path("/etc/doxedge/node.toml")


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `node run`, `node status` and `node submit`."""
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
    submit = verbs.add_parser(
        "submit",
        help="hand in signed records from files, and wait for the answer",
        description="Hands in files that hold one signed envelope each, such as the registration that `doxedge init` "
        "makes, and waits until each is final. Handing in the same file again is safe.",
        epilog="Exit 0: all accepted; 1: refused by a rule or at the door; 5: not final in time, look again later.",
    )
    submit.add_argument("files", type=Path, nargs="+", metavar="FILE")
    submit.add_argument(
        "--channel", default=None, metavar="CHANNEL", help="name or id, where the node keeps several"
    )
    submit.add_argument(
        "--timeout", type=int, default=20, metavar="SECONDS", help="how long to wait (default 20)"
    )
    add_node_options(submit)
    submit.set_defaults(func=_submit)


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


def _submit(options: argparse.Namespace) -> int:
    from doxedge.backends.http_client import NodeAddress, default_socket
    from doxedge.backends.port import LedgerError
    from doxedge.backends.remote import RemoteLedger

    envelopes = [_envelope(path) for path in options.files]
    asked = Asked(options)
    try:
        channels = asked.channels(options.channel)
    finally:
        asked.close()
    if len(channels) != 1:
        raise Failure(Exit.USAGE, f"the node keeps {len(channels)} channels; say which with --channel")
    channel = bytes.fromhex(str(channels[0]["channel"]))
    address = NodeAddress.parse(options.node or str(default_socket()), token_file=options.token_file)

    async def hand_in() -> list[TransactionStatus]:
        ledger = RemoteLedger(address)
        try:
            return await ledger.submit(channel, envelopes, wait="final", timeout_ms=options.timeout * 1_000)
        finally:
            await ledger.close()

    try:
        statuses = asyncio.run(hand_in())
    except LedgerError as error:
        raise Failure(Exit.TIMEOUT, f"{error}; whether it arrived is not known, hand it in again") from error
    return max(_tell(path, status) for path, status in zip(options.files, statuses, strict=True))


def _tell(path: Path, status: TransactionStatus) -> int:
    """One line for each record of a file; the exit code that the file deserves."""
    if not status.records:
        print(f"{path}: refused at the door: {status.code}: {status.reason}")
        return Exit.REFUSED
    code = Exit.OK
    for record in status.records:
        if record.state == "final" and record.outcome == 0:
            print(f"{path}: accepted in block {record.height}, record {record.record_id.hex()}")
        elif record.state == "stored":
            print(f"{path}: the node holds it, it is not final yet; hand it in again to look")
            code = max(code, Exit.TIMEOUT)
        else:
            what = f"clause {record.clause}" if record.clause else record.code or record.state
            print(f"{path}: refused: {what}: {record.reason or ''}")
            code = max(code, Exit.REFUSED)
    return code


def _envelope(path: Path) -> bytes:
    from doxedge.signing.limits import ENVELOPE_BYTES

    try:
        with path.open("rb") as file:
            data = file.read(ENVELOPE_BYTES + 1)
    except OSError as error:
        raise Failure(Exit.LOCAL_IO, f"{path} cannot be read: {error.strerror or error}") from error
    if not 0 < len(data) <= ENVELOPE_BYTES:
        raise Failure(Exit.USAGE, f"{path} holds {len(data)} bytes: that is no signed envelope")
    return data
