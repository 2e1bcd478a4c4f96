"""One node process: several channels, its brokers, its door, and what systemd is told."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from copy import copy
from pathlib import Path

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.backends.http_client import NodeAddress
from doxedge.backends.remote import RemoteLedger
from doxedge.backends.service import ServiceManager
from doxedge.contracts import numbering
from doxedge.evidence.check import check
from doxedge.node import daemon
from doxedge.node.channel_host import STALLED_S
from doxedge.node.daemon import Node, ledger_file
from doxedge.node.settings import load_settings
from doxedge.signing.canonical import Value
from doxedge.store.chain import ChainStore
from doxedge.web.node_port import UnknownChannel
from simulators.broker.server import Broker
from simulators.broker.settings import BrokerSettings
from tests.ledger.channels import signer
from tests.node.bench import HandClock
from tests.node.network import Network, until
from tests.ports import closed_port


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[socket.socket, ServiceManager]]:
    """A listening service manager that wants a sign of life often."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address)
        listening.setblocking(False)
        yield listening, ServiceManager(address, watchdog_s=0.02)


def told(listening: socket.socket) -> list[str]:
    """What was said since we listened last, oldest first."""
    heard = []
    with contextlib.suppress(BlockingIOError):
        while True:
            heard.append(listening.recv(4_096).decode().split("\n")[0])
    return heard


@contextlib.asynccontextmanager
async def hung_disk(store: ChainStore) -> AsyncIterator[None]:
    """Nothing is written until the block ends; the loop and its threads go on."""
    loop = asyncio.get_running_loop()
    hangs, goes_on = asyncio.Event(), threading.Event()

    def hang(_: sqlite3.Connection) -> None:
        loop.call_soon_threadsafe(hangs.set)
        goes_on.wait(60)

    writing = asyncio.create_task(store._database.write(hang))
    await hangs.wait()
    try:
        yield
    finally:
        goes_on.set()
        await writing


def event(text: str) -> list[Value]:
    return ["alpha-1", "test.event", 946_684_800_000, text]


async def test_one_process_serves_several_channels_and_keeps_them_apart(tmp_path: Path) -> None:
    network = Network(tmp_path, channels={"north": ("regulator",), "south": ("regulator",)})
    async with network.running("regulator") as node:
        for name in ("north", "south"):
            statuses = await network.submit(node, name, network.hand(name).registrations())
            assert {record.outcome for s in statuses for record in s.records} == {0}
        extra = network.hand("north").configs(2)
        for transaction in extra:
            await network.submit(node, "north", [transaction])
        (strange,) = await network.submit(node, "south", extra[:1], wait="stored")
        assert strange.code == "unknown_source"
        views = {view.name: view for view in node.channels()}
        assert views["north"].height == views["south"].height + 2
        assert views["north"].state_root != views["south"].state_root
        assert await node.record_status(network.channels["south"], extra[0].record_ids[0]) is None
        with pytest.raises(UnknownChannel):
            node.book(bytes(32))
    for name in ("north", "south"):
        path = ledger_file(tmp_path / "regulator", network.channels[name])
        assert path == network.ledger_file("regulator", name)
        assert path.exists()


async def test_a_node_is_ready_after_it_serves_and_says_when_it_stops(
    tmp_path: Path, manager: tuple[socket.socket, ServiceManager]
) -> None:
    listening, service = manager
    network = Network(tmp_path, channels={"north": ("regulator",)})
    node = Node(
        load_settings(network.config("regulator")), source="node.toml", clock=HandClock(), service=service
    )
    assert node.health().reasons == ("the node is starting: wait",)
    async with network.running("regulator", node):
        assert told(listening)[0] == "READY=1"
        ledger = RemoteLedger(NodeAddress.parse(f"unix:{network.socket('regulator')}"))
        assert await ledger.source_head(network.channels["north"], bytes(16)) is None
        await ledger.close()
        assert node.health().ready
        await until(lambda: "WATCHDOG=1" in told(listening))
    assert told(listening)[-1] == "STOPPING=1"


async def test_the_watchdog_is_fed_only_while_every_channel_makes_progress(
    tmp_path: Path, manager: tuple[socket.socket, ServiceManager], caplog: pytest.LogCaptureFixture
) -> None:
    """The disk under one of two channels hangs; the loop itself goes on."""
    listening, service = manager
    clock = HandClock()
    network = Network(tmp_path, channels={"north": ("regulator",), "south": ("regulator",)})
    node = Node(load_settings(network.config("regulator")), source="node.toml", clock=clock, service=service)
    async with network.running("regulator", node):
        south = network.host(node, "south").node
        await until(lambda: south.standing.votes)
        south.standing.has_listened = False
        await network.submit(node, "south", network.hand("south").configs(1), wait="stored")
        async with hung_disk(south.store):
            south.start_voting()
            await until(lambda: not south._has_work, what="the block that is to be written")
            clock.later_s += STALLED_S * 2
            await until(lambda: node.health().reasons)
            await until(lambda: len(node.health().reasons) == 1, what="the other channel turns")
            assert not node.health().alive
            assert node.health().reasons[0].startswith("channel south does not turn")
            told(listening)
            looks = caplog.text.count("the watchdog is not fed")
            await until(lambda: caplog.text.count("the watchdog is not fed") > looks + 3)
            assert told(listening) == []
        await until(lambda: node.health().alive)
        await until(lambda: "WATCHDOG=1" in told(listening))
        assert network.height(node, "south") == 1


