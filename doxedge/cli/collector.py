"""Python's collector of cycles, kept off what stands since the start of a daemon.

With its defaults the collector walks again and again over everything that was ever made: modules, maps, models, tens of
milliseconds in which a gateway asks no instrument, and the whole state of a node, which is hundreds of thousands of
lists and tree nodes that are never part of a cycle and took two fifths of a busy node's time. What stands after the
start is set aside for good. Cycles that are made later (of tasks and their errors) are still found.
"""

from __future__ import annotations

import gc
import logging
from typing import Final

from doxedge.cli import heap

log = logging.getLogger(__name__)

GENERATIONS: Final = (50_000, 20, 20)
"""Containers made and not freed before the youngest are looked at, and how often before the older ones are: a ledger
goes on growing."""


def spare_start() -> None:
    """Once for a process, when what it needs is loaded. A gateway makes little that stays: the portions stay small."""
    gc.collect()
    gc.freeze()
    heap.give_back()
    log.info("the collector leaves %d objects alone", gc.get_freeze_count())


def spare_ledger() -> None:
    """Once for a process, when its ledgers are in memory."""
    spare_start()
    gc.set_threshold(*GENERATIONS)
