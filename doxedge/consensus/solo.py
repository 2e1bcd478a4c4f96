"""The engine for one validator: every block it builds is final, in the same form that a quorum would give it.

With n = 1 the notarization, the finalization and the certificate are one signature. The header that was signed is
persisted before the certificate leaves with the committed block, and no view is voted in twice: after a crash between
the two, the next block takes a later view.
"""

from __future__ import annotations

from typing import Final

from doxedge.consensus.certificate import VoteKind, assemble, sign_vote
from doxedge.consensus.engine import (
    AmnesiaError,
    Build,
    Built,
    Checked,
    Commit,
    Committed,
    Effect,
    Event,
    Persist,
    Received,
    Started,
    TimePassed,
    WakeAt,
    WorkArrived,
)
from doxedge.consensus.header import Header, decode_header
from doxedge.consensus.validators import ValidatorSet
from doxedge.signing.signer import Signer
from doxedge.signing.tags import BlockId

PROPOSED: Final = b"solo/proposed"
"""Journal key of the header that was signed last."""


class SoloEngine:
    """Orders alone. `floor` is the last committed header, None before the first block."""

    def __init__(
        self,
        *,
        channel: bytes,
        validators: ValidatorSet,
        signer: Signer,
        floor: Header | None,
        interval_ms: int = 200,
    ) -> None:
        """Raises ValueError unless the signer is the only validator."""
        if len(validators.members) != 1 or validators.members[0].key_id != signer.key_id:
            raise ValueError("this engine serves a channel with one validator, and only at that validator")
        self._channel, self._validators, self._signer = channel, validators, signer
        self._floor, self._interval_ms = floor, interval_ms
        self._building: Build | None = None
        self._voted_view = floor.view if floor else 0
        self._work = False
        self._not_before_ms = 0

    def step(self, event: Event) -> list[Effect]:
        """One event in, effects out, in the order in which they must be done."""
        match event:
            case Started(journal=journal):
                return self._restart(journal.get(PROPOSED))
            case WorkArrived(now_ms=now_ms):
                self._work = True
                return self._propose(now_ms)
            case TimePassed(now_ms=now_ms):
                return self._propose(now_ms)
            case Built(now_ms=now_ms, header=header):
                return self._finalise(header, now_ms)
            case Committed(now_ms=now_ms, header=header):
                self._floor, self._building = header, None
                self._voted_view = max(self._voted_view, header.view)
                return self._propose(now_ms)
            case Checked() | Received():
                return []

    def _restart(self, proposed: bytes | None) -> list[Effect]:
        """Remember the view that was voted in before the crash; refuse when the disk is older than the vote."""
        if proposed is None:
            return []
        header = decode_header(proposed)
        height = self._floor.height if self._floor else 0
        if header.height <= height:
            return []
        if header.height > height + 1:
            raise AmnesiaError(
                f"this validator signed a block at height {header.height}, and its disk ends at {height}: an old copy "
                "was restored. It does not vote; join anew with a new key"
            )
        # The signature was not out, because the certificate leaves with the durable block only. What was in that block
        # is in the pool still and is built anew, in a later view: two votes in one view would be an equivocation.
        self._voted_view = max(self._voted_view, header.view)
        return []

    def _propose(self, now_ms: int) -> list[Effect]:
        if self._building is not None or not self._work:
            return []
        wait_ms = self._not_before_ms - now_ms
        # More than the interval means that the machine's clock was set back: waiting for the old time could take hours.
        if 0 < wait_ms <= self._interval_ms:
            return [WakeAt(self._not_before_ms)]
        self._work = False
        self._not_before_ms = now_ms + self._interval_ms
        floor = self._floor
        self._building = Build(
            epoch=self._validators.epoch,
            view=self._voted_view + 1,
            parent_view=floor.view if floor else 0,
            parent_id=floor.block_id if floor else BlockId(self._channel),
            height=floor.height + 1 if floor else 1,
            time_ms=max(now_ms, floor.time_ms + 1) if floor else now_ms,
        )
        return [self._building]

    def _finalise(self, header: Header | None, now_ms: int) -> list[Effect]:
        asked = self._building
        if header is None:
            self._building = None
            return self._propose(now_ms)
        if asked is None or header.view <= self._voted_view or not _answers(header, asked):
            raise RuntimeError(f"view {header.view} was not asked for, or is voted in: it is not signed")
        self._voted_view = header.view
        signature = sign_vote(
            VoteKind.FINALIZE,
            channel=self._channel,
            epoch=header.epoch,
            view=header.view,
            block_id=header.block_id,
            signer=self._signer,
        )
        certificate = assemble(
            VoteKind.FINALIZE,
            view=header.view,
            block_id=header.block_id,
            votes={self._signer.key_id: signature},
            validators=self._validators,
        )
        # The certificate leaves this process only with the committed block, which the node makes durable first.
        return [Persist({PROPOSED: header.encode()}), Commit(header, certificate)]


def _answers(header: Header, asked: Build) -> bool:
    """Whether the header is of the block that was asked for."""
    found = (header.epoch, header.view, header.parent_view, header.parent_id, header.height, header.time_ms)
    wanted = (asked.epoch, asked.view, asked.parent_view, asked.parent_id, asked.height, asked.time_ms)
    return found == wanted
