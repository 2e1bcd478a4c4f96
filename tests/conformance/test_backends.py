"""One suite for every ledger that a gateway may post to: HTTP over a socket, over TCP, and the test double."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from doxedge.backends.http_client import NodeAddress
from doxedge.backends.port import Ledger
from doxedge.backends.remote import RemoteLedger
from doxedge.evidence.check import check
from tests.gateway.memory_ledger import MemoryLedger
from tests.ledger.channels import HOUR_MS, START_MS, Author, hour
from tests.web.small_node import SmallNode, served, tcp_address


@dataclass
class Bench:
    """A ledger under test, and the one behind it."""

    ledger: Ledger
    memory: MemoryLedger

    @property
    def channel(self) -> bytes:
        return self.memory.channel

    @property
    def device(self) -> Author:
        return self.memory.channel_state.authors["alpha-1 device"]

    def say_hour(self, number: int) -> bytes:
        return self.device.say("hour", hour("alpha-1", START_MS + number * HOUR_MS)).raw


@pytest.fixture(params=["remote over a socket", "remote over TCP", "in memory"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    node = SmallNode.begin()
    if request.param == "in memory":
        yield Bench(node.ledger, node.ledger)
        return
    tcp = request.param == "remote over TCP"
    async with served(node, tmp_path, unix=not tcp, tcp=tcp) as addresses:
        address = tcp_address(addresses, tmp_path) if tcp else NodeAddress(socket_path=addresses.socket_path)
        ledger = RemoteLedger(address)
        yield Bench(ledger, node.ledger)
        await ledger.close()


async def test_a_submission_is_answered_record_by_record(bench: Bench) -> None:
    bodies = [("hour", hour("alpha-1", START_MS + n * HOUR_MS)) for n in range(3)]
    batch, single = bench.device.batch(bodies), bench.say_hour(3)
    first, second = await bench.ledger.submit(bench.channel, [batch.raw, single])
    assert (first.tx_id, first.wire_id) == (batch.tx_id, batch.wire_id)
    assert [record.record_id for record in first.records] == list(batch.record_ids)
    assert {record.state for record in (*first.records, *second.records)} == {"stored"}


async def test_the_same_record_again_gets_the_same_answer(bench: Bench) -> None:
    raw = bench.say_hour(0)
    once = await bench.ledger.submit(bench.channel, [raw])
    assert await bench.ledger.submit(bench.channel, [raw]) == once
    bench.memory.build_block()
    (final,) = await bench.ledger.submit(bench.channel, [raw])
    assert [(record.state, record.outcome) for record in final.records] == [("final", 0)]


async def test_a_second_record_of_one_number_is_told_its_clause_at_once(bench: Bench) -> None:
    raw = bench.say_hour(0)
    bench.device.seq, bench.device.prev = 0, type(bench.device).prev
    rival = bench.say_hour(1)
    await bench.ledger.submit(bench.channel, [raw])
    (answer,) = await bench.ledger.submit(bench.channel, [rival])
    assert answer.records[0].state == "conflict"
    assert answer.records[0].clause
    assert answer.records[0].code == "conflict"


async def test_a_record_that_does_not_follow_is_refused_with_code_and_advice(bench: Bench) -> None:
    bench.say_hour(0)
    (answer,) = await bench.ledger.submit(bench.channel, [bench.say_hour(1)])
    (record,) = answer.records
    assert (record.state, record.code) == ("refused_at_admission", "wrong_sequence")
    assert record.reason


async def test_a_record_is_followed_from_stored_to_final(bench: Bench) -> None:
    transaction = bench.device.say("hour", hour("alpha-1", START_MS))
    record_id = transaction.record_ids[0]
    assert await bench.ledger.record_status(bench.channel, record_id) is None
    await bench.ledger.submit(bench.channel, [transaction.raw])
    stored = await bench.ledger.record_status(bench.channel, record_id)
    assert stored is not None
    assert (stored.state, stored.outcome, stored.height) == ("stored", None, None)
    bench.memory.build_block()
    final = await bench.ledger.record_status(bench.channel, record_id)
    assert final is not None
    assert (final.state, final.outcome, final.clause, final.height) == ("final", 0, None, 2)


async def test_proofs_come_in_the_order_of_the_question_and_hold(bench: Bench) -> None:
    bodies = [("hour", hour("alpha-1", START_MS + n * HOUR_MS)) for n in range(2)]
    batch = bench.device.batch(bodies)
    await bench.ledger.submit(bench.channel, [batch.raw])
    bench.memory.build_block()
    ids = [batch.record_ids[1], bytes(32), batch.record_ids[0]]
    second, nothing, first = await bench.ledger.proofs(bench.channel, ids)
    assert nothing is None
    assert first is not None
    assert first == second
    assert [record.record_id for record in check(first, channel=bench.channel).records] == list(
        batch.record_ids
    )


async def test_the_head_of_a_source_moves_with_final_records(bench: Bench) -> None:
    source = bench.memory.source
    fresh = await bench.ledger.source_head(bench.channel, source)
    assert fresh is not None
    assert (fresh.seq, fresh.prev, fresh.suspended) == (0, bytes(32), False)
    assert len(fresh.holder) == 16
    transaction = bench.device.say("hour", hour("alpha-1", START_MS))
    await bench.ledger.submit(bench.channel, [transaction.raw])
    bench.memory.build_block()
    moved = await bench.ledger.source_head(bench.channel, source)
    assert moved is not None
    assert (moved.seq, moved.prev) == (1, transaction.record_ids[0])
    assert await bench.ledger.source_head(bench.channel, bytes(16)) is None


async def test_the_head_is_the_newest_final_block(bench: Bench) -> None:
    chain = bench.memory.channel_state.chain
    head = await bench.ledger.head(bench.channel)
    assert (head.height, head.block_id, head.state_root) == (chain.height, chain.head_id, chain.state.root)
    assert not head.catching_up


async def test_an_open_request_comes_with_the_latest_statement_of_each_hour(bench: Bench) -> None:
    state = bench.memory.channel_state
    first, second = bench.device.say("hour", hour("alpha-1", START_MS)), START_MS + HOUR_MS
    gap = bench.device.say("gap", ["alpha-1", second, second + HOUR_MS, "power cut"])
    state.now_ms = START_MS + 4 * HOUR_MS
    state.block(first, gap)
    due_ms = START_MS + 8 * HOUR_MS
    asked = state.officer("regulator").say(
        "samples.request", ["alpha-1", START_MS, START_MS + 3 * HOUR_MS, due_ms, "spot check"]
    )
    assert await bench.ledger.open_requests(bench.channel, "alpha-1") == []
    state.block(asked)
    (found,) = await bench.ledger.open_requests(bench.channel, "alpha-1")
    assert (found.record_id, found.unit, found.due_ms) == (asked.record_ids[0], "alpha-1", due_ms)
    assert (found.from_ms, found.to_ms, found.reason) == (START_MS, START_MS + 3 * HOUR_MS, "spot check")
    assert found.hours == (
        (START_MS, first.record_ids[0]),
        (second, gap.record_ids[0]),
        (second + HOUR_MS, None),
    )
    assert await bench.ledger.open_requests(bench.channel, "beta-1") == []
    state.block(bench.device.say("samples.answer", [asked.record_ids[0], bytes(32), 0, "lost", "disk"]))
    assert await bench.ledger.open_requests(bench.channel, "alpha-1") == []


async def test_a_live_value_is_taken(bench: Bench) -> None:
    live = {"at_ms": 1, "hour_start_ms": 0, "minutes_valid": 0, "quality": "bad"}
    await bench.ledger.put_live("alpha-1", live)
