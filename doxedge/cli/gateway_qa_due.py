"""`doxedge gateway qa due`: until when the tests of each monitor are good, counted in QA operating quarters."""

from __future__ import annotations

import argparse
import datetime as dt
import time
from typing import Any, Final

from doxedge.cli.gateway_folder import (
    Section,
    add_place,
    folder_of,
    print_json,
    print_section,
    unreadable,
    utc,
)
from doxedge.cli.outcome import Exit, Failure
from doxedge.quantity import DAY_MS

SCHEMA: Final = "doxedge.gateway.qa.due/1"
_EPOCH: Final = dt.date(1970, 1, 1)


def add_due(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `gateway qa due`."""
    due = kinds.add_parser(
        "due",
        help="until when the tests that passed are good, and by which quarters",
        description="A quarter counts for a linearity check or a RATA when the unit ran in at least 168 of its hours "
        "(40 CFR 75, Appendix B, 2.2 and 2.3); the history of hours says so, and what it does not know counts as "
        "operation. A linearity check is due in every such quarter, a RATA in the second or fourth; at the latest in "
        "the fourth or eighth quarter of the calendar; then 168 or 720 operating hours of grace are left. What is "
        "overdue after that makes readings bad until it passes, not under the rule set eu. QAL2 and AST are good for "
        "years. Reads qa.db and hours.db; the gateway need not run.",
        epilog="Exit codes: 0 nothing is overdue, 1 the term of a test is over and its grace with it, 2 usage, "
        "7 the files cannot be read.",
        examples=(
            "doxedge gateway qa due",
            "doxedge gateway qa due --today 2026-12-31 --output json",
        ),
    )
    due.add_argument("--unit", metavar="U", help="default: all")
    due.add_argument(
        "--today",
        metavar="DAY",
        help="as of the beginning of this day, UTC, without the tests of then and later; default: now",
    )
    add_place(due)
    due.set_defaults(func=_due)


def _due(options: argparse.Namespace) -> int:
    now_ms = time.time_ns() // 1_000_000 if options.today is None else _day_ms(options.today)
    told = _terms(options, now_ms)
    if options.output == "json":
        print_json({"schema": SCHEMA, "at_ms": now_ms, "tests": told})
    else:
        rows = [
            [one["unit"], one["quantity"], one["kind"], utc(one["until_ms"] - 1)[:10], one["told"]]
            for one in told
        ]
        columns = ("unit", "quantity", "test", "due by", "what that rests on")
        print_section(Section("Tests", columns, rows, "no test that passed is on record"))
    return Exit.REFUSED if any(one["overdue"] for one in told) else Exit.OK


def _terms(options: argparse.Namespace, now_ms: int) -> list[dict[str, Any]]:
    from doxedge.gateway.qa_due import hours_in, passed_tests, quarter_hours, quarters_until, terms_of
    from doxedge.store import look
    from doxedge.store.errors import StoreError

    folder, quarters = folder_of(options), quarters_until(now_ms)
    spans = [(begin_ms, end_ms) for _, begin_ms, end_ms in quarters]
    told: list[dict[str, Any]] = []
    try:
        entries = look.tests(folder / "qa.db")
        for unit in sorted({entry.unit for entry in entries if options.unit in (None, entry.unit)}):
            found = look.operation(folder / "hours.db", unit, spans)
            hours = hours_in(
                {
                    first: quarter_hours(begin_ms, end_ms, known=known, ran=ran)
                    for (first, begin_ms, end_ms), (known, ran) in zip(quarters, found, strict=True)
                }
            )
            own = passed_tests([entry for entry in entries if entry.unit == unit], now_ms=now_ms)
            for quantity, passed in sorted(own.items()):
                for term in terms_of(passed, hours, now_ms=now_ms):
                    over = term.is_over(now_ms)
                    told.append({"unit": unit, "quantity": quantity, **term.as_dict(), "overdue": over})
    except StoreError as error:
        raise unreadable(error) from error
    return told


def _day_ms(text: str) -> int:
    try:
        return (dt.date.fromisoformat(text) - _EPOCH).days * DAY_MS
    except ValueError as error:
        raise Failure(Exit.USAGE, f"--today: {text} is no day such as 2026-02-28") from error
