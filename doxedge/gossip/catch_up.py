"""Fetching blocks that were missed: ranges from the floor upwards, one question outstanding, answers bound to it.

Pure: the node tells what it sees and what time it is, and asks what to send. A block that fits travels whole, several
to a message; a larger one in parts by offset, put together here within the limit of a block. Questions have their own
timer, never that of consensus (ledger.md 2.4, rule 11).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from doxedge.gossip.message import BODY_BYTES_MAX, InvalidMessage
from doxedge.ledger.block import BLOCK_BYTES_MAX
from doxedge.signing.canonical import Value

ASK_AGAIN_S: Final = 1.5
"""A question without an answer is asked again, of another member where there is one."""
PART_BYTES: Final = BODY_BYTES_MAX - 64
BLOCKS_PER_ANSWER: Final = 512


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask of whom."""

    to: bytes
    """Node key id."""
    correlation: int
    from_height: int
    offset: int


@dataclass(slots=True)
class CatchUp:
    """Follows the best head that any member has shown, and asks for what lies between."""

    peers: dict[bytes, int] = field(default_factory=dict)
    """Height by node key id, as their certified heads say."""
    _asked: Question | None = None
    _asked_at_s: float = 0.0
    _correlation: int = 0
    _part: bytearray = field(default_factory=bytearray)
    _part_height: int = 0
    _part_total: int = 0
    _turn: int = 0

    def saw_head(self, peer: bytes, height: int) -> None:
        """A member shows a certified head. Heights never go back."""
        self.peers[peer] = max(height, self.peers.get(peer, 0))

    @property
    def best_height(self) -> int:
        """The highest head that anybody has shown."""
        return max(self.peers.values(), default=0)

    def next_question(self, have_height: int, *, now_s: float) -> Question | None:
        """What to ask now, when all blocks up to `have_height` are at hand; None: nothing is missing, or an answer is
        still due."""
        if self.best_height <= have_height:
            self._asked = None
            return None
        if self._asked is not None:
            if now_s - self._asked_at_s < ASK_AGAIN_S:
                return None
            self._turn += 1
        if self._part_height != have_height + 1:
            self._part.clear()
            self._part_height = have_height + 1
        ahead = sorted(peer for peer, height in self.peers.items() if height > have_height)
        self._correlation += 1
        self._asked = Question(
            ahead[self._turn % len(ahead)], self._correlation, have_height + 1, len(self._part)
        )
        self._asked_at_s = now_s
        return self._asked

    def answered(self, sender: bytes, correlation: int, body: Sequence[Value]) -> list[bytes]:
        """The blocks in an answer, in order; empty while a large one is incomplete or the answer was not asked for.

        Raises InvalidMessage for an answer that cannot be one; the question is then asked of another member.
        """
        asked = self._asked
        if asked is None or (asked.to, asked.correlation) != (sender, correlation):
            return []
        match list(body):
            case [int(height), int(total), int(offset), bytes(part)]:
                self._asked = None
                return self._add_part(asked, height, total, offset, part)
            case [int(height), 0, 0, list(blocks)] if height == asked.from_height:
                found = [block for block in blocks if isinstance(block, bytes)]
                if not blocks:
                    return []  # he does not have them: when the time is up, another one is asked
                if len(found) == len(blocks) <= BLOCKS_PER_ANSWER:
                    self._asked = None
                    return found
        self.failed()
        raise InvalidMessage("an answer is [height, total, offset, part] or [height, 0, 0, blocks]")

    def failed(self) -> None:
        """What a member sent did not hold: turn to another one."""
        self._turn += 1
        self._part.clear()
        self._asked = None

    def _add_part(self, asked: Question, height: int, total: int, offset: int, part: bytes) -> list[bytes]:
        fits = height == asked.from_height and offset == len(self._part) and part
        same = not self._part or total == self._part_total
        if not fits or not same or total > BLOCK_BYTES_MAX or offset + len(part) > total:
            self.failed()
            raise InvalidMessage("a part that does not continue the block")
        self._part += part
        self._part_total = total
        if len(self._part) < total:
            return []
        block = bytes(self._part)
        self._part.clear()
        return [block]


def answer(from_height: int, offset: int, blocks: Sequence[bytes]) -> list[Value]:
    """The body that answers a question; `blocks` are the encoded blocks from `from_height` on, none if they are not
    here."""
    if blocks and (offset or len(blocks[0]) + 8 > PART_BYTES):
        first = blocks[0]
        return [from_height, len(first), offset, first[offset : offset + PART_BYTES]]
    chosen: list[Value] = []
    size = 0
    for block in blocks[:BLOCKS_PER_ANSWER]:
        if size + len(block) + 8 > PART_BYTES:
            break
        chosen.append(block)
        size += len(block) + 8
    return [from_height, 0, 0, chosen]
