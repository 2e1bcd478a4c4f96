"""§ 9 Emissions against holdings

After every counted hour, and after every issue or transfer, the compliance account of the unit is looked at. It is
*well*, *warned* (its headroom is below a share of the holding), or *exceeded* (its unit has emitted more than the
account holds). Whenever that changes it is said once: a warning with the time at which the credits run out at the
present rate (nothing where they last for the year), an exceedance with both amounts, or that the account is well
again. Nothing is refused here: an emission that happened is a fact.
"""

from __future__ import annotations

from dataclasses import replace

from doxedge.contracts import accounts, emissions, figures
from doxedge.contracts.emissions import EXCEEDED, WARNED, WELL, YearTotal
from doxedge.contracts.rule import Book
from doxedge.fact import fact
from doxedge.quantity import HOUR_MS, round_down


@fact
class Allowance:
    """What an account may use in a year, and from which share of it on a warning is due."""

    account: str
    year: int
    held_g: int
    reserved_g: int
    warning_percent: int


def look(book: Book, account: str, year: int) -> None:
    """Compare again after credits have moved; nothing for a trading account."""
    entry = accounts.find_account(book, account)
    if entry is None or entry.unit is None:
        return
    total = emissions.find(book, entry.unit, year)
    allowed = allowance(book, account, year)
    now = standing(allowed, total.emitted_g)
    if now != total.standing:
        say(book, allowed, total, now)
        emissions.put(book, entry.unit, year, replace(total, warned=now >= WARNED, exceeded=now == EXCEEDED))


def allowance(book: Book, account: str, year: int) -> Allowance:
    """What emissions are compared with; it stays the same until credits move or the figure changes."""
    holding = accounts.balance(book, account, year)
    held_g, reserved_g = holding.held().disclosed_g(), holding.reserved.disclosed_g()
    return Allowance(account, year, held_g, reserved_g, figures.figure(book, "warning_percent"))


def standing(allowed: Allowance, emitted_g: int) -> int:
    """WELL, WARNED or EXCEEDED, for what was emitted in the year."""
    headroom_g = allowed.held_g - allowed.reserved_g - emitted_g
    if headroom_g < 0:
        return EXCEEDED
    return WARNED if headroom_g * 100 < allowed.held_g * allowed.warning_percent else WELL


def say(book: Book, allowed: Allowance, total: YearTotal, now: int) -> None:
    """Put on the receipt how the account stands now, and did not before."""
    account, year = allowed.account, allowed.year
    headroom_g = allowed.held_g - allowed.reserved_g - total.emitted_g
    if now == EXCEEDED:
        book.emit(["headroom.exceeded", account, year, total.emitted_g, allowed.held_g])
    elif now == WARNED:
        runs_out_ms = forecast_ms(book, total, year, headroom_g)
        book.emit(["headroom.warning", account, year, headroom_g, runs_out_ms])
    else:
        book.emit(["headroom.recovered", account, year, headroom_g])


def forecast_ms(book: Book, total: YearTotal, year: int, headroom_g: int) -> int | None:
    """When the year's headroom is used up, in UTC milliseconds, rounded down; None where it lasts for the year.

    The present rate is the year's emission so far over the time from the start of its first counted hour to the end of
    its last, so that standstills count as they did. An hour counts in the year in which it starts: what is used up
    with the first hour of the next year, or later, has lasted. Where it is used up already, the answer is the end of
    the last hour.
    """
    elapsed_ms = total.last_end_ms - total.first_start_ms
    if total.emitted_g <= 0 or elapsed_ms <= 0:
        return None
    if headroom_g <= 0:
        return total.last_end_ms
    at_ms = total.last_end_ms + round_down(headroom_g * elapsed_ms, total.emitted_g)
    return at_ms if emissions.year_of(book, at_ms - at_ms % HOUR_MS) <= year else None
