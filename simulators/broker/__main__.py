"""`python -m simulators.broker`: the broker as a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import ssl
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from simulators.broker.faults import FaultRule, Faults, parse_rule
from simulators.broker.packets import V3, V5
from simulators.broker.server import Broker
from simulators.broker.settings import BrokerSettings

_PROTOCOLS: Final = {"both": frozenset({V3, V5}), "3.1.1": frozenset({V3}), "5": frozenset({V5})}
_EPILOG: Final = """\
examples
  python -m simulators.broker --port 1883
      an honest broker; any MQTT 3.1.1 or 5 client can use it
  python -m simulators.broker --fault drop=0.1 --seed 7
      about one message in ten is lost on its way to a subscriber, the same ones for the same traffic
  python -m simulators.broker --fault topic=doxedge/1/+/con/+,delay=1,delay_ms=20-200,reorder=0.2
      consensus is slow and out of order, all else is well
  python -m simulators.broker --fault from=alice*,corrupt=1,times=3
      the first three messages of clients whose id begins with alice arrive with a flipped bit
  python -m simulators.broker --partition alice*,bob* --partition carol*
      carol does not hear alice and bob, nor they her
  python -m simulators.broker --take-over-every 30
      every 30 s each client is told that another has come with its client id

a fault is name=value,...   chances (0 to 1): drop duplicate delay reorder truncate corrupt disconnect take_over;
                            delay_ms=LOW-HIGH, topic=FILTER, from=CLIENT, to=CLIENT, times=N.
The first fault that covers a message decides alone, so put the special ones in front.

When the broker is ready it prints one line, `listening HOST:PORT`. SIGTERM or SIGINT ends it.
Sessions and retained messages live in memory only: a broker that is killed has forgotten everything.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop. Exit 0 after SIGTERM or SIGINT, 2 for wrong flags, 7 when it cannot listen."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        settings = _settings(arguments)
    except (OSError, ssl.SSLError) as error:
        parser.error(f"--tls-cert, --tls-key, --tls-ca: {error}")
    faults = Faults(arguments.seed)
    for rule in arguments.fault:
        faults.add(rule)
    if arguments.partition:
        faults.partition(*(patterns.split(",") for patterns in arguments.partition))
    try:
        asyncio.run(_serve(Broker(settings, faults=faults), arguments))
    except OSError as error:
        print(f"cannot listen at {settings.host}:{settings.port}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 7
    return 0


async def _serve(broker: Broker, arguments: argparse.Namespace) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with broker, asyncio.TaskGroup() as group:
        _announce(broker, arguments.ready_file)
        tasks = [
            group.create_task(
                _repeat(arguments.disconnect_every, broker.disconnect), name="broker-disconnect"
            ),
            group.create_task(_repeat(arguments.take_over_every, broker.take_over), name="broker-take-over"),
        ]
        await stopping.wait()
        for task in tasks:
            task.cancel()


async def _repeat(period_s: float | None, action: Callable[[], int]) -> None:
    while period_s is not None:
        await asyncio.sleep(period_s)
        action()


def _announce(broker: Broker, ready_file: Path | None) -> None:
    """First the file, whole or not at all, then the line: whoever has read the line finds the file."""
    address = f"{broker.host}:{broker.port}"
    if ready_file is not None:
        unfinished = ready_file.with_name(f"{ready_file.name}.{os.getpid()}")
        unfinished.write_text(f"{address}\n", encoding="ascii")
        unfinished.replace(ready_file)
    print(f"listening {address}", flush=True)  # noqa: T201


def _settings(arguments: argparse.Namespace) -> BrokerSettings:
    """Raises OSError or SSLError for files of TLS that are missing or wrong."""
    tls = None
    if arguments.tls_cert is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=arguments.tls_ca)
        tls.load_cert_chain(arguments.tls_cert, arguments.tls_key)
        if arguments.tls_ca is not None:
            tls.verify_mode = ssl.CERT_REQUIRED
    return BrokerSettings(
        host=arguments.host,
        port=arguments.port,
        versions=_PROTOCOLS[arguments.protocols],
        packet_bytes_max=arguments.packet_bytes_max,
        queue_messages_max=arguments.queue_messages_max,
        tls=tls,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulators.broker",
        description="A small MQTT broker (3.1.1 and 5, QoS 0 to 2) that can be told to lose, delay, double, reorder, "
        "cut and alter messages. For tests and demos; use mosquitto in production.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    defaults = BrokerSettings()
    parser.add_argument("--host", default=defaults.host, help="address to listen at (default %(default)s)")
    parser.add_argument("--port", type=_port, default=0, help="port to listen at; 0 = any free one (default)")
    parser.add_argument("--ready-file", type=Path, metavar="PATH", help="write HOST:PORT there when ready")
    parser.add_argument("--protocols", choices=sorted(_PROTOCOLS), default="both", help="default both")
    parser.add_argument(
        "--packet-bytes-max",
        type=_positive,
        default=defaults.packet_bytes_max,
        metavar="N",
        help="largest packet; told to MQTT 5 clients, who are cut off beyond it (default %(default)s)",
    )
    parser.add_argument(
        "--queue-messages-max",
        type=_positive,
        default=defaults.queue_messages_max,
        metavar="N",
        help="messages kept for a client that is away (default %(default)s)",
    )
    parser.add_argument("--tls-cert", metavar="FILE", help="serve TLS with this certificate (PEM)")
    parser.add_argument("--tls-key", metavar="FILE", help="its key, if not in the same file")
    parser.add_argument("--tls-ca", metavar="FILE", help="demand client certificates of this authority")
    faults = parser.add_argument_group("faults")
    faults.add_argument("--seed", type=int, default=0, help="of all chances (default 0)")
    faults.add_argument("--fault", type=_rule, action="append", default=[], metavar="RULE", help="see below")
    faults.add_argument(
        "--partition",
        action="append",
        metavar="CLIENT,...",
        help="an island of clients; give it twice or more: islands do not hear each other",
    )
    faults.add_argument(
        "--disconnect-every", type=_seconds, metavar="S", help="cut all connections every S s"
    )
    faults.add_argument("--take-over-every", type=_seconds, metavar="S", help="feign take-overs every S s")
    return parser


def _rule(text: str) -> FaultRule:
    try:
        return parse_rule(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65_535:
        raise argparse.ArgumentTypeError(f"{port} is not a port (0 to 65535)")
    return port


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not at least 1")
    return number


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.01 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{seconds} is not between 0.01 and 86400 seconds")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
