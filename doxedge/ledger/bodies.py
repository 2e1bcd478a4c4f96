"""From the body of a record to the plain facts that a rule judges, for every kind (wire.md 3).

A body of another shape is inadmissible: it is not a refusal by a rule but bytes that mean nothing. Keys are checked
here, once, when they are registered; possession of a new key likewise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from types import NoneType
from typing import Any, Final, TypeAlias

from doxedge.commitments.amount import UnknownSuite, parse
from doxedge.commitments.open_amount import OpenAmount
from doxedge.contracts import (
    accounts,
    crediting,
    figures,
    inquiry,
    numbering,
    parties,
    statements,
    transfer,
    units,
)
from doxedge.contracts.rule import Book, Value
from doxedge.signing import algorithms
from doxedge.signing.tags import HASH_BYTES, SHORT_ID_BYTES, ZERO_HASH, key_id, source_id, tag

VINTAGE_MAX: Final = 2**32 - 1
"""A year is kept in four bytes; whether it is a year of credits is for the rules to say."""


class InvalidBody(ValueError):
    """A body that is not of its kind's shape. The sender is wrong.

    Its text may stand on a receipt, which all nodes must write alike: it is never that of a library.
    """


@dataclass(frozen=True, slots=True)
class BodyContext:
    """What the facts of some kinds are computed from."""

    channel: bytes
    record_id: bytes
    book: Book

    @property
    def new_source(self) -> bytes:
        """The numbering that this record creates, if it creates one."""
        return source_id(self.channel, self.record_id)


@dataclass(frozen=True, slots=True)
class Accusation:
    """Two signed statements of one author that contradict each other, if they do: the execution judges the bytes."""

    first: bytes
    second: bytes


Maker: TypeAlias = Callable[..., object]
"""Takes the context and the fields of the body, in their order."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the body of a kind looks like: the names of its fields, the types they may have, the facts they make."""

    words: str
    types: frozenset[tuple[type, ...]]
    """Every allowed row of exact types: true and false are integers to Python and not to the wire."""
    make: Maker


def facts_of(kind: str, body: list[Value], context: BodyContext | None) -> object:
    """The facts in a body; a plain kind needs no context.

    Raises InvalidBody for another shape, KeyError for a kind without facts of its own.
    """
    shape = SHAPES[kind]
    if tuple(map(type, body)) not in shape.types:
        raise InvalidBody(f"the body of `{kind}` is [{shape.words}]")
    return shape.make(context, *body)


def is_plain(kind: str) -> bool:
    """Whether the facts of a kind follow from the body alone: no channel, no record id, no ledger goes into them."""
    return kind in _PLAIN


def hour_facts(body: list[Value]) -> statements.Hour:
    """The facts of an hour, which need nothing but the body: for readers of the ledger. Raises InvalidBody."""
    facts = facts_of("hour", body, None)
    assert isinstance(facts, statements.Hour)  # noqa: S101 - the table says so
    return facts


def possession_bytes(channel: bytes, old_key_id: bytes) -> bytes:
    """What a new key signs to show that its holder has it (`key.rotate`)."""
    return tag("possession") + channel + old_key_id


def enrol_facts(
    party: str, role: str, alg: int, key: bytes, node_alg: Value, node_key: Value, *, new_source: bytes
) -> parties.Enrol:
    """The facts of an enrolment, also of one in the genesis; its keys are checked."""
    officer = _checked_key(alg, key)
    if node_alg is None and node_key is None:
        return parties.Enrol(party, role, alg, key, officer, None, None, None, new_source)
    if not isinstance(node_alg, int) or not isinstance(node_key, bytes):
        raise InvalidBody("a node key comes with its algorithm, or neither is given")
    node = _checked_key(node_alg, node_key)
    return parties.Enrol(party, role, alg, key, officer, node_alg, node_key, node, new_source)


def _hour(_: BodyContext | None, *fields: Any) -> statements.Hour:
    hour = statements.Hour(*fields)
    if not len(hour.samples_root) == len(hour.profile_hash) == len(hour.rules_hash) == HASH_BYTES:
        raise InvalidBody("samples_root, profile_hash and rules_hash have 32 bytes")
    if len(hour.boot_id) != SHORT_ID_BYTES:
        raise InvalidBody("boot_id has 16 bytes")
    return hour


def _revision(_: BodyContext, revised: bytes, reason: str, hour: list[Value]) -> statements.Revision:
    return statements.Revision(_hash("record_id", revised), reason, hour_facts(hour))


