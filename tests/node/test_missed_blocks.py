"""A node that was away fetches what it missed, from whoever has it, over brokers that nobody trusts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from doxedge.consensus.header import decode_header
from doxedge.gossip import catch_up, message, topics
from doxedge.gossip.message import Kind
from doxedge.ledger.block import Block, decode_block
from doxedge.node.daemon import Node
from doxedge.signing.canonical import Value
from simulators.broker.server import Broker
from tests.gossip.voice import Voice
from tests.ledger.channels import signer
from tests.node.network import PATIENCE_S, Network, until

PARTIES = ("regulator", "alpha", "beta")
TEXT_BYTES = 4_000


async def grow(network: Network, node: Node, *, blocks: int, records: int) -> None:
    """So many blocks of so many records of 4 KB, by the regulator's node."""
    regulator = network.hand("north").author("regulator officer")
    for _ in range(blocks):
        submitted = [
            regulator.say("config", ["warning_percent", 10 + regulator.seq % 50, "x" * TEXT_BYTES])
            for _ in range(records)
        ]
        await network.submit(node, "north", submitted)


def heights_of(body: list[Value]) -> list[int]:
    """Of the whole blocks in an answer."""
    whole = body[3] if isinstance(body[3], list) else []
    return [decode_block(raw).header.height for raw in message.byte_strings(whole)]


def fetched_by(voice: Voice) -> list[int]:
    """The heights of the whole blocks in all answers that were heard, in order."""
    opened = [message.open_message(payload) for payload in voice.payloads()]
    return [height for said in opened if said.kind is Kind.HAVE for height in heights_of(said.body)]


async def test_a_node_that_was_away_catches_up_by_ranges_and_fetches_no_block_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "ASK_AGAIN_S", PATIENCE_S)  # a busy machine answers late
    async with Broker() as broker:
        network = Network(tmp_path, channels={"north": PARTIES}, broker_ports=[broker.port])
        async with network.running("regulator") as regulator:
            await grow(network, regulator, blocks=40, records=4)
            async with (
                Voice(broker.port, hears=["doxedge/1/+/in/#"]) as voice,
                network.running("alpha") as alpha,
            ):
                await network.in_step([regulator, alpha], "north")
                height = network.height(regulator, "north")
                await until(lambda: height in fetched_by(voice), what="the last answer at who listens")
                fetched = fetched_by(voice)
                opened = [message.open_message(payload) for payload in voice.payloads()]
        questions = [said.body for said in opened if said.kind is Kind.WANT]
        assert fetched == list(range(1, height + 1))
        assert len(questions) <= 20, "several blocks travel in one answer"


def offsets(voice: Voice) -> int:
    """How many questions were for a part of a block that is not its first."""
    opened = [message.open_message(payload) for payload in voice.payloads()]
    return sum(bool(said.body[2]) for said in opened if said.kind is Kind.WANT)


async def test_a_block_that_no_message_holds_comes_in_parts(tmp_path: Path) -> None:
    async with Broker() as broker:
        network = Network(tmp_path, channels={"north": PARTIES}, broker_ports=[broker.port])
        async with network.running("regulator") as regulator:
            await grow(network, regulator, blocks=2, records=60)
            async with (
                Voice(broker.port, hears=["doxedge/1/+/in/#"]) as voice,
                network.running("alpha") as alpha,
            ):
                await network.in_step([regulator, alpha], "north")
                await until(lambda: offsets(voice) >= 2, what="questions for further parts")


async def blocks_of(network: Network, node: Node, name: str) -> list[bytes]:
    """The channel as it travels, from the first block on."""
    store = network.host(node, name).node.store
    stored = await store.blocks(1, network.height(node, name), bytes_max=2**30)
    return [
        Block(decode_header(row.header), row.certificate, row.transactions).encode()
        for row in stored
        if row.certificate is not None and row.transactions is not None
    ]


def swapped(raw: bytes) -> bytes:
    """The block with its first two transactions in the other order."""
    block = decode_block(raw)
    first, second, *rest = block.transactions
    return Block(block.header, block.certificate, (second, first, *rest)).encode()


