"""How long a file that answered a request for raw samples is kept.

As long as the samples themselves (`samples.retention_days`), and never less than the proof of an answer lies in the
outbox. The age is that of the file. However old it is, a file stays while its answer is signed and not proved final:
what the ledger says of it could not be shown any more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from doxedge.gateway.record_desk import UnitIdentity, answer_key
from doxedge.gateway.sample_clerk import FOLDER, SUFFIX
from doxedge.quantity import DAY_MS
from doxedge.signing.tags import HASH_BYTES
from doxedge.store.outbox import Outbox

log = logging.getLogger(__name__)

KEEP_DAYS_MIN: Final = 35
"""As OutboxSettings.closed_keep_ms."""


async def forget_old_answers(
    folder: Path, identities: Iterable[UnitIdentity], outbox: Outbox, *, now_ms: int, retention_days: int
) -> list[Path]:
    """Delete the answer files below the gateway's state folder that are past their retention; which went.

    A file that cannot be deleted is named in the log and tried again. Raises StoreError of the outbox.
    """
    before_ms = now_ms - max(retention_days, KEEP_DAYS_MIN) * DAY_MS
    units, gone = list(identities), []
    for path in await asyncio.to_thread(_older, folder / FOLDER, before_ms):
        request = _request(path)
        if request is None or await _is_on_its_way(request, units, outbox):
            continue
        try:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        except OSError as error:
            log.error("%s is past its retention and cannot be deleted: %s", path, error)
            continue
        log.info("%s is past its retention and was deleted", path)
        gone.append(path)
    return gone


def _older(folder: Path, before_ms: int) -> list[Path]:
    """Files of answers that were written before an instant, by name; [] where there is no folder."""
    found = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            written_ms = path.stat().st_mtime_ns // 1_000_000
        except OSError:
            continue  # gone in between, or not ours to see
        if written_ms < before_ms:
            found.append(path)
    return found


def _request(path: Path) -> bytes | None:
    """The request that a file answers, by its name; None for a name that we do not give."""
    try:
        request = bytes.fromhex(path.stem)
    except ValueError:
        return None
    return request if len(request) == HASH_BYTES and request.hex() == path.stem else None


async def _is_on_its_way(request: bytes, units: Iterable[UnitIdentity], outbox: Outbox) -> bool:
    """Whether an answer to a request is signed and not proved final."""
    for unit in units:
        entry = await outbox.find_key(unit.channel, unit.source, answer_key(unit.unit, request))
        if entry is not None and entry.state != "closed":
            return True
    return False
