"""What was refused is shown, in words, once, and the list does not grow."""

from __future__ import annotations

from doxedge.contracts.rule import Value
from doxedge.ledger.receipt import Outcome, Receipt
from doxedge.ledger.transaction import Transaction
from doxedge.node.refusals import KEPT, Refusals
from tests.ledger.channels import START_MS, TestChannel, signer

CHANNEL = TestChannel.begin()
BOOK = CHANNEL.chain.state


def config(number: int = 1) -> Transaction:
    return CHANNEL.officer("regulator").say("config", ["warning_percent", number, "why"])


def receipt(
    transaction: Transaction, outcome: Outcome, *events: list[Value], clause: str | None = None
) -> Receipt:
    return Receipt(transaction.tx_id, outcome, clause, events)


def test_a_refusal_by_a_rule_has_clause_reason_height_and_party() -> None:
    refusals, transaction = Refusals(CHANNEL.chain.channel), config()
    said = receipt(transaction, Outcome.REFUSED, ["refused", "1.2", "not so"], clause="1.2")
    refusals.by_rule(BOOK, transaction, said, at_ms=START_MS, height=7)
    (view,) = refusals.views
    assert (view.clause, view.code, view.reason, view.party, view.height) == (
        "1.2",
        None,
        "not so",
        "regulator",
        7,
    )
    assert view.what == f"config {transaction.first_seq} of regulator"


def test_an_accepted_receipt_is_no_refusal() -> None:
    refusals, transaction = Refusals(CHANNEL.chain.channel), config()
    refusals.by_rule(BOOK, transaction, receipt(transaction, Outcome.ACCEPTED), at_ms=START_MS, height=7)
    assert not refusals.views


def test_a_batch_shows_the_first_of_its_records_that_was_refused() -> None:
    refusals, transaction = Refusals(CHANNEL.chain.channel), config()
    events: list[list[Value]] = [
        ["record", 1, 0, None],
        ["record", 2, 1, "8.1"],
        ["refused", "8.1", "the first"],
    ]
    events += [["record", 3, 1, "8.2"], ["refused", "8.2", "the second"]]
    refusals.by_rule(
        BOOK,
        transaction,
        receipt(transaction, Outcome.REFUSED, *events, clause="8.1"),
        at_ms=START_MS,
        height=7,
    )
    assert [(view.clause, view.reason) for view in refusals.views] == [("8.1", "the first")]


def test_whoever_knocks_again_and_again_does_not_fill_the_list() -> None:
    refusals, transaction = Refusals(CHANNEL.chain.channel), config()
    for _ in range(3):
        refusals.at_the_door(BOOK, transaction, code="suspended", reason="it was", at_ms=START_MS)
    refusals.at_the_door(BOOK, transaction, code="revoked_key", reason="it is", at_ms=START_MS)
    assert [view.code for view in refusals.views] == ["suspended", "revoked_key"]


def test_a_stranger_is_shown_without_a_name() -> None:
    refusals = Refusals(CHANNEL.chain.channel)
    stranger = CHANNEL.author("stranger", signer("stranger")).say("config", ["warning_percent", 1, "why"])
    refusals.at_the_door(BOOK, stranger, code="unknown_key", reason="who?", at_ms=START_MS)
    assert refusals.views[0].what == "config 1 of somebody unknown"
    assert refusals.views[0].party is None


def test_the_newest_are_kept() -> None:
    refusals = Refusals(CHANNEL.chain.channel)
    transactions = [config(number) for number in range(KEPT + 5)]
    for transaction in transactions:
        refusals.at_the_door(BOOK, transaction, code="duplicate", reason="again", at_ms=START_MS)
    assert len(refusals.views) == KEPT
    assert refusals.views[-1].what == f"config {transactions[-1].first_seq} of regulator"
