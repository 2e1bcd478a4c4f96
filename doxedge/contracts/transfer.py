"""§ 7 Transfer

Credits move between accounts. Nobody moves more than the account holds and has not yet emitted; a number of the
account's source is used once; a credit is good on the channel that issued it.
"""

from __future__ import annotations

from dataclasses import replace

from doxedge.commitments.open_amount import OpenAmount
from doxedge.contracts import accounts, figures, headroom, parties
from doxedge.contracts.rule import REGULATOR, Act, Book, require, require_found
from doxedge.fact import fact
from doxedge.quantity import MAX_AMOUNT_G


@fact
class Transfer:
    """Facts of `transfer`."""

    from_account: str
    to_account: str
    asset: bytes
    vintage: int
    amount: OpenAmount
    reference: str


def transfer(book: Book, act: Act, facts: Transfer) -> None:
    """Move credits of one vintage; what is pending at the giver is folded in."""
    mine = act.account == facts.from_account
    require(mine, "7.1", "an account is debited under its own numbering only")
    taker = require_found(
        accounts.find_account(book, facts.to_account), "7.2", "the receiving account is not open"
    )
    require(facts.from_account != facts.to_account, "7.3", "the accounts are one and the same")
    require(facts.asset == act.channel, "7.4", "a credit is good only on the channel that issued it")
    # Disclosure: the bounds of an amount. A hidden amount brings a proof of its range instead.
    grams = facts.amount.disclosed_g()
    require(0 < grams <= MAX_AMOUNT_G, "7.5", "an amount is between 1 g and 2^40-1 g")
    free = _may_meet(book, act.party, taker.party)
    require(free, "7.6", "between owners credits move through the market")
    room = accounts.has_room_for_pending(book, facts.to_account, facts.vintage)
    require(room, "7.7", "the receiving account has too many pending credits")
    holding = accounts.balance(book, facts.from_account, facts.vintage)
    left = holding.held().minus(facts.amount)
    unreserved = left.minus(holding.reserved)
    require(unreserved.is_non_negative(), "7.8", "the account does not hold so much of this vintage")
    # Disclosure: what a unit has emitted is known to every member of the channel.
    emitted = OpenAmount(accounts.position(book, facts.from_account, facts.vintage).emitted_g)
    covered = unreserved.minus(emitted).is_non_negative()
    require(covered, "7.9", "the holding would fall below what was already emitted")
    accounts.put_balance(book, facts.from_account, facts.vintage, replace(holding, folded=left, pending=()))
    accounts.credit(book, facts.to_account, facts.vintage, facts.amount)
    book.emit(["transfer.made", facts.from_account, facts.to_account, facts.vintage, grams])
    headroom.look(book, facts.from_account, facts.vintage)
    headroom.look(book, facts.to_account, facts.vintage)


def _may_meet(book: Book, giver: str, taker: str) -> bool:
    """Whether credits may move between two parties by name: within one owner, with the regulator, or by the figure."""
    regulator = REGULATOR in {parties.role_of(book, giver), parties.role_of(book, taker)}
    return giver == taker or regulator or figures.figure(book, "bilateral_transfers") == 1
