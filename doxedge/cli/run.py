"""`doxedge run`: gateway and node in one process, for small boxes."""

from __future__ import annotations

import argparse
import asyncio
import functools
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from doxedge.analysers.configuration import ConfigError
from doxedge.cli.daemons import configure_logging, run_until_signal
from doxedge.cli.outcome import Exit, Failure

if TYPE_CHECKING:
    from doxedge.node.settings import NodeSettings

log = logging.getLogger(__name__)


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `run`."""
    parser = nouns.add_parser(
        "run",
        help="gateway and node in one process, for small boxes",
        description="Starts the node, and when it serves, the gateway that posts to it over its local socket. The "
        "same as `doxedge node run` and `doxedge gateway run` side by side, with one interpreter less. SIGHUP has the "
        "gateway take up a changed configuration; the node reads its file at the start only, and says in the log "
        "whether that file is another now and whether a restart would take it.",
        examples=(
            "doxedge run",
            "doxedge run --gateway /srv/north/gateway.toml --node /srv/north/node.toml",
        ),
    )
    for name in ("gateway", "node"):
        file = Path(f"/etc/doxedge/{name}.toml")
        parser.add_argument(f"--{name}", type=Path, default=file, metavar="FILE", help=f"default: {file}")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    parser.set_defaults(func=_run)


def _run(options: argparse.Namespace) -> int:
    from doxedge.backends.service import JointService, ServiceManager
    from doxedge.cli.collector import spare_ledger, spare_start
    from doxedge.fieldbus.clock import from_environment
    from doxedge.gateway.daemon import Gateway
    from doxedge.gateway.plan import load_plan
    from doxedge.node.daemon import Node
    from doxedge.node.settings import load_settings

    configure_logging(options.log_level)
    clock = from_environment(os.environ)
    service = JointService(ServiceManager.from_environment(os.environ), "gateway", "node")
    try:
        running = load_settings(options.node)
        node = Node(running, source=str(options.node), clock=clock, service=service.part("node"))
        gateway = Gateway(
            load_plan(options.gateway, clock=clock),
            clock=clock,
            service=service.part("gateway"),
            read=functools.partial(load_plan, options.gateway, clock=clock),
        )
    except ConfigError as error:
        raise Failure(Exit.USAGE, str(error)) from error

    async def both() -> None:
        serving = asyncio.Event()

        def started() -> None:
            spare_ledger()
            serving.set()

        async with asyncio.TaskGroup() as group:
            group.create_task(node.run(started=started), name="node")
            await serving.wait()
            group.create_task(gateway.run(started=spare_start), name="gateway")

    def hang_up() -> None:
        gateway.hang_up()
        _say_what_a_restart_would_change(options.node, running)

    return asyncio.run(run_until_signal(both(), on_hang_up=hang_up))


def _say_what_a_restart_would_change(path: Path, running: NodeSettings) -> None:
    """SIGHUP changes nothing about a node: whoever edited its file and sent one learns it from the log."""
    from doxedge.node.settings import load_settings

    try:
        written = load_settings(path)
    except ConfigError as error:
        log.error("the node goes on as it is, but a restart would fail: %s", error)
        return
    if written == running:
        log.info("%s says what the node runs with", path)
    else:
        log.warning("%s has changed: the node goes on with what it read at its start, until a restart", path)
