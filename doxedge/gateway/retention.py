"""What is deleted for its age: proved records, raw samples, answer files. Never by a clock that may be wrong.

A machine without a battery for its clock begins anywhere, also years ahead, until it hears a time server; by that clock
everything is old. So nothing goes for its age before the kernel says that the clock is disciplined. Room is made in any
case: each store keeps within its budget, and drops the oldest first.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from doxedge.gateway.answer_files import forget_old_answers
from doxedge.gateway.clock_state import is_sure
from doxedge.gateway.equipment import Equipment
from doxedge.gateway.record_desk import UnitIdentity

log = logging.getLogger(__name__)


async def forget_old(
    equipment: Equipment, identities: Iterable[UnitIdentity], *, retention_days: int
) -> bool:
    """Delete what is past its retention, if the clock is sure; whether it is. Raises StoreError.

    `retention_days` is that of raw samples and of the files that answered for them.
    """
    reading = equipment.read_clock()
    if not is_sure(reading):
        log.info("the clock is %s: nothing is deleted for its age", reading.state)
        return False
    await equipment.outbox.prune()
    await equipment.samples.prune()
    await forget_old_answers(
        equipment.folder,
        identities,
        equipment.outbox,
        now_ms=equipment.clock.now_ms(),
        retention_days=retention_days,
    )
    return True
