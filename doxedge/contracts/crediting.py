"""§ 6 Vintages

The regulator issues the credits of a year once for each account. The origin stays on the issue record; on the holding
it cannot be seen.
"""

from __future__ import annotations

from typing import Final

from doxedge.commitments.open_amount import OpenAmount
from doxedge.contracts import accounts, emissions, headroom
from doxedge.contracts.rule import Act, Book, require
from doxedge.fact import fact
from doxedge.quantity import MAX_AMOUNT_G

ROOM: Final = "vintages"


@fact
class IssueVintage:
    """Facts of `vintage.issue`."""

    account: str
    asset: bytes
    """The channel whose credits these are, 32 bytes."""
    vintage: int
    """The year in which they can be used."""
    amount: OpenAmount
    basis_hash: bytes
    """Of the calculation that led to the amount."""


def issue_vintage(book: Book, act: Act, facts: IssueVintage) -> None:
    """Credits come into being."""
    require(act.is_regulator, "6.1", "only the regulator issues credits")
    require(accounts.find_account(book, facts.account) is not None, "6.2", "the account is not open")
    require(facts.asset == act.channel, "6.3", "a channel issues its own credits only")
    require(emissions.is_year(facts.vintage), "6.4", "the vintage is not a year between 1970 and 2200")
    # Disclosure: what comes into being is known to every member of the channel.
    grams = facts.amount.disclosed_g()
    require(0 < grams <= MAX_AMOUNT_G, "6.5", "an amount is between 1 g and 2^40-1 g")
    key = accounts.balance_key(facts.account, facts.vintage)
    require(book.get(ROOM, key) is None, "6.6", "the account has its credits of this vintage already")
    room = accounts.has_room_for_pending(book, facts.account, facts.vintage)
    require(room, "6.7", "the account has too many pending credits")
    book.put(ROOM, key, [grams, facts.basis_hash])
    accounts.credit(book, facts.account, facts.vintage, facts.amount)
    book.emit(["vintage.issued", facts.account, facts.vintage, grams])
    headroom.look(book, facts.account, facts.vintage)


def issued_g(book: Book, account: str, vintage: int) -> int:
    """What was issued to an account for a vintage, in grams."""
    match book.get(ROOM, accounts.balance_key(account, vintage)) if emissions.is_year(vintage) else None:
        case [int(grams), *_]:
            return grams
        case _:
            return 0
