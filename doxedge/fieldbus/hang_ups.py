"""Devices and converters that hang up after each answer.

Where the end of the connection comes together with the answer nothing is lost. Where it comes a moment later it meets
the next question of the same visit, and would do so for ever. So the first question that is lost in this way teaches
that each question wants a connection of its own.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class ConnectionRecord:
    """What one connection has seen so far."""

    questions: int = 0
    answered: int = 0
    """Questions after which something was heard."""
    is_lost: bool = False
    """The other side ended it."""
    _is_waiting: bool = False

    def asked(self) -> None:
        """A question goes out."""
        self.questions += 1
        self._is_waiting = True

    def heard(self) -> None:
        """Something comes in."""
        self.answered += self._is_waiting
        self._is_waiting = False

    def lost(self) -> None:
        """The other side hung up."""
        self.is_lost = True


@dataclass(slots=True)
class HangUpHabit:
    """What one endpoint was seen to do with its connections."""

    is_known: bool = False

    def learn(self, record: ConnectionRecord) -> None:
        """A connection is over: one answer, and the end instead of the second is the habit and no accident.

        A device that is switched off loses connections with many answers on them; it is none of these.
        """
        self.is_known |= record.is_lost and (record.questions, record.answered) == (2, 1)

    def is_used_up(self, record: ConnectionRecord) -> bool:
        """Whether the next question wants a new connection."""
        return self.is_known and record.questions > 0
