"""The line fault table: sixteen faults of a device, forty reads each, and who takes a wrong value for a measurement.

`python -m tests.benchmarks.line_faults [--reads 40] [--output json] [--quick]`

Every register holds its own address, so a value of another answer shows. Beside our clients pymodbus and libmodbus
(through ctypes, where the library is installed) read the same faulty devices in the same run: RTU on a pty, RTU through
a converter on TCP, and Modbus TCP. Exit 0 when our clients took no wrong value, and found the good frames among noise
and echo on the RTU lines; 6 otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import struct
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final

from doxedge.analysers.question import Answer, Function, ReadRegisters
from doxedge.fieldbus.bound_line import BoundLine
from doxedge.fieldbus.byte_link import ByteLink
from doxedge.fieldbus.endpoint import Endpoint
from doxedge.fieldbus.errors import LineError
from doxedge.fieldbus.modbus_rtu import modbus_rtu
from doxedge.fieldbus.modbus_tcp import ModbusTcp
from doxedge.fieldbus.network_links import TcpLink
from doxedge.fieldbus.serial_link import SerialLink
from tests.benchmarks.other_clients import LibModbus, OtherClient, PyModbus
from tests.fieldbus.hostile_bus import BusQuestion, HostileBus, bus_on_pty, bus_on_tcp
from tests.fieldbus.hostile_device import Question, Visit, hostile_device

TIMEOUT_S: Final = 0.2
COUNT: Final = 10
SEED: Final = 7

FAULTS: Final = (
    "none", "1 noise byte before", "4 noise bytes before", "3 noise bytes after", "bit flip", "truncated",
    "late by half a timeout", "each third answer late", "answer sent twice", "wrong unit", "wrong function",
    "fewer registers", "more registers", "exception 6", "echo of the question", "split in 3 chunks",
)  # fmt: skip
_ON_A_BUS: Final = (
    "none",
    "1 noise byte before",
    "4 noise bytes before",
    "echo of the question",
    "split in 3 chunks",
)
RECOVERED: Final = {
    "ours rtu": _ON_A_BUS,
    "ours rtu over tcp": _ON_A_BUS,
    "ours tcp": ("none", "split in 3 chunks"),
}
"""Faults in which the good frame is there and is found. TCP itself loses and adds no byte, so that a Modbus TCP stream
with a strange byte is one that nobody may read on in."""


Delivery = list[tuple[float, bytes]]
"""What a device sends: delays in seconds and bytes."""
Answers = Callable[..., bytes]


def _noise(fault: str, number: int, count: int) -> bytes:
    """The same for every client."""
    return random.Random(f"{SEED} {fault} {number}").randbytes(count)


def _flipped(good: bytes, place: int) -> bytes:
    return good[:place] + bytes([good[place] ^ 0x10]) + good[place + 1 :]


def _split(good: bytes) -> Delivery:
    third = len(good) // 3
    return [(0, good[:third]), (0.005, good[third : 2 * third]), (0.010, good[2 * third :])]


def delivery(fault: str, number: int, question: bytes, answer: Answers, *, flip_at: int) -> Delivery:
    """What a device with this fault sends to its `number`-th question. `flip_at` is the byte with the flipped bit."""
    good = answer()
    late_s = (1.02 if number % 3 == 0 else 0.3) * TIMEOUT_S
    made: dict[str, Callable[[], Delivery]] = {
        "1 noise byte before": lambda: [(0, _noise(fault, number, 1) + good)],
        "4 noise bytes before": lambda: [(0, _noise(fault, number, 4) + good)],
        "3 noise bytes after": lambda: [(0, good + _noise(fault, number, 3))],
        "bit flip": lambda: [(0, _flipped(good, flip_at))],
        "truncated": lambda: [(0, good[:-3])],
        "late by half a timeout": lambda: [(1.5 * TIMEOUT_S, good)],
        "each third answer late": lambda: [(late_s, good)],
        "answer sent twice": lambda: [(0, good), (0.002, good)],
        "wrong unit": lambda: [(0, answer(unit=2))],
        "wrong function": lambda: [(0, answer(function=4))],
        "fewer registers": lambda: [(0, answer(count=COUNT - 1))],
        "more registers": lambda: [(0, answer(count=COUNT + 1))],
        "echo of the question": lambda: [(0, question + good)],
        "split in 3 chunks": lambda: _split(good),
    }
    return made.get(fault, lambda: [(0, good)])()


def on_bus(fault: str) -> Callable[[BusQuestion, HostileBus], None]:
    """The fault on a serial line."""

    def behave(question: BusQuestion, bus: HostileBus) -> None:
        if fault == "exception 6":
            bus.say(question.exception(6))
            return
        for delay_s, data in delivery(fault, question.number, question.raw, question.answer, flip_at=-6):
            if delay_s:
                bus.say_later(delay_s, data)
            else:
                bus.say(data)

    return behave


async def over_tcp(fault: str, question: Question, visit: Visit) -> None:
    """The fault of a Modbus TCP device. A connection that is gone gets nothing any more."""
    if fault == "exception 6":
        visit.send(question.frame(bytes([question.function | 0x80, 6])))
        return
    asked = question.frame(struct.pack(">BHH", question.function, question.address, question.count))
    loop = asyncio.get_running_loop()
    number = len(visit.device.questions)
    # Modbus TCP has no check sum of its own, TCP's guards the wire: the flipped bit is one of the transaction id.
    for delay_s, data in delivery(fault, number, asked, question.answer, flip_at=1):
        if delay_s:
            loop.call_later(delay_s, _say, visit, data)
        else:
            visit.send(data)


def _say(visit: Visit, data: bytes) -> None:
    if not visit.writer.is_closing():
        visit.send(data)


class Ours:
    """Our endpoint in the form of the others."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def read(self, address: int, count: int) -> Sequence[int] | None:
        """The registers, or None for an exception or an error."""
        try:
            found = await self._endpoint.exchange(
                ReadRegisters(1, Function.HOLDING_REGISTERS, address, count)
            )
        except LineError:
            return None
        if not isinstance(found, Answer):
            return None
        return struct.unpack(f">{count}H", found.data)

    async def close(self) -> None:
        """Let go of the line."""
        await self._endpoint.close()


