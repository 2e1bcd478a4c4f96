"""All brokers of a node carry everything; none of them is relied upon."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.node.brokers import Brokers
from doxedge.node.settings import BrokerTable
from doxedge.signing.limits import MESSAGE_BYTES
from simulators.broker.server import Broker
from simulators.broker.settings import BrokerSettings
from tests.ledger.channels import signer
from tests.node.network import until
from tests.ports import server_port

TOPIC = "doxedge/1/0123456789abcdef/tx/" + signer("alpha node").key_id.hex()


class Ear:
    """What came, and how often somebody used our name."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.taken_over = 0

    def take(self, _: str, payload: bytes) -> None:
        self.heard.append(payload)

    def note_taken_over(self) -> None:
        self.taken_over += 1


def table(port: int) -> BrokerTable:
    return BrokerTable(host="127.0.0.1", port=port, reconnect_s_min=0.02, reconnect_s_max=0.1)


def make(name: str, tables: Sequence[BrokerTable], ear: Ear) -> Brokers:
    return Brokers(
        tables,
        source="node.toml",
        key_id=signer(f"{name} node").key_id,
        on_message=ear.take,
        on_taken_over=ear.note_taken_over,
        subscriptions=[(TOPIC, 0)],
        presences=(),
        chance=lambda: 0.5,
    )


@asynccontextmanager
async def running(brokers: Brokers) -> AsyncIterator[Brokers]:
    task = asyncio.create_task(brokers.run())
    try:
        yield brokers
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_everything_goes_to_every_broker_and_comes_from_every_broker() -> None:
    async with Broker() as one, Broker() as two:
        tables, ear = [table(one.port), table(two.port)], Ear()
        async with running(make("alpha", tables, Ear())) as alpha, running(make("beta", tables, ear)) as beta:
            await until(lambda: all(s.connected.is_set() for s in [*alpha.sessions, *beta.sessions]))
            assert alpha.publish(TOPIC, b"hello")
            await until(lambda: ear.heard == [b"hello"] * 2)
            assert alpha.reasons() == []


async def test_one_broker_of_two_is_enough_and_the_other_is_not_forgotten() -> None:
    port = server_port()
    async with Broker() as one:
        tables, ear = [table(one.port), table(port)], Ear()
        async with running(make("alpha", tables, Ear())) as alpha, running(make("beta", tables, ear)) as beta:
            await until(lambda: alpha.is_connected and beta.is_connected)
            alpha.publish(TOPIC, b"by one road")
            await until(lambda: ear.heard == [b"by one road"])
            assert alpha.reasons() == []
            async with Broker(BrokerSettings(port=port)):
                await until(lambda: all(session.connected.is_set() for session in alpha.sessions))


async def test_no_broker_at_all_is_told_to_the_operator_and_found_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    port = server_port()
    async with running(make("alpha", [table(port)], Ear())) as alpha:
        assert not await alpha.wait_connected(timeout_s=0.05)
        assert "submissions are kept meanwhile" in alpha.reasons()[0]
        await until(lambda: f"127.0.0.1:{port}: unreachable" in caplog.text)
        async with Broker(BrokerSettings(port=port)):
            assert await alpha.wait_connected(timeout_s=60)
            assert alpha.reasons() == []


async def test_a_node_without_brokers_waits_for_none() -> None:
    alone = make("alpha", [], Ear())
    assert not await alone.wait_connected(timeout_s=1_000)
    assert alone.publish(TOPIC, b"to nobody")
    assert alone.reasons() == []


async def test_somebody_with_our_name_is_an_alarm() -> None:
    async with Broker() as broker:
        ear = Ear()
        async with running(make("alpha", [table(broker.port)], ear)) as alpha:
            await until(lambda: alpha.is_connected)
            broker.take_over("*")
            await until(lambda: ear.taken_over)


async def test_a_message_that_a_broker_does_not_take_is_counted_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Broker(BrokerSettings(packet_bytes_max=1_000)) as small, Broker() as large:
        ear = Ear()
        tables = [table(small.port), table(large.port)]
        async with running(make("alpha", tables, Ear())) as alpha, running(make("beta", tables, ear)) as beta:
            await until(lambda: all(s.connected.is_set() for s in [*alpha.sessions, *beta.sessions]))
            for _ in range(3):
                assert not alpha.publish(TOPIC, bytes(2_000))
            await until(lambda: ear.heard == [bytes(2_000)] * 3, what="the other broker carries it")
            assert alpha.too_large == 3
            assert caplog.text.count("raise the broker's limit") == 1
            assert not alpha.publish(TOPIC, bytes(MESSAGE_BYTES + 1))


def test_files_of_tls_that_cannot_be_used_are_named_by_their_table(tmp_path: Path) -> None:
    tables = [table(1), BrokerTable(host="127.0.0.1", ca_file=tmp_path / "missing.pem")]
    with pytest.raises(ConfigError, match=r"broker\[1\]"):
        make("alpha", tables, Ear())
