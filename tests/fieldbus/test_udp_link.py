"""Datagrams: only the instrument's own are heard, and what is lost is only no answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from doxedge.analysers.dialects import horiba
from doxedge.analysers.question import Answer
from doxedge.fieldbus.errors import ConnectionLost, LineError, NoAnswer, NoConnection, NotBound
from doxedge.fieldbus.network_links import UdpLink
from doxedge.fieldbus.text_line import text_line
from tests.fieldbus.hostile_text import ANSWERS, HORIBA_DATA, OTHERS, PHRASES
from tests.ports import server_port

PHRASE = PHRASES["horiba"]
PATIENT_MS = 60_000
Behaviour = Callable[[bytes, Callable[[bytes], None]], None]


@asynccontextmanager
async def on_udp(behave: Behaviour) -> AsyncIterator[UdpLink]:
    """An instrument that does with each datagram what `behave` says, and a link to it."""
    far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    far.bind(("127.0.0.1", 0))
    far.setblocking(False)

    def listen() -> None:
        question, address = far.recvfrom(4_096)

        def say(data: bytes) -> None:
            far.sendto(data, address)

        behave(question, say)

    loop = asyncio.get_running_loop()
    loop.add_reader(far, listen)
    link = UdpLink("127.0.0.1", far.getsockname()[1])
    try:
        yield link
    finally:
        link.close()
        loop.remove_reader(far)
        far.close()


def saying(*datagrams: bytes) -> Behaviour:
    def behave(_: bytes, say: Callable[[bytes], None]) -> None:
        for data in datagrams:
            say(data)

    return behave


async def test_an_answer_in_a_datagram_is_the_answer() -> None:
    async with on_udp(saying(ANSWERS["horiba"])) as link:
        line = text_line(link, "horiba", timeout_ms=PATIENT_MS)
        for _ in range(3):
            found = await line.exchange(PHRASE)
            assert isinstance(found, Answer)
            assert found.data == ANSWERS["horiba"]
        assert (link.character_s, link.name.partition(":")[0]) == (0.0, "udp 127.0.0.1")


async def test_an_answer_in_two_datagrams_is_put_together() -> None:
    good = ANSWERS["horiba"]
    async with on_udp(saying(good[:9], good[9:])) as link:
        assert isinstance(await text_line(link, "horiba", timeout_ms=PATIENT_MS).exchange(PHRASE), Answer)


@pytest.mark.parametrize(
    ("name", "datagrams", "error"),
    [
        ("nothing", (), NoAnswer),
        ("the answer to another question", (OTHERS["horiba"],), NoAnswer),
        ("half of it", (ANSWERS["horiba"][:20],), NoAnswer),
        ("the answer twice", (ANSWERS["horiba"], ANSWERS["horiba"]), NotBound),
        ("far too much", (b"\x80" * 4_000, b"\x80" * 4_000), LineError),
    ],
)
async def test_what_does_not_answer_is_never_a_value(
    name: str, datagrams: tuple[bytes, ...], error: type[LineError]
) -> None:
    async with on_udp(saying(*datagrams)) as link:
        timeout_ms = PATIENT_MS if error is NotBound else 60
        line = text_line(link, "horiba", timeout_ms=timeout_ms, quarantine_ms=20)
        with pytest.raises(error):
            await line.exchange(PHRASE)
        assert line.counters.quarantines == 1, name


async def test_an_answer_that_is_later_than_any_quarantine_is_not_heard() -> None:
    late = horiba.encode(horiba.HoribaFrame(1, 1, "R001", HORIBA_DATA.replace("83.2", "99.9")))
    asked: list[Callable[[bytes], None]] = []

    def behave(_: bytes, say: Callable[[bytes], None]) -> None:
        asked.append(say)
        if len(asked) == 2:
            asked[0](late)
            say(ANSWERS["horiba"])

    async with on_udp(behave) as link:
        with pytest.raises(NoAnswer):
            await text_line(link, "horiba", timeout_ms=60, quarantine_ms=5).exchange(PHRASE)
        found = await text_line(link, "horiba", timeout_ms=PATIENT_MS).exchange(PHRASE)
        assert isinstance(found, Answer)
        assert found.data == ANSWERS["horiba"]


async def test_a_datagram_of_somebody_else_is_not_heard() -> None:
    strangers: list[socket.socket] = []

    async with on_udp(saying()) as link:
        line = text_line(link, "horiba", timeout_ms=80, quarantine_ms=20)
        await link.open()
        assert link._transport is not None
        address = link._transport.get_extra_info("sockname")
        stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        strangers.append(stranger)
        asking = asyncio.create_task(line.exchange(PHRASE))
        for _ in range(5):
            await asyncio.sleep(0)
            stranger.sendto(ANSWERS["horiba"], address)
        with pytest.raises(NoAnswer):
            await asking
        stranger.close()


async def test_where_nobody_listens_the_next_exchange_tries_again() -> None:
    link = UdpLink("127.0.0.1", server_port(socket.SOCK_DGRAM))
    line = text_line(link, "horiba", timeout_ms=60, quarantine_ms=5)
    for _ in range(3):
        with pytest.raises(LineError):
            await line.exchange(PHRASE)
    await line.close()
    with pytest.raises(ConnectionLost, match="is not open"):
        link.write(b"x")
    assert link.flush() == 0


async def test_a_name_that_is_none_is_no_connection() -> None:
    with pytest.raises(NoConnection, match="cannot be reached"):
        await UdpLink("no-such-host.invalid", 53_700).open()
