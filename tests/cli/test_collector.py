"""What stands is left alone, and cycles are still found."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from doxedge.cli import collector


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """The collector is one for the whole process."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


class Knot:
    """An object that holds itself."""

    def __init__(self) -> None:
        self.itself = self


def test_what_stands_is_not_walked_over_again() -> None:
    ledger = [[n] for n in range(1_000)]
    collector.spare_ledger()
    assert gc.get_freeze_count() > len(ledger)
    assert not any(one is ledger for one in gc.get_objects())
    assert gc.get_threshold() == collector.GENERATIONS


def test_cycles_that_come_later_are_found() -> None:
    collector.spare_ledger()
    seen = weakref.ref(Knot())
    kept = []
    for n in range(2 * collector.GENERATIONS[0]):
        kept.append([n])
        if seen() is None:
            break
    assert seen() is None


def test_a_gateway_makes_little_that_stays_and_its_portions_stay_small() -> None:
    before = gc.get_threshold()
    maps = [[n] for n in range(1_000)]
    collector.spare_start()
    assert gc.get_freeze_count() > len(maps)
    assert gc.get_threshold() == before
