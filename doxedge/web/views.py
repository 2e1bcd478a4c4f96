"""What a channel's state looks like as JSON: units, accounts, devices, the reception desk (wire.md 8)."""

from __future__ import annotations

from typing import TypeAlias

from doxedge.contracts import accounts, emissions, headroom, inquiry, reception, units
from doxedge.contracts.rule import Book
from doxedge.ledger.inquiry_desk import RequestRow, WantedHour
from doxedge.ledger.reception_desk import DeviceRow
from doxedge.web.node_port import ChannelView, PeerView, RefusalView

Row: TypeAlias = dict[str, object]


def channel_row(view: ChannelView) -> Row:
    """One channel."""
    return {
        "channel": view.channel.hex(),
        "name": view.name,
        "place": view.place,
        "height": view.height,
        "block_id": view.block_id.hex(),
        "state_root": view.state_root.hex(),
        "time_ms": view.time_ms,
        "clock_ms": view.clock_ms,
        "validators": view.validators,
        "is_validator": view.is_validator,
        "catching_up": view.catching_up,
        "best_height": view.best_height,
        "pool_transactions": view.pool_transactions,
        "pool_bytes": view.pool_bytes,
    }


def unit_rows(book: Book, year: int | None) -> list[Row]:
    """Every unit with its hours and its emission of a year (default: of its last statement)."""
    rows: list[Row] = []
    for key, _ in book.items(units.UNITS):
        unit = key.decode()
        entry, sheet = units.find_unit(book, unit), reception.find(book, unit)
        if entry is None:
            continue
        of_year = year or emissions.year_of(book, max(sheet.last_end_ms - 1, 0))
        total = emissions.find(book, unit, of_year)
        rows.append(
            {
                "unit": unit,
                "party": entry.party,
                "kind": entry.kind,
                "capacity_kw": entry.capacity_kw,
                "zone": entry.zone,
                "account": entry.account,
                "device": entry.device,
                "year": of_year,
                "emitted_g": total.emitted_g,
                "counted_hours": total.hours,
                "hours": sheet.hours,
                "trial_hours": sheet.trial_hours,
                "gap_hours": sheet.gap_hours,
                "last_end_ms": sheet.last_end_ms or None,
            }
        )
    return rows


def account_rows(book: Book, year: int | None) -> list[Row]:
    """Every account with its position; without a year, that of every vintage it has held."""
    rows: list[Row] = []
    for key, _ in book.items(accounts.ACCOUNTS):
        account = key.decode()
        entry = accounts.find_account(book, account)
        if entry is None:
            continue
        for of_year in [year] if year else _years(book, account, entry.unit):
            position = accounts.position(book, account, of_year)
            rows.append(
                {
                    "account": account,
                    "party": entry.party,
                    "unit": entry.unit,
                    "year": of_year,
                    "held_g": position.held_g,
                    "pending_g": position.pending_g,
                    "reserved_g": position.reserved_g,
                    "emitted_g": position.emitted_g,
                    "headroom_g": position.headroom_g,
                    "standing": _standing(book, entry.unit, position),
                    "runs_out_ms": _runs_out_ms(book, entry.unit, position),
                }
            )
    return rows


def device_rows(book: Book) -> list[Row]:
    """Every device as registered."""
    rows: list[Row] = []
    for key, _ in book.items(units.DEVICES):
        entry = units.find_device(book, key.decode())
        if entry is not None:
            rows.append(
                {
                    "device": key.decode(),
                    "unit": entry.unit,
                    "key_id": entry.key_id.hex(),
                    "source": entry.source.hex(),
                    "profile_hash": entry.profile_hash.hex(),
                    "firmware": entry.firmware,
                    "registered_ms": entry.registered_ms,
                    "counts_from_ms": entry.counts_from_ms,
                    "reopened": _reopened(book, key.decode()),
                }
            )
    return rows


def _reopened(book: Book, device: str) -> Row | None:
    found = units.find_reopened(book, device)
    return None if found is None else {"profile_hash": found.profile_hash.hex(), "from_ms": found.from_ms}


