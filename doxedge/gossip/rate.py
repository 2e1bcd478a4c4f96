"""A token bucket: so much at once, so much a second, and time is an argument."""

from __future__ import annotations


class TokenBucket:
    """Starts full."""

    __slots__ = ("_at_s", "_burst", "_per_s", "_tokens")

    def __init__(self, *, per_s: float, burst: float, now_s: float) -> None:
        """`burst` tokens at most, `per_s` new ones every second."""
        self._per_s, self._burst = per_s, burst
        self._tokens, self._at_s = burst, now_s

    def take(self, tokens: float, *, now_s: float) -> bool:
        """Whether so many were there; if not, none is taken. A clock that steps back gives nothing."""
        self._tokens = min(self._burst, self._tokens + max(0.0, now_s - self._at_s) * self._per_s)
        self._at_s = max(self._at_s, now_s)
        if self._tokens < tokens:
            return False
        self._tokens -= tokens
        return True
