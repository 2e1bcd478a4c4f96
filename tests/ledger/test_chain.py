"""A channel in motion: what its records do to holdings and headroom. Blocks and followers are in test_chain_check."""

from __future__ import annotations

from typing import Any

import pytest

from doxedge.contracts import accounts
from doxedge.ledger.receipt import Outcome, decode_receipt, record_outcomes
from tests.ledger.channels import HOUR_MS, START_MS, TestChannel, hour


def commissioned() -> TestChannel:
    """Alpha's device counts from the second hour of the year on, and its account holds 10 kg of 2026."""
    channel = TestChannel.begin(bilateral_transfers=1).with_units()
    channel.now_ms = START_MS + HOUR_MS
    device, verifier, regulator = (
        channel.authors["alpha-1 device"], channel.officer("verifier"), channel.officer("regulator"),
    )  # fmt: skip
    asset = channel.chain.channel
    extension = channel.block(
        device.say("hour", hour("alpha-1", START_MS, 700)),
        verifier.say("device.commission", ["alpha-gw", bytes(32), [[START_MS, 700]], bytes(32)]),
        regulator.say("vintage.issue", ["alpha-1", asset, 2026, [0, 10_000], bytes(32)]),
    )
    assert [r.outcome for r in extension.execution.receipts] == [Outcome.ACCEPTED] * 4
    return channel


def test_counted_hours_reduce_the_headroom_and_trial_hours_do_not() -> None:
    channel = commissioned()
    channel.now_ms += HOUR_MS
    channel.block(channel.authors["alpha-1 device"].say("hour", hour("alpha-1", START_MS + HOUR_MS, 4_000)))
    position = accounts.position(channel.chain.state, "alpha-1", 2026)
    assert (position.held_g, position.emitted_g, position.headroom_g) == (10_000, 4_000, 6_000)


@pytest.mark.parametrize(
    ("what", "body_change", "clause"),
    [
        ("an overdraft", {"amount": 10_001}, "7.8"),
        ("a sale of what was emitted", {"amount": 6_001}, "7.9"),
        ("an amount of zero", {"amount": 0}, "7.5"),
        ("a negative amount", {"amount": -1}, "7.5"),
        ("an amount of 2^63", {"amount": 2**63}, "7.5"),
        ("a credit of another channel", {"asset": bytes(32)}, "7.4"),
        ("an unknown account", {"to": "nobody"}, "7.2"),
    ],
)
def test_a_transfer_is_refused_with_its_clause(
    what: str, body_change: dict[str, object], clause: str
) -> None:
    channel = commissioned()
    channel.now_ms += HOUR_MS
    hour_tx = channel.authors["alpha-1 device"].say("hour", hour("alpha-1", START_MS + HOUR_MS, 4_000))
    fields: dict[str, Any] = {"to": "beta-1", "asset": channel.chain.channel, "amount": 1_000, **body_change}
    body = ["alpha-1", fields["to"], fields["asset"], 2026, [0, fields["amount"]], "test"]
    extension = channel.block(hour_tx, channel.authors["alpha-1 account"].say("transfer", body))
    receipt = extension.execution.receipts[2]
    assert (receipt.outcome, receipt.clause) == (Outcome.REFUSED, clause), what


def test_a_batch_has_one_outcome_for_each_record() -> None:
    channel = commissioned()
    channel.now_ms += 3 * HOUR_MS
    starts = [START_MS + HOUR_MS, START_MS, START_MS + 2 * HOUR_MS]
    batch = channel.authors["alpha-1 device"].batch([("hour", hour("alpha-1", start)) for start in starts])
    extension = channel.block(batch)
    receipt = decode_receipt(extension.receipts[1])
    assert [(outcome, clause) for _, outcome, clause in record_outcomes(receipt)] == [
        (Outcome.ACCEPTED, None), (Outcome.REFUSED, "8.7"), (Outcome.ACCEPTED, None),
    ]  # fmt: skip
    assert accounts.position(channel.chain.state, "alpha-1", 2026).emitted_g == 2_000


def test_a_refused_record_consumes_its_number_and_nothing_else() -> None:
    channel = commissioned()
    account = channel.authors["alpha-1 account"]
    asset = channel.chain.channel
    channel.block(account.say("transfer", ["alpha-1", "beta-1", asset, 2026, [0, 99_999], "too much"]))
    extension = channel.block(account.say("transfer", ["alpha-1", "beta-1", asset, 2026, [0, 100], "fine"]))
    assert extension.execution.receipts[1].outcome is Outcome.ACCEPTED
    assert accounts.position(channel.chain.state, "beta-1", 2026).held_g == 100


def test_an_unknown_key_is_inadmissible_and_changes_nothing_but_the_clock() -> None:
    channel, stranger = commissioned(), TestChannel.begin("south").with_units()
    foreign = stranger.authors["alpha-1 device"].say("hour", hour("alpha-1", START_MS))
    extension = channel.block(foreign)
    assert extension.execution.receipts[1].outcome is Outcome.INADMISSIBLE