async def test_double_spends_at_two_nodes_leave_a_proof_and_a_suspended_source_everywhere(
    tmp_path: Path,
) -> None:
    """Each of two nodes is shown another record with the same number, while the leader is away."""
    async with Broker() as broker:
        network = Network(
            tmp_path, channels={"north": ("regulator", "alpha", "beta")}, broker_ports=[broker.port]
        )
        hand, channel = network.hand("north"), network.channels["north"]
        async with network.running("alpha") as alpha, network.running("beta") as beta:
            async with network.running("regulator") as regulator:
                await network.submit(regulator, "north", hand.registrations())
                await network.in_step([regulator, alpha, beta], "north")
            device = hand.author("alpha-1 device")
            clone = copy(device)
            first, second = device.say("event", event("one")), clone.say("event", event("two"))
            broker.faults.partition(
                ["dox" + name(p)[:16] for p in ("alpha", "regulator")], ["dox" + name("beta")[:16]]
            )
            (one,) = await network.submit(alpha, "north", [first], wait="stored")
            (two,) = await network.submit(beta, "north", [second], wait="stored")
            assert [r.state for r in one.records + two.records] == ["stored"] * 2
            broker.faults.heal()
            async with network.running("regulator") as regulator:
                nodes = [regulator, alpha, beta]

                def is_proved() -> bool:
                    key = device.source + (1).to_bytes(8, "big")
                    return all(node.book(channel).get(numbering.FORKS, key) is not None for node in nodes)

                await until(is_proved, what="the proof of the conflict")
                await network.in_step(nodes, "north")
                for node in nodes:
                    head = node.source_head(channel, device.source)
                    assert head is not None
                    assert (head.seq, head.suspended) == (1, True)
                stands = [t for t in (first, second) if await is_final(alpha, channel, t.record_ids[0])]
                assert len(stands) == 1
                # Whoever comes with the other one hears the clause at once, at every node.
                loser = second if stands == [first] else first
                for node in nodes:
                    (status,) = await network.submit(node, "north", [loser], wait="stored")
                    assert [r.clause or r.code for r in status.records] in (
                        [numbering.ONE_NUMBER_CLAUSE],
                        ["suspended"],
                    )
                    later = clone.say("event", event("three"))
                    (status,) = await network.submit(node, "north", [later], wait="stored")
                    assert status.code == "suspended"


def name(party: str) -> str:
    return signer(f"{party} node").key_id.hex()


async def is_final(node: Node, channel: bytes, record_id: bytes) -> bool:
    status = await node.record_status(channel, record_id)
    return status is not None and status.state == "final"


async def test_a_node_that_was_away_catches_up_and_nothing_is_lost(tmp_path: Path) -> None:
    async with Broker() as broker:
        network = Network(
            tmp_path, channels={"north": ("regulator", "alpha", "beta")}, broker_ports=[broker.port]
        )
        hand = network.hand("north")
        async with network.running("regulator") as regulator, network.running("beta") as beta:
            async with network.running("alpha") as alpha:
                await network.submit(alpha, "north", hand.registrations())
                await network.in_step([regulator, alpha, beta], "north")
            missed = hand.configs(150)
            for start in range(0, 150, 5):
                statuses = await network.submit(beta, "north", missed[start : start + 5])
                assert [(r.state, r.outcome) for s in statuses for r in s.records] == [("final", 0)] * 5
            async with network.running("alpha") as alpha:
                await network.in_step([regulator, alpha, beta], "north")
                assert network.height(alpha, "north") >= 31
                for transaction in missed:
                    status = await alpha.record_status(network.channels["north"], transaction.record_ids[0])
                    assert status is not None
                    assert (status.state, status.outcome) == ("final", 0)
                assert alpha.health().ready


async def test_what_is_handed_in_while_the_leader_is_away_is_final_when_he_is_back(tmp_path: Path) -> None:
    async with Broker() as broker:
        network = Network(tmp_path, channels={"north": ("regulator", "alpha")}, broker_ports=[broker.port])
        hand = network.hand("north")
        async with network.running("alpha") as alpha:
            async with network.running("regulator") as regulator:
                await network.submit(regulator, "north", hand.registrations(["alpha"]))
                await network.in_step([regulator, alpha], "north")
            events = [hand.author("alpha-1 device").say("event", event(str(n))) for n in range(20)]
            await network.submit(alpha, "north", events, wait="stored")
        # The follower is stopped as well, and comes back first.
        async with network.running("alpha") as alpha, network.running("regulator") as regulator:
            statuses = await network.submit(alpha, "north", events, wait="final")
            assert [(r.state, r.outcome) for s in statuses for r in s.records] == [("final", 0)] * 20
            await network.in_step([regulator, alpha], "north")


