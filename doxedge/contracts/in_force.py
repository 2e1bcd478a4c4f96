"""Which rules are in force: one table a version. A version in force is never edited; an amendment is a new one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from doxedge.contracts import (
    accounts,
    crediting,
    figures,
    hours,
    inquiry,
    numbering,
    parties,
    statements,
    transfer,
    units,
)
from doxedge.contracts.rule import Act, Book

Rule: TypeAlias = Callable[[Book, Act, Any], None]


class Turn(Protocol):
    """A rule at work on records that one source states one after the other, with nothing else in between."""

    def state(self, record_id: bytes, facts: Any) -> None:
        """The next record. Raises Refused, and the record has changed nothing."""
        ...

    def close(self) -> None:
        """Write what was accepted."""
        ...


InTurn: TypeAlias = Callable[[Book, Act], Turn]
"""Of the act everything but the record id holds for all records."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one version."""

    version: int
    since: str
    """Date from which a new channel may name it."""
    table: Mapping[str, tuple[type, Rule]]
    """Transaction kind to the class of its facts and its rule."""
    in_turn: Mapping[str, InTurn]
    """Of kinds that come many at a time: the same rule, for one after the other."""


RULES: Final = {
    1: Rules(
        version=1,
        since="2026-11-24",
        table={
            "config": (figures.Config, figures.configure),
            "party.enrol": (parties.Enrol, parties.enrol),
            "key.rotate": (parties.Rotate, parties.rotate),
            "key.revoke": (parties.Revoke, parties.revoke),
            "conflict": (numbering.Conflict, numbering.judge_conflict),
            "source.reinstate": (numbering.Reinstate, numbering.reinstate),
            "equivocation": (numbering.Equivocation, numbering.judge_equivocation),
            "unit.register": (units.RegisterUnit, units.register_unit),
            "device.register": (units.RegisterDevice, units.register_device),
            "device.commission": (units.Commission, units.commission),
            "account.open": (accounts.OpenAccount, accounts.open_account),
            "account.fold": (accounts.Fold, accounts.fold),
            "vintage.issue": (crediting.IssueVintage, crediting.issue_vintage),
            "transfer": (transfer.Transfer, transfer.transfer),
            "hour": (statements.Hour, hours.state_hour),
            "hour.revise": (statements.Revision, hours.revise_hour),
            "gap": (statements.Gap, hours.state_gap),
            "event": (statements.Event, hours.state_event),
            "samples.request": (inquiry.Request, inquiry.request_samples),
            "samples.answer": (inquiry.Answer, inquiry.answer_request),
        },
        in_turn={"hour": hours.HoursInTurn},
    ),
}
CURRENT: Final = max(RULES)