def _gap(_: BodyContext, unit: str, from_ms: int, to_ms: int, cause: str) -> statements.Gap:
    return statements.Gap(unit, from_ms, to_ms, cause)


def _event(_: BodyContext, unit: str | None, code: str, at_ms: int, text: str) -> statements.Event:
    return statements.Event(unit, code, at_ms, text)


def _request(
    _: BodyContext, unit: str, from_ms: int, to_ms: int, due_ms: int, reason: str
) -> inquiry.Request:
    return inquiry.Request(unit, from_ms, to_ms, due_ms, reason)


def _answer(
    _: BodyContext, request: bytes, content_hash: bytes, samples: int, outcome: str, text: str
) -> inquiry.Answer:
    return inquiry.Answer(
        _hash("request", request), _hash("content_hash", content_hash), samples, outcome, text
    )


def _config(_: BodyContext, name: str, value: int, reason: str) -> figures.Config:
    return figures.Config(name, value, reason)


def _enrol(
    context: BodyContext, party: str, role: str, alg: int, key: bytes, node_alg: Value, node_key: Value
) -> parties.Enrol:
    return enrol_facts(party, role, alg, key, node_alg, node_key, new_source=context.new_source)


def _rotate(context: BodyContext, old: bytes, alg: int, new: bytes, possession: bytes) -> parties.Rotate:
    new_id = _checked_key(alg, new)
    if not algorithms.verify(alg, new, possession_bytes(context.channel, old), possession):
        raise InvalidBody("the new key does not show possession")
    return parties.Rotate(old, alg, new, new_id)


def _revoke(_: BodyContext, key: bytes, reason: str) -> parties.Revoke:
    return parties.Revoke(key, reason)


def _unit(
    _: BodyContext, unit: str, party: str, kind: str, capacity_kw: int, zone: str
) -> units.RegisterUnit:
    return units.RegisterUnit(unit, party, kind, capacity_kw, zone)


def _account(context: BodyContext, account: str, party: str, unit: str | None) -> accounts.OpenAccount:
    match context.book.get(parties.PARTIES, party.encode()):
        case [str(), bytes() as officer, *_]:
            holder = officer
        case _:
            holder = b""
    return accounts.OpenAccount(account, party, unit, holder, context.new_source)


def _fold(_: BodyContext, account: str, vintage: int) -> accounts.Fold:
    return accounts.Fold(account, _year(vintage))


def _device(
    context: BodyContext, device: str, unit: str, alg: int, key: bytes, profile_hash: bytes, firmware: str
) -> units.RegisterDevice:
    profile = _hash("profile_hash", profile_hash)
    device_key = _checked_key(alg, key)
    return units.RegisterDevice(device, unit, alg, key, device_key, profile, firmware, context.new_source)


def _commission(
    _: BodyContext, device: str, profile: bytes, witnessed: list[Value], statement: bytes
) -> units.Commission:
    hours = []
    for entry in witnessed:
        match entry:
            case [int() as start_ms, int() as nox_g] if type(start_ms) is type(nox_g) is int:
                hours.append((start_ms, nox_g))
            case _:
                raise InvalidBody("a witnessed hour is [start_ms, nox_g]")
    return units.Commission(
        device, _hash("profile_hash", profile), tuple(hours), _hash("statement_hash", statement)
    )


def _vintage(
    _: BodyContext, account: str, asset: bytes, vintage: int, amount: list[Value], basis: bytes
) -> crediting.IssueVintage:
    return crediting.IssueVintage(account, asset, _year(vintage), _amount(amount), _hash("basis_hash", basis))


def _transfer(
    _: BodyContext, giver: str, taker: str, asset: bytes, vintage: int, amount: list[Value], reference: str
) -> transfer.Transfer:
    return transfer.Transfer(giver, taker, asset, _year(vintage), _amount(amount), reference)


def _reinstate(_: BodyContext, source: bytes, reason: str) -> numbering.Reinstate:
    return numbering.Reinstate(source, reason)


def _accusation(_: BodyContext, first: bytes, second: bytes) -> Accusation:
    return Accusation(first, second)


def _amount(value: list[Value]) -> OpenAmount:
    try:
        return parse(value)
    except (UnknownSuite, ValueError) as error:
        raise InvalidBody(str(error)) from error


def _year(vintage: int) -> int:
    if not 0 <= vintage <= VINTAGE_MAX:
        raise InvalidBody(f"the vintage {vintage} is no year")
    return vintage