async def test_every_node_that_executed_a_block_cosigns_it_and_the_proof_names_them(tmp_path: Path) -> None:
    async with Broker() as broker:
        network = Network(
            tmp_path, channels={"north": ("regulator", "alpha", "beta")}, broker_ports=[broker.port]
        )
        async with (
            network.running("regulator") as regulator,
            network.running("alpha") as alpha,
            network.running("beta") as beta,
        ):
            (transaction,) = network.hand("north").configs(1)
            await network.submit(alpha, "north", [transaction])
            nodes = [regulator, alpha, beta]

            def all_cosigned() -> bool:
                return all(
                    peer.cosigned_height == 1
                    for node in nodes
                    for peer in node.peers(network.channels["north"])
                )

            await until(all_cosigned, what="three cosignatures at three nodes")
            for node in nodes:
                data = await node.evidence(network.channels["north"], transaction.record_ids[0])
                assert data is not None
                proved = check(data, channel=network.channels["north"])
                assert sorted(proved.cosigned_by) == ["alpha", "beta", "regulator"]


async def test_a_damaged_file_of_one_node_is_fetched_from_the_others(tmp_path: Path) -> None:
    async with Broker() as broker:
        network = Network(tmp_path, channels={"north": ("regulator", "alpha")}, broker_ports=[broker.port])
        async with network.running("regulator") as regulator:
            async with network.running("alpha") as alpha:
                await network.submit(alpha, "north", network.hand("north").registrations())
                root = await network.in_step([regulator, alpha], "north")
            network.ledger_file("alpha", "north").write_bytes(b"no database at all" * 1_000)
            async with network.running("alpha") as alpha:
                assert await network.in_step([regulator, alpha], "north") == root
                await until(lambda: alpha.health().ready)


async def test_a_validator_that_reaches_no_broker_goes_on_for_its_own_plant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "LISTEN_S_MAX", 0.1)
    with closed_port() as port:
        network = Network(tmp_path, channels={"north": ("regulator",)}, broker_ports=[port])
        async with network.running("regulator") as node:
            statuses = await network.submit(node, "north", network.hand("north").configs(1))
            assert [r.state for s in statuses for r in s.records] == ["final"]
            assert node.health().alive
            assert "no broker is reached" in node.health().reasons[0]


async def test_a_validator_whose_name_is_used_by_another_listens_before_it_votes_again(
    tmp_path: Path,
) -> None:
    async with Broker(BrokerSettings()) as broker:
        network = Network(tmp_path, channels={"north": ("regulator",)}, broker_ports=[broker.port])
        async with network.running("regulator") as node:
            standing = network.host(node, "north").node.standing
            await until(lambda: standing.votes)
            broker.take_over("*")
            await until(lambda: not standing.votes)
            await until(lambda: standing.votes)
            await network.submit(node, "north", network.hand("north").configs(1))


async def test_messages_for_channels_and_topics_that_are_not_ours_are_passed_over(tmp_path: Path) -> None:
    network = Network(tmp_path, channels={"north": ("regulator",)})
    async with network.running("regulator") as node:
        node._receive("some/other/topic", b"x")
        node._receive("doxedge/1/0000000000000000/tx/" + "00" * 16, b"x")
        assert network.host(node, "north").relay.refused.total() == 0
        node._receive(f"doxedge/1/{network.channels['north'][:8].hex()}/tx/" + "00" * 16, b"x")
        assert network.host(node, "north").relay.refused["malformed"] == 1


@pytest.mark.parametrize(
    ("what", "change", "words"),
    [
        (
            "the same channel twice",
            ("[listen]", '[[channel]]\ngenesis = "{genesis}"\n[listen]'),
            "listed twice",
        ),
        (
            "a pinned name of another channel",
            ("[listen]", 'channel = "' + "ab" * 32 + '"\n[listen]'),
            "is of channel",
        ),
        ("a party that holds another key", ('party = "alpha"', 'party = "beta"'), "not the node key of beta"),
        ("a genesis that is none", ("{genesis}", "{config}"), r"channel\[0\].genesis"),
    ],
)
async def test_a_configuration_that_cannot_be_meant_is_refused_before_anything_is_served(
    tmp_path: Path, what: str, change: tuple[str, str], words: str
) -> None:
    network = Network(tmp_path, channels={"north": ("regulator", "alpha")})
    config = network.config("alpha")
    names = {"genesis": str(tmp_path / "north.genesis"), "config": str(config)}
    old, new = (part.format(**names) for part in change)
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=words):
        async with network.running("alpha"):
            pass
    assert not network.socket("alpha").exists()
