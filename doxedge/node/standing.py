"""Where this node stands in its channel: is it in step, may it vote, and what has stopped it.

A validator whose disk is older than what it once signed must not sign again: it would give one height to two blocks.
With one validator only the others can tell, by a certified head that this node does not have; so it listens before it
votes, and what it finds is kept on the disk until the operator decides.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from doxedge.consensus.header import Header

log = logging.getLogger(__name__)

BEHIND: Final = b"node/behind"
"""Journal key: the certified height that this validator had not, 8 bytes."""
FORK: Final = b"node/fork"
"""Journal key: two certified headers of one height, for the regulator: canonical `[header, certificate, header,
certificate]`."""


@dataclass(slots=True)
class Standing:
    """Changes only by the methods below."""

    channel_name: str
    is_validator: bool
    is_alone: bool = False
    """No broker is configured: there is nobody to be behind of."""
    best_height: int = 0
    """The highest certified height that anybody has shown."""
    has_heard: bool = False
    """Whether a validator has shown his head since start."""
    has_listened: bool = False
    """Whether a validator has given the others time to show theirs."""
    halted: str | None = None
    """Why nothing is followed any more. Reading goes on."""
    silent: str | None = None
    """Why this validator does not vote."""
    behind_height: int | None = None
    is_early: bool = False
    """Whether the next block is from the future, by our clock."""
    ahead_ms: int = 0
    leap_ms: int = 0
    """How far our clock is beyond the last block, while this validator waits for a time server."""

    @property
    def votes(self) -> bool:
        """Whether this node makes blocks now."""
        return self.is_validator and self.has_listened and self.silent is None and self.halted is None

    def is_in_step(self, height: int) -> bool:
        """Whether a node of this height knows all that anybody has shown, and has asked."""
        return height >= self.best_height and (self.is_alone or self.has_heard or self.votes)

    def saw_certified(self, header: Header, *, own_height: int) -> bool:
        """A certified head of somebody. True when it shows that this validator has lost blocks: to be kept on disk."""
        self.best_height = max(self.best_height, header.height)
        if not self.is_validator or header.height <= own_height:
            return False
        news = self.behind_height is None or header.height > self.behind_height
        if news:
            self.behind_height = header.height
            self.stop_voting(
                f"its disk ends at height {own_height}, and height {header.height} is certified: an old copy was "
                f"restored, or the disk was lost. It fetches what is missing and does not vote. When no member shows "
                f"a later block, set `vote_again_from_height = {header.height}` in its [[channel]] and restart it"
            )
        return news

    def resume(self, behind_height: int, *, own_height: int, allowed_height: int | None) -> bool:
        """At a start after `saw_certified` said so once: whether the operator's word lets this validator vote again."""
        if allowed_height is not None and behind_height <= allowed_height <= own_height:
            return True
        self.behind_height = behind_height
        self.stop_voting(
            f"it once had lost certified blocks, as far as is known up to height {behind_height}; it is at height "
            f"{own_height} now. When it has caught up and no member shows a later block, set `vote_again_from_height` "
            "in its [[channel]] to that height and restart it"
        )
        return False

    def lost_its_file(self) -> dict[bytes, bytes | None]:
        """The file was damaged and begun anew: a validator has forgotten what it signed. What is to be kept on disk."""
        if not self.is_validator:
            return {}
        self.behind_height = 0
        self.stop_voting(
            "its file was damaged and set aside. It fetches the channel from the others and does not vote. When it has "
            "caught up and no member shows a later block, set `vote_again_from_height` in its [[channel]] to that "
            "height and restart it"
        )
        return {BEHIND: bytes(8)}

    def stop_voting(self, reason: str) -> None:
        """Not again before a restart."""
        if self.silent != reason:
            log.error("channel %s: this validator does not vote: %s", self.channel_name, reason)
        self.silent = reason

    def halt(self, reason: str) -> None:
        """Follow nothing any more: what is certified and what is here contradict each other."""
        if self.halted is None:
            log.critical("channel %s: stopped: %s", self.channel_name, reason)
            self.halted = reason

    def clock_differs(self, ahead_ms: int) -> None:
        """The next block is from the future."""
        if not self.is_early:
            log.error("channel %s: the next block is %d ms ahead of this clock", self.channel_name, ahead_ms)
        self.is_early, self.ahead_ms = True, ahead_ms

    def clock_leaps(self, leap_ms: int) -> None:
        """Our clock is so far beyond the last block that no block is made; 0: it is not."""
        if leap_ms and not self.leap_ms:
            log.error(
                "channel %s: this clock is %d ms beyond the last block, and no time server disciplines it; "
                "no block is made for a quarter of an hour",
                self.channel_name,
                leap_ms,
            )
        self.leap_ms = leap_ms

    def reasons(self, height: int) -> list[str]:
        """What is not well, in words for the operator."""
        found = []
        if self.halted is not None:
            found.append(f"stopped: {self.halted}")
        if self.silent is not None:
            found.append(f"does not vote: {self.silent}")
        if self.is_early:
            found.append(f"the next block is {self.ahead_ms} ms ahead of this clock: check the time service")
        if self.leap_ms:
            found.append(
                f"makes no block: this clock is {self.leap_ms} ms beyond the last one, and no time server "
                "disciplines it: check the time service"
            )
        if height < self.best_height:
            found.append(f"is at height {height} of {self.best_height}: wait")
        return found
