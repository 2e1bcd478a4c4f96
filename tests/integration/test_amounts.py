"""Amounts that make no sense, through a real node: each refused with its clause, nothing moved, nothing held up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from doxedge.backends.http_client import NodeAddress
from doxedge.backends.port import TransactionStatus
from doxedge.backends.remote import RemoteLedger
from doxedge.contracts import accounts
from doxedge.fieldbus.clock import RealClock
from doxedge.ledger.receipt import Outcome
from doxedge.ledger.transaction import Transaction
from doxedge.signing.canonical import Value
from tests.ledger.channels import HOUR_MS, START_MS, hour
from tests.node.bench import HandClock
from tests.node.network import Network

SENSELESS = (0, -1, 2**63, 2**64 - 1, -(2**63))
NO_HOUR = SENSELESS[1:]
"""An hour of 0 g is a good hour: the unit stood still."""


async def final(ledger: RemoteLedger, channel: bytes, said: Sequence[Transaction]) -> list[TransactionStatus]:
    """Over the node's socket, as a gateway or an officer hands in."""
    return await ledger.submit(channel, [one.raw for one in said], wait="final", timeout_ms=60_000)


def outcomes(statuses: Sequence[TransactionStatus]) -> list[tuple[int | None, str | None]]:
    assert {record.state for status in statuses for record in status.records} == {"final"}
    return [(record.outcome, record.clause) for status in statuses for record in status.records]


async def test_amounts_of_zero_less_and_too_much_are_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    clock = HandClock(ahead_ms=START_MS - RealClock().now_ms())
    network = Network(tmp_path, channels={"north": ("regulator",)}, clock=clock, bilateral_transfers=1)
    hand, channel = network.hand("north"), network.channels["north"]
    good, refused = (int(Outcome.ACCEPTED), None), int(Outcome.REFUSED)
    async with network.running("regulator") as node:
        ledger = RemoteLedger(NodeAddress(socket_path=network.socket("regulator")))
        try:
            assert set(outcomes(await final(ledger, channel, hand.registrations()))) == {good}
            device, owner = hand.author("alpha-1 device"), hand.author("alpha-1 account")
            regulator, verifier = hand.author("regulator officer"), hand.author("verifier officer")

            def issue(amount: int) -> Transaction:
                return regulator.say("vintage.issue", ["alpha-1", channel, 2026, [0, amount], bytes(32)])

            def transfer(amount: int) -> Transaction:
                return owner.say("transfer", ["alpha-1", "beta-1", channel, 2026, [0, amount], "test"])

            clock.ahead_ms += 12 * HOUR_MS
            begun = [device.say("hour", hour("alpha-1", START_MS, 700))]
            witnessed: list[Value] = ["alpha-gw", bytes(32), [[START_MS, 700]], bytes(32)]
            begun.append(verifier.say("device.commission", witnessed))
            assert outcomes(await final(ledger, channel, begun)) == [good] * 2

            issued = outcomes(await final(ledger, channel, [*map(issue, SENSELESS), issue(10_000)]))
            moved = outcomes(await final(ledger, channel, [*map(transfer, SENSELESS), transfer(2_000)]))
            stated = [
                device.say("hour", hour("alpha-1", START_MS + n * HOUR_MS, grams))
                for n, grams in enumerate((*NO_HOUR, 3_000), 1)
            ]
            measured = outcomes(await final(ledger, channel, stated))
            for found, clause in ((issued, "6.5"), (moved, "7.5"), (measured, "8.5")):
                assert found == [(refused, clause)] * (len(found) - 1) + [good]
            position = accounts.position(node.book(channel), "alpha-1", 2026)
            assert (position.held_g, position.emitted_g) == (8_000, 3_000)
        finally:
            await ledger.close()
