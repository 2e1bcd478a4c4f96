"""§ 5 Accounts and holdings

An account holds credits of a vintage: one balance for each vintage, and a list of credits that arrived since the last
outgoing transaction and are folded in by the next. There are no unspent outputs to choose from, and no origin is
visible on a holding. Who gives nothing away folds what is pending by an act of its own: the number of pending credits
is bounded, and an account that is full takes no more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from doxedge.commitments.open_amount import OpenAmount
from doxedge.contracts import emissions, figures, numbering, parties, units
from doxedge.contracts.entry import fields_of, shape
from doxedge.contracts.rule import Act, Book, Value, is_name, require, require_found
from doxedge.fact import fact

ACCOUNTS: Final = "accounts"
BALANCES: Final = "balances"
_ACCOUNT: Final = shape(str, (str, None), bytes)
_BALANCE: Final = shape(int, int, list)


@fact
class AccountEntry:
    """An account as opened."""

    party: str
    unit: str | None
    """The unit whose compliance account it is, or None for a trading account."""
    source: bytes
    """What numbers its outgoing transactions."""


@fact
class OpenAccount:
    """Facts of `account.open`."""

    account: str
    party: str
    unit: str | None
    holder_key_id: bytes
    """The officer key of the party, looked up by the ledger."""
    new_source: bytes


@fact
class Fold:
    """Facts of `account.fold`."""

    account: str
    vintage: int


@fact
class Balance:
    """Holding of one account in one vintage."""

    folded: OpenAmount
    reserved: OpenAmount
    pending: tuple[OpenAmount, ...]

    def held(self) -> OpenAmount:
        """Folded and pending together."""
        total = self.folded
        for amount in self.pending:
            total = total.plus(amount)
        return total


@fact
class Position:
    """One account in one year, in grams."""

    account: str
    year: int
    held_g: int
    pending_g: int
    reserved_g: int
    emitted_g: int

    @property
    def headroom_g(self) -> int:
        """held − reserved − emitted (wire.md 6)."""
        return self.held_g - self.reserved_g - self.emitted_g


_NOTHING: Final = Balance(OpenAmount(0), OpenAmount(0), ())


def find_account(book: Book, account: str) -> AccountEntry | None:
    """The entry of an account, or None."""
    return book.read(ACCOUNTS, account.encode(), _account)


def balance(book: Book, account: str, vintage: int) -> Balance:
    """The holding; empty where nothing was ever credited, and for a vintage that is not a year."""
    if not emissions.is_year(vintage):
        return _NOTHING
    return book.read(BALANCES, balance_key(account, vintage), _balance)


def put_balance(book: Book, account: str, vintage: int, holding: Balance) -> None:
    """Write the holding."""
    pending: list[Value] = [amount.grams for amount in holding.pending]
    book.put(BALANCES, balance_key(account, vintage), [holding.folded.grams, holding.reserved.grams, pending])


def credit(book: Book, account: str, vintage: int, amount: OpenAmount) -> None:
    """A credit arrives; it is pending until the account's next outgoing transaction."""
    holding = balance(book, account, vintage)
    put_balance(book, account, vintage, replace(holding, pending=(*holding.pending, amount)))


def open_account(book: Book, act: Act, facts: OpenAccount) -> None:
    """The regulator opens an account; a unit gets exactly one compliance account."""
    require(act.is_regulator, "5.1", "only the regulator opens an account")
    require(is_name(facts.account), "5.2", "an account's name has 1 to 64 characters that can be seen")
    require(parties.role_of(book, facts.party) is not None, "5.3", "the party is not enrolled")
    require(find_account(book, facts.account) is None, "5.4", "an account of that name is open")
    if facts.unit is not None:
        unit = require_found(units.find_unit(book, facts.unit), "5.5", "the unit is not registered")
        require(unit.party == facts.party, "5.6", "the unit is not a unit of this party")
        require(unit.account is None, "5.7", "the unit has its compliance account already")
        units.put_unit(book, facts.unit, replace(unit, account=facts.account))
    book.put(ACCOUNTS, facts.account.encode(), [facts.party, facts.unit, facts.new_source])
    numbering.create_source(
        book, facts.new_source, holder_key_id=facts.holder_key_id, party=facts.party, account=facts.account
    )
    book.emit(["account.opened", facts.account, facts.party, facts.unit, facts.new_source])


def fold(book: Book, act: Act, facts: Fold) -> None:
    """What is pending of one vintage is folded in, and nothing leaves: room for new credits, also in a shortfall."""
    require(act.account == facts.account, "5.8", "an account is folded under its own numbering only")
    holding = balance(book, facts.account, facts.vintage)
    require(bool(holding.pending), "5.9", "no credits of this vintage are pending")
    held = holding.held()
    put_balance(book, facts.account, facts.vintage, replace(holding, folded=held, pending=()))
    book.emit(["account.folded", facts.account, facts.vintage, held.disclosed_g()])


def position(book: Book, account: str, year: int) -> Position:
    """Where an account stands in a year: a vintage is usable in its own year only."""
    entry = find_account(book, account)
    holding = balance(book, account, year)
    held_g = holding.held().disclosed_g()
    unit = None if entry is None else entry.unit
    return Position(
        account=account,
        year=year,
        held_g=held_g,
        pending_g=held_g - holding.folded.disclosed_g(),
        reserved_g=holding.reserved.disclosed_g(),
        emitted_g=0 if unit is None else emissions.find(book, unit, year).emitted_g,
    )


def has_room_for_pending(book: Book, account: str, vintage: int) -> bool:
    """Whether one more credit may arrive before the account folds those it has."""
    return len(balance(book, account, vintage).pending) < figures.figure(book, "pending_max")


def balance_key(account: str, vintage: int) -> bytes:
    """Account and vintage as one key."""
    return account.encode() + b"\0" + vintage.to_bytes(4, "big")


def _account(value: Value) -> AccountEntry | None:
    fields = fields_of(value, _ACCOUNT)
    return None if fields is None else AccountEntry(*fields)


def _balance(value: Value) -> Balance:
    fields = fields_of(value, _BALANCE)
    if fields is None:
        return _NOTHING
    folded, reserved, pending = fields
    return Balance(OpenAmount(folded), OpenAmount(reserved), tuple(OpenAmount(grams) for grams in pending))