async def count_outcomes(client: OtherClient, reads: int) -> Counter[str]:
    """Right, WRONG, another length, or an error, over reads at changing addresses."""
    seen: Counter[str] = Counter(ok=0, wrong=0, length=0, error=0)
    for number in range(reads):
        address = number * COUNT % 900
        registers = await client.read(address, COUNT)
        if registers is None:
            seen["error"] += 1
        elif len(registers) != COUNT:
            seen["length"] += 1
        else:
            right = list(registers) == list(range(address, address + COUNT))
            seen["ok" if right else "wrong"] += 1
    await client.close()
    return seen


async def measure(fault: str, reads: int) -> dict[str, Counter[str]]:
    """All clients side by side, each against a device of its own with this fault."""
    async with AsyncExitStack() as stack:
        pending: dict[str, asyncio.Task[Counter[str]]] = {}

        def begin(name: str, client: OtherClient) -> None:
            pending[name] = asyncio.create_task(count_outcomes(client, reads), name=name)

        _, link = await stack.enter_async_context(bus_on_pty(on_bus(fault)))
        begin("ours rtu", Ours(rtu_over(link)))
        _, link = await stack.enter_async_context(bus_on_tcp(on_bus(fault)))
        begin("ours rtu over tcp", Ours(rtu_over(link)))
        device = await stack.enter_async_context(hostile_device(lambda q, v: over_tcp(fault, q, v)))
        begin("ours tcp", Ours(ModbusTcp("127.0.0.1", device.port, timeout_ms=round(1_000 * TIMEOUT_S))))
        _, link = await stack.enter_async_context(bus_on_pty(on_bus(fault)))
        begin("pymodbus rtu", await PyModbus.rtu(_port(link), timeout_s=TIMEOUT_S))
        device = await stack.enter_async_context(hostile_device(lambda q, v: over_tcp(fault, q, v)))
        begin("pymodbus tcp", await PyModbus.tcp(device.port, timeout_s=TIMEOUT_S))
        if LibModbus.is_here():
            _, link = await stack.enter_async_context(bus_on_pty(on_bus(fault)))
            begin("libmodbus rtu", await LibModbus.rtu(_port(link), timeout_s=TIMEOUT_S))
            device = await stack.enter_async_context(hostile_device(lambda q, v: over_tcp(fault, q, v)))
            begin("libmodbus tcp", await LibModbus.tcp(device.port, timeout_s=TIMEOUT_S))
        return {name: await task for name, task in pending.items()}