def reading_row(row: DeviceRow) -> Row:
    """One line of the reception desk."""
    return {
        "device": row.device,
        "unit": row.unit,
        "party": row.party,
        "is_present": row.is_present,
        "counts_from_ms": row.counts_from_ms,
        "from_ms": row.from_ms,
        "to_ms": row.to_ms,
        "hours_due": row.hours_due,
        "hours_accepted": row.hours_accepted,
        "hours_substituted": row.hours_substituted,
        "hours_gap": row.hours_gap,
        "hours_silent": row.hours_silent,
        "completeness_percent": row.completeness_percent,
        "missing": [{"from_ms": m.from_ms, "to_ms": m.to_ms, "stated": m.stated} for m in row.missing],
        "revisions": row.revisions,
        "last_hour_ms": row.last_hour_ms,
        "records": row.records,
        "conflicts": list(row.conflicts),
        "is_suspended": row.is_suspended,
        "is_key_revoked": row.is_key_revoked,
        "clock_state": row.clock_state or None,
        "clock_offset_ms": row.clock_offset_ms,
        "is_profile_registered": row.is_profile_registered,
        "is_firmware_registered": row.is_firmware_registered,
        "rules_since_ms": row.rules_since_ms,
        "commissioning": row.commissioning,
        "alarms": [{"name": one.name, "since_ms": one.since_ms} for one in row.signs.standing],
        "events": [
            {"code": one.code, "count": one.count, "last_ms": one.last_ms} for one in row.signs.events
        ],
        "requests_open": row.requests_open,
        "requests_overdue": row.requests_overdue,
        "answers_late": row.answers.late,
        "answers_lost": row.answers.lost,
        "remarks": list(row.remarks),
    }


def request_row(row: RequestRow) -> Row:
    """One request for raw samples, and the answer to it."""
    asked, answer = row.request, row.answer
    return {
        "request": row.record_id.hex(),
        "unit": asked.unit,
        "from_ms": asked.from_ms,
        "to_ms": asked.to_ms,
        "due_ms": asked.due_ms,
        "asked_ms": asked.asked_ms,
        "reason": asked.reason,
        "status": row.status,
        "answer": None if answer is None else _answer(answer),
    }


def open_request_row(row: RequestRow, hours: list[WantedHour]) -> Row:
    """One open request, with the latest statement of each hour that is asked for."""
    wanted = [
        {"start_ms": hour.start_ms, "record_id": None if hour.record_id is None else hour.record_id.hex()}
        for hour in hours
    ]
    return {**request_row(row), "hours": wanted}


def _answer(answer: inquiry.AnswerEntry) -> Row:
    return {
        "record_id": answer.record_id.hex(),
        "device": answer.device,
        "answered_ms": answer.answered_ms,
        "content_hash": answer.content_hash.hex(),
        "samples": answer.samples,
        "outcome": answer.outcome,
        "text": answer.text,
    }


def peer_row(peer: PeerView) -> Row:
    """One node of the channel."""
    return {
        "key_id": peer.key_id.hex(),
        "party": peer.party,
        "role": peer.role,
        "is_self": peer.is_self,
        "height": peer.height,
        "last_seen_ms": peer.last_seen_ms,
        "cosigned_height": peer.cosigned_height,
    }


def refusal_row(refusal: RefusalView) -> Row:
    """One refusal."""
    return {
        "at_ms": refusal.at_ms,
        "what": refusal.what,
        "kind": refusal.kind,
        "clause": refusal.clause,
        "code": refusal.code,
        "reason": refusal.reason,
        "party": refusal.party,
        "height": refusal.height,
    }


def event_value(value: object) -> object:
    """A value of an event: bytes as hexadecimal, at any depth."""
    if isinstance(value, bytes):
        return value.hex()
    return [event_value(item) for item in value] if isinstance(value, list) else value


def _years(book: Book, account: str, unit: str | None) -> list[int]:
    """The years in which an account holds or has held credits, or its unit emitted in its last statement."""
    start = account.encode() + b"\0"
    found = {
        int.from_bytes(key[len(start) :], "big")
        for key, _ in book.items(accounts.BALANCES)
        if key.startswith(start) and len(key) == len(start) + 4
    }
    if unit is not None and (last_end_ms := reception.find(book, unit).last_end_ms):
        found.add(emissions.year_of(book, last_end_ms - 1))
    return sorted(found)


def _standing(book: Book, unit: str | None, position: accounts.Position) -> str | None:
    """What was said last of a compliance account (contracts, § 9); nothing of a trading account, which has no unit."""
    if unit is None:
        return None
    if position.headroom_g < 0:
        return "exceeded"
    return "warned" if emissions.find(book, unit, position.year).warned else "well"


def _runs_out_ms(book: Book, unit: str | None, position: accounts.Position) -> int | None:
    """When the credits are used up at the year's rate so far (contracts, § 9)."""
    if unit is None:
        return None
    total = emissions.find(book, unit, position.year)
    return headroom.forecast_ms(book, total, position.year, position.headroom_g)
