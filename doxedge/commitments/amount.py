"""What a rule may do with an amount, whether its number is open or hidden.

Suite 0 carries open grams. A later suite carries commitments, for which `minus` brings a proof with it and
`disclosed_g` is available to the regulator alone. Rules are written against this port, so that they are written once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, Self

from doxedge.commitments.open_amount import OpenAmount

OPEN_SUITE: Final = 0


class UnknownSuite(ValueError):
    """The amount is of a suite that this channel does not have."""


class Amount(Protocol):
    """A quantity of credits in grams."""

    def plus(self, other: Self) -> Self:
        """The sum."""
        ...

    def minus(self, other: Self) -> Self:
        """The difference, which may be negative: ask `is_non_negative`."""
        ...

    def is_non_negative(self) -> bool:
        """Whether the amount is zero or more, by its value or by its proof."""
        ...

    def disclosed_g(self) -> int:
        """The number itself. A rule that asks for it makes a disclosure and says so."""
        ...


def parse(value: object) -> OpenAmount:
    """The amount in `[suite, value]`. Raises UnknownSuite, or ValueError when it has another shape."""
    match value:
        case [int(suite), int(grams)] if not isinstance(suite, bool) and not isinstance(grams, bool):
            if suite != OPEN_SUITE:
                raise UnknownSuite(
                    f"amounts of suite {suite} are not in force; open grams are suite {OPEN_SUITE}"
                )
            return OpenAmount(grams)
        case _:
            raise ValueError("an amount is [suite, grams]")


def unparse(amount: OpenAmount) -> Sequence[int]:
    """`[suite, value]` as it stands in a body."""
    return [OPEN_SUITE, amount.grams]