def rtu_over(link: ByteLink) -> BoundLine:
    """Our client with the time-out of the table."""
    return modbus_rtu(link, timeout_ms=round(1_000 * TIMEOUT_S))


def _port(link: ByteLink) -> str:
    if not isinstance(link, SerialLink | TcpLink):
        raise TypeError(f"{link.name} is no port")
    return link.settings.port if isinstance(link, SerialLink) else f"{link.host}:{link.port}"


def verdict(table: dict[str, dict[str, Counter[str]]], reads: int) -> dict[str, object]:
    """What the table says of us: reads, wrong values, and good frames recovered per transport."""
    result: dict[str, object] = {}
    for name, found in RECOVERED.items():
        outcomes = {fault: clients[name] for fault, clients in table.items()}
        result[name] = {
            "reads": sum(sum(seen.values()) for seen in outcomes.values()),
            "wrong": sum(seen["wrong"] + seen["length"] for seen in outcomes.values()),
            "recovered": sum(outcomes[fault]["ok"] for fault in found),
            "recoverable": reads * len(found),
        }
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Exit 0 when nothing wrong came through and the recoverable frames were found."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.line_faults", description=__doc__)
    parser.add_argument("--reads", type=int, default=40, help="reads per fault and client (default 40)")
    parser.add_argument("--output", choices=("table", "json"), default="table")
    parser.add_argument("--quick", action="store_true", help="three reads per fault, to see that it works")
    options = parser.parse_args(argv)
    reads = 3 if options.quick else options.reads
    if not 1 <= reads <= 10_000:
        parser.error("--reads is between 1 and 10000")
    logging.disable(logging.CRITICAL)  # pymodbus logs every fault that is put in front of it
    table: dict[str, dict[str, Counter[str]]] = {}
    for place, fault in enumerate(FAULTS):
        if options.output == "table":
            print(f"[{place + 1}/{len(FAULTS)}] {fault}", file=sys.stderr, flush=True)
        table[fault] = asyncio.run(measure(fault, reads))
    said = verdict(table, reads)
    missing = [] if LibModbus.is_here() else ["libmodbus is not installed: apt-get install libmodbus5"]
    if options.output == "json":
        json.dump(
            {"reads_per_fault": reads, "verdict": said, "faults": table, "skipped": missing},
            sys.stdout,
            indent=1,
        )
        print()
    else:
        _print_table(table, said, missing)
    sound = all(
        entry["wrong"] == 0 and entry["recovered"] >= 0.9 * entry["recoverable"]
        for entry in said.values()
        if isinstance(entry, dict)
    )
    return 0 if sound else 6


def _print_table(
    table: dict[str, dict[str, Counter[str]]], said: dict[str, object], missing: Sequence[str]
) -> None:
    names = list(next(iter(table.values())))
    print("right/WRONG/other length/error")
    print(" " * 24 + "".join(f"{name:>19}" for name in names))
    for fault, clients in table.items():
        cells = "".join(
            f"{'/'.join(str(clients[name][key]) for key in ('ok', 'wrong', 'length', 'error')):>19}"
            for name in names
        )
        print(f"{fault:24}{cells}")
    for name, entry in said.items():
        print(f"{name}: {entry}")
    for line in missing:
        print(line)


if __name__ == "__main__":
    raise SystemExit(main())
