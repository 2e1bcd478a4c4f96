"""The record that stands where another one claims the same number is found, in the pool and on the ledger."""

from __future__ import annotations

from copy import copy
from pathlib import Path

from doxedge.ledger.transaction import Transaction
from doxedge.node.rivals import find_rival
from doxedge.signing.canonical import Value
from tests.ledger.channels import Author
from tests.node.bench import CHANNEL, Bench, bench
from tests.node.network import Hand


def event(author: Author, text: str) -> Transaction:
    return author.say("event", body(text))


def body(text: str) -> list[Value]:
    return ["alpha-1", "test.event", 946_684_800_000, text]


async def rival(node: Bench, transaction: Transaction) -> tuple[int, bytes] | None:
    inner = node.host.node
    return await find_rival(inner.chain, inner.pool, inner.store, transaction)


async def test_a_rival_that_waits_in_the_pool_is_found(tmp_path: Path) -> None:
    hand = Hand(CHANNEL)
    registrations = hand.registrations(["alpha"])
    device = hand.author("alpha-1 device")
    async with bench(tmp_path) as node:
        await node.submit(registrations)
        node.host.node.standing.stop_voting("so that the pool keeps what it has")
        other = copy(device)
        first, second = event(device, "one"), event(other, "two")
        await node.host.submit([first.raw], wait="stored", timeout_s=1)
        assert await rival(node, second) == (1, first.raw)
        assert await rival(node, first) is None
        assert await rival(node, event(device, "the next number")) is None


async def test_a_rival_that_is_final_is_found_however_many_records_followed(tmp_path: Path) -> None:
    hand = Hand(CHANNEL)
    registrations = hand.registrations(["alpha"])
    device = hand.author("alpha-1 device")
    clones = []
    finals = []
    for number in range(6):
        clones.append(copy(device))
        finals.append(event(device, f"record {number}"))
    async with bench(tmp_path) as node:
        await node.submit(registrations)
        await node.submit(finals)
        for seq, (clone, final) in enumerate(zip(clones, finals, strict=True), 1):
            assert await rival(node, event(clone, "another")) == (seq, final.raw)
            assert await rival(node, final) is None
        assert await rival(node, event(device, "not yet claimed")) is None


async def test_a_rival_inside_a_batch_is_found_by_its_number(tmp_path: Path) -> None:
    hand = Hand(CHANNEL)
    registrations = hand.registrations(["alpha"])
    device = hand.author("alpha-1 device")
    entries = [("event", body(f"record {n}")) for n in range(4)]
    clone = copy(device)
    batch = device.batch(entries)
    async with bench(tmp_path) as node:
        await node.submit(registrations)
        assert await node.submit([batch]) == ["final"] * 4
        other = clone.batch([*entries[:2], ("event", body("changed"))])
        assert await rival(node, other) == (3, batch.raw)


async def test_a_source_that_the_channel_does_not_know_has_no_rival(tmp_path: Path) -> None:
    stranger = Hand(CHANNEL).author("nobody officer")
    async with bench(tmp_path) as node:
        assert await rival(node, event(stranger, "hello")) is None
