"""Bounds on everything that comes from outside (wire.md 7). One file, so that they are seen together."""

from __future__ import annotations

from typing import Final

ENVELOPE_BYTES: Final = 64 * 1024
"""One signed record or batch: 64 hours with their text fit six times over."""

MESSAGE_BYTES: Final = 96 * 1024
"""One MQTT message; AWS IoT Core stops at 128 KiB, with topic and properties counted."""

BODY_BYTES: Final = 2 * 1024 * 1024
"""All envelopes of one block."""

TEXT_BYTES: Final = 4 * 1024
"""One text string, in UTF-8."""

ARRAY_ITEMS: Final = 4_096
DEPTH: Final = 8
"""Nesting of arrays; a block of receipts with events needs five."""

BATCH_RECORDS: Final = 64
POOL_TRANSACTIONS: Final = 50_000
POOL_BYTES: Final = 64 * 1024 * 1024

MERKLE_PATH: Final = 64
"""Siblings in a tree of at most 2^64 leaves."""
