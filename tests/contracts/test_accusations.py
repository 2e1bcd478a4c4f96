"""§ 3 with real signatures: who can bring a source into trouble, and who cannot."""

from __future__ import annotations

import pytest

from doxedge.contracts import numbering
from doxedge.contracts.rule import Value
from doxedge.ledger.bodies import possession_bytes
from doxedge.ledger.receipt import Outcome, Receipt
from doxedge.ledger.transaction import Transaction, sign_record
from doxedge.signing.record import Record
from doxedge.signing.signer import Ed25519Signer
from tests.ledger.channels import FIRST, Author, TestChannel, signer


def _spoken() -> tuple[TestChannel, Author, Transaction]:
    """Alpha's account has given number 1 to a transfer, which was refused: it holds nothing."""
    channel = TestChannel.begin().with_units()
    account = channel.authors["alpha-1 account"]
    first = account.say("transfer", _transfer(channel, 1))
    receipt = channel.block(first).execution.receipts[1]
    assert (receipt.outcome, receipt.clause) == (Outcome.REFUSED, "7.8")
    return channel, account, first


def _transfer(channel: TestChannel, grams: int) -> list[Value]:
    return ["alpha-1", "alpha-trade", channel.chain.channel, 2026, [0, grams], "test"]


def _other(
    channel: TestChannel, account: Author, key: Ed25519Signer, *, grams: int = 2, seq: int = 1
) -> Transaction:
    """Another record of the account with a number, signed by whoever has this key."""
    body = _transfer(channel, grams)
    record = Record("transfer", account.source, seq, FIRST, body)
    return sign_record(record, channel=channel.chain.channel, signer=key)


def _accuse(channel: TestChannel, first: Transaction, second: Transaction) -> Receipt:
    accusation = channel.officer("beta").say("conflict", [first.raw, second.raw])
    return channel.block(accusation).execution.receipts[1]


def _is_suspended(channel: TestChannel, account: Author) -> bool:
    entry = numbering.find_source(channel.chain.state, account.source)
    assert entry is not None
    return entry.suspended


def test_a_double_spend_suspends_its_account() -> None:
    channel, account, first = _spoken()
    receipt = _accuse(channel, first, _other(channel, account, signer("alpha officer")))
    assert (receipt.outcome, receipt.events[0][0]) == (Outcome.ACCEPTED, "source.suspended")
    assert _is_suspended(channel, account)
    silenced = channel.block(account.say("transfer", _transfer(channel, 3)))
    assert silenced.execution.receipts[1].outcome is Outcome.INADMISSIBLE


@pytest.mark.parametrize("forger", ["beta officer", "beta device", "alpha device", "alpha node"])
def test_nobody_suspends_an_account_with_records_that_another_key_signed(forger: str) -> None:
    channel, account, first = _spoken()
    key = signer(forger)
    two = _other(channel, account, key), _other(channel, account, key, grams=3)
    for pair in (two, (first, two[0]), (two[0], first)):
        receipt = _accuse(channel, *pair)
        assert (receipt.outcome, receipt.clause) == (Outcome.REFUSED, "3.6")
    assert not _is_suspended(channel, account)


def test_the_thief_of_a_replaced_key_does_not_freeze_the_account() -> None:
    channel, account, first = _spoken()
    new, thief = signer("alpha officer 2"), signer("alpha officer")
    proof = new.sign(possession_bytes(channel.chain.channel, thief.key_id))
    rotation = channel.officer("alpha").say("key.rotate", [thief.key_id, new.alg, new.public_key, proof])
    assert channel.block(rotation).execution.receipts[1].outcome is Outcome.ACCEPTED
    receipt = _accuse(channel, first, _other(channel, account, thief))
    assert (receipt.outcome, receipt.events[0][0]) == (Outcome.ACCEPTED, "source.forked")
    assert not _is_suspended(channel, account)
    account.signer = new
    spent = channel.block(account.say("transfer", _transfer(channel, 3)))
    assert spent.execution.receipts[1].clause == "7.8"


def test_a_number_that_is_not_consumed_is_no_conflict() -> None:
    channel, account, _ = _spoken()
    key = signer("alpha officer")
    two = [_other(channel, account, key, seq=9, grams=grams) for grams in (1, 2)]
    assert _accuse(channel, *two).clause == numbering.ONE_NUMBER_CLAUSE


def _after_its_end(channel: TestChannel, kind: str) -> Receipt:
    """A batch whose first record takes its key or source out of force, and whose second would be fine."""
    officer = channel.officer("alpha")
    key, new = officer.signer, signer("alpha officer 2")
    proof = new.sign(possession_bytes(channel.chain.channel, key.key_id))
    first = officer.say("key.revoke", [bytes(16), "nobody's"])
    channel.block(first)
    record = Record(
        "key.revoke", officer.source, first.first_seq, first.record.prev, [bytes(16), "other words"]
    )
    double = sign_record(record, channel=channel.chain.channel, signer=key)
    bodies: dict[str, list[Value]] = {
        "key.rotate": [key.key_id, new.alg, new.public_key, proof],
        "key.revoke": [key.key_id, "stolen"],
        "conflict": [first.raw, double.raw],
    }
    batch = officer.batch([(kind, bodies[kind]), ("key.revoke", [signer("alpha device").key_id, "as well"])])
    return channel.block(batch).execution.receipts[1]


def _without_meaning(channel: TestChannel, kind: str) -> Receipt:
    """A body that is not of its kind's shape."""
    return channel.block(channel.officer("alpha").say(kind, ["no key id", "lost"])).execution.receipts[1]


BEFORE_ANY_RULE = {
    "0.1": (_after_its_end, ("key.rotate", "key.revoke", "conflict")),
    "0.2": (_without_meaning, ("key.revoke", "transfer", "hour", "conflict")),
}


@pytest.mark.parametrize(
    ("clause", "kind"), [(clause, kind) for clause, (_, kinds) in BEFORE_ANY_RULE.items() for kind in kinds]
)
def test_what_comes_before_any_rule_refuses_and_the_number_is_consumed(clause: str, kind: str) -> None:
    channel = TestChannel.begin().with_units()
    receipt = BEFORE_ANY_RULE[clause][0](channel, kind)
    assert (receipt.outcome, receipt.clause) == (Outcome.REFUSED, clause)
    officer = channel.officer("alpha")
    entry = numbering.find_source(channel.chain.state, officer.source)
    assert entry is not None
    assert (entry.seq, entry.prev) == (officer.seq, officer.prev)
