"""Records for the outbox: hours of a source, sealed with a key from a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from doxedge.signing import envelope
from doxedge.signing.algorithms import ED25519, verify
from doxedge.signing.envelope import Envelope
from doxedge.signing.record import Record
from doxedge.signing.signer import Ed25519Signer
from doxedge.store.rows import Draft

CHANNEL = bytes(range(32))
SOURCE = bytes(range(16))
OTHER = bytes(range(1, 17))
SIGNER = Ed25519Signer(bytes(range(32)))
START_MS = 1_767_225_600_000


def seal(record: Record) -> Envelope:
    return envelope.seal(record.payload(), object_name="tx", channel=CHANNEL, signer=SIGNER)


def signature_holds(channel: bytes, sealed: Envelope) -> bool:
    signed = envelope.sig_structure(
        sealed.payload, alg=sealed.alg, key_id=sealed.key_id, object_name="tx", channel=channel
    )
    return verify(ED25519, SIGNER.public_key, signed, sealed.signature)


def hours(first: int, count: int = 1, unit: str = "unit-1") -> list[Draft]:
    return [
        Draft("hour", [unit, START_MS + k * 3_600_000, 1_000 + k], f"hour/{unit}/{k}/0")
        for k in range(first, first + count)
    ]


@dataclass
class SettableClock:
    """Time that stands until it is set."""

    ms: int = START_MS
    now_ms: Callable[[], int] = field(init=False)

    def __post_init__(self) -> None:
        self.now_ms = lambda: self.ms
