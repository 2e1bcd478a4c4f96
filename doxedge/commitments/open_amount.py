"""Suite 0: the number is on the ledger for every member to read."""

from __future__ import annotations

from doxedge.fact import fact


@fact
class OpenAmount:
    """Whole grams of NOx counted as NO2."""

    grams: int

    def plus(self, other: OpenAmount) -> OpenAmount:
        """The sum."""
        return OpenAmount(self.grams + other.grams)

    def minus(self, other: OpenAmount) -> OpenAmount:
        """The difference, which may be negative."""
        return OpenAmount(self.grams - other.grams)

    def is_non_negative(self) -> bool:
        """Whether there is no debt."""
        return self.grams >= 0

    def disclosed_g(self) -> int:
        """The number, which everybody sees anyway."""
        return self.grams