def uncertified(raw: bytes) -> bytes:
    """The block with a signature that does not hold."""
    block = decode_block(raw)
    certificate = block.certificate[:-1] + bytes([block.certificate[-1] ^ 1])
    return Block(block.header, certificate, block.transactions).encode()


Lie = Callable[[int, list[bytes], list[bytes]], list[Value] | None]
"""From the height that is asked for, the blocks, and those of another channel: the body of the answer, or silence."""
LIES: dict[str, Lie] = {
    "nothing at all": lambda height, blocks, south: None,
    "that he has none": lambda height, blocks, south: catch_up.answer(height, 0, []),
    "bytes that are no block": lambda height, blocks, south: [height, 0, 0, [b"block"]],
    "the first block again": lambda height, blocks, south: [height, 0, 0, [blocks[0]]],
    "blocks far ahead": lambda height, blocks, south: [height, 0, 0, [blocks[-1]]],
    "blocks of another channel": lambda height, blocks, south: [height, 0, 0, [south[0]]],
    "a block with its transactions in another order": lambda height, blocks, south: [
        height, 0, 0, [swapped(blocks[height - 1])],
    ],
    "a block with a wrong certificate": lambda height, blocks, south: [
        height, 0, 0, [uncertified(blocks[height - 1])],
    ],
    "a part of a wrong block": lambda height, blocks, south: [height, 50_000, 0, bytes(50_000)],
    "a part that does not begin": lambda height, blocks, south: [height, 50_000, 10, bytes(100)],
    "no answer's shape": lambda height, blocks, south: ["blocks"],
}  # fmt: skip


@contextlib.asynccontextmanager
async def lying(
    network: Network, port: int, lie: Lie, blocks: list[bytes], south: list[bytes]
) -> AsyncIterator[list[int]]:
    """Alpha's node key in the hands of a liar, who shows the newest head and answers every question of beta."""
    channel, key, victim = network.channels["north"], signer("alpha node"), signer("beta node").key_id
    asked: list[int] = []
    newest = decode_block(blocks[-1])
    head: list[Value] = [newest.header.time_ms, newest.header.encode(), newest.certificate]

    async def answer_forever(voice: Voice) -> None:
        while True:
            await until(lambda: voice.heard, timeout_s=600)
            opened = message.open_message(voice.heard.pop(0)[1])
            if opened.kind is Kind.WANT:
                height = opened.body[1]
                assert isinstance(height, int)
                asked.append(height)
                body = lie(height, blocks, south)
                if body is not None:
                    topic = topics.inbox(channel, member=victim, sender=key.key_id)
                    sealed = message.seal(
                        Kind.HAVE, body, channel=channel, signer=key, correlation=opened.correlation
                    )
                    await voice.say(topic, sealed)

    inbox = topics.inbox(channel, member=key.key_id, sender=victim)
    async with Voice(port, "liar", hears=[inbox]) as voice:
        sealed = message.seal(Kind.HEAD, head, channel=channel, signer=key)
        await voice.say(topics.head(channel, key.key_id), sealed, retain=True)
        task = asyncio.create_task(answer_forever(voice), name="liar")
        try:
            yield asked
            assert not task.done(), task.exception()
        finally:
            task.cancel()


@pytest.mark.parametrize("name", list(LIES))
async def test_a_member_who_answers_with(name: str, tmp_path: Path) -> None:
    """... only delays: what is missing comes from the next member."""
    async with Broker() as broker:
        channels = {"north": PARTIES, "south": ("regulator",)}
        network = Network(tmp_path, channels=channels, broker_ports=[broker.port])
        async with network.running("regulator") as regulator:
            await network.submit(regulator, "south", network.hand("south").configs(1))
            await grow(network, regulator, blocks=8, records=8)
            blocks, south = [await blocks_of(network, regulator, each) for each in channels]
            async with (
                lying(network, broker.port, LIES[name], blocks, south) as asked,
                network.running("beta") as beta,
            ):
                await network.in_step([regulator, beta], "north")
                assert asked, "the liar comes first in the order of keys, so he was asked"
                assert network.host(beta, "north").node.standing.halted is None
