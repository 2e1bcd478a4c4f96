"""Python's collector of cycles, kept off the ledger.

A node holds its whole state in memory: hundreds of thousands of lists and tree nodes that are never part of a cycle.
With its defaults the collector walks over all of them again and again while blocks are executed, and took two fifths of
a busy node's time. What stands after the start is set aside for good, and what comes later is looked at in larger
portions: cycles (of tasks and their errors) are still found.
"""

from __future__ import annotations

import gc
import logging
from typing import Final

log = logging.getLogger(__name__)

GENERATIONS: Final = (50_000, 20, 20)
"""Containers made and not freed before the youngest are looked at, and how often before the older ones are."""


def spare_ledger() -> None:
    """Once for a process, when its ledgers are in memory."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GENERATIONS)
    log.info("the collector leaves %d objects alone", gc.get_freeze_count())