def _hash(name: str, data: bytes) -> bytes:
    if len(data) != len(ZERO_HASH):
        raise InvalidBody(f"{name} has {len(ZERO_HASH)} bytes, not {len(data)}")
    return data


def _checked_key(alg: int, public_key: bytes) -> bytes:
    try:
        algorithms.check_key(alg, public_key)
    except algorithms.InvalidKey as error:
        # What a library says of a key differs between its versions, and this text may come to stand on a receipt.
        raise InvalidBody(f"the key is not a safe key of algorithm {alg}") from error
    return key_id(alg, public_key)


_INT: Final = (int,)
_TEXT: Final = (str,)
_BYTES: Final = (bytes,)
_LIST: Final = (list,)


def _shape(make: Maker, **fields: tuple[type, ...]) -> Shape:
    """The shape with these fields; a field of two types may be either."""
    return Shape(", ".join(fields), frozenset(product(*fields.values())), make)


SHAPES: Final[Mapping[str, Shape]] = {
    "hour": _shape(
        _hour, unit=_TEXT, start_ms=_INT, rule_set=_TEXT, operating_percent=_INT, nox_g=_INT, energy_wh=_INT,
        quality=_TEXT, clause=_TEXT, method_code=_TEXT, minutes_valid=_INT, samples=_INT, samples_root=_BYTES,
        profile_hash=_BYTES, rules_hash=_BYTES, clock_state=_TEXT, clock_offset_ms=_INT, boot_id=_BYTES,
        firmware=_TEXT, recipe=(list, NoneType),
    ),
    "hour.revise": _shape(_revision, record_id=_BYTES, reason=_TEXT, hour=_LIST),
    "gap": _shape(_gap, unit=_TEXT, from_ms=_INT, to_ms=_INT, cause=_TEXT),
    "event": _shape(_event, unit=(str, NoneType), code=_TEXT, at_ms=_INT, text=_TEXT),
    "samples.request": _shape(
        _request, unit=_TEXT, from_ms=_INT, to_ms=_INT, due_ms=_INT, reason=_TEXT
    ),
    "samples.answer": _shape(
        _answer, request=_BYTES, content_hash=_BYTES, samples=_INT, outcome=_TEXT, text=_TEXT
    ),
    "config": _shape(_config, name=_TEXT, value=_INT, reason=_TEXT),
    "party.enrol": _shape(
        _enrol, party=_TEXT, role=_TEXT, alg=_INT, officer_key=_BYTES, node_alg=(int, NoneType),
        node_key=(bytes, NoneType),
    ),
    "key.rotate": _shape(_rotate, old_key_id=_BYTES, alg=_INT, new_public_key=_BYTES, possession=_BYTES),
    "key.revoke": _shape(_revoke, key_id=_BYTES, reason=_TEXT),
    "unit.register": _shape(_unit, unit=_TEXT, party=_TEXT, kind=_TEXT, capacity_kw=_INT, zone=_TEXT),
    "account.open": _shape(_account, account=_TEXT, party=_TEXT, unit=(str, NoneType)),
    "account.fold": _shape(_fold, account=_TEXT, vintage=_INT),
    "device.register": _shape(
        _device, device=_TEXT, unit=_TEXT, alg=_INT, public_key=_BYTES, profile_hash=_BYTES, firmware=_TEXT
    ),
    "device.commission": _shape(
        _commission, device=_TEXT, profile_hash=_BYTES, witnessed_hours=_LIST, statement_hash=_BYTES
    ),
    "vintage.issue": _shape(
        _vintage, account=_TEXT, asset=_BYTES, vintage=_INT, amount=_LIST, basis_hash=_BYTES
    ),
    "transfer": _shape(
        _transfer, from_account=_TEXT, to_account=_TEXT, asset=_BYTES, vintage=_INT, amount=_LIST, reference=_TEXT
    ),
    "source.reinstate": _shape(_reinstate, source=_BYTES, reason=_TEXT),
    "conflict": _shape(_accusation, first_envelope=_BYTES, second_envelope=_BYTES),
    "equivocation": _shape(_accusation, first_vote=_BYTES, second_vote=_BYTES),
}  # fmt: skip
"""Every kind of record; a tick is the leader's, and a batch is a frame around records."""
_PLAIN: Final = frozenset(
    {"hour", "hour.revise", "gap", "event", "transfer", "account.fold", "vintage.issue"}
)
