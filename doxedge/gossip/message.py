"""What members of a channel say to each other: everything the protocol needs is inside the signed message.

A message is an envelope of tag("gossip") over `[1, kind, correlation, expires_ms, body]`. The broker may drop, delay,
repeat, reorder or read it; it cannot change it, move it to another channel, or say it in another's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from doxedge.signing import canonical, envelope, limits
from doxedge.signing.canonical import Value
from doxedge.signing.signer import Signer
from doxedge.signing.tags import KeyId

MESSAGE_VERSION: Final = 1
OBJECT: Final = "gossip"
OVERHEAD_BYTES: Final = 512
"""Envelope, kind, correlation and array heads, generously: what a body may hold is the limit less this."""
BODY_BYTES_MAX: Final = limits.MESSAGE_BYTES - OVERHEAD_BYTES


class Kind(StrEnum):
    """What a message is for."""

    TRANSACTIONS = "tx"
    """`[envelope…]`: new transactions."""
    SEEN = "seen"
    """`[tx ids in one string]`: these wait in my pool and on my disk (`seen`)."""
    FINAL = "final"
    """`[block]`: a block that has just become final, or `[header, certificate, wire ids in one string, [envelope…]]`
    when it is too large: who has the transactions in his pool needs only the leader's own besides."""
    HEAD = "head"
    """`[sent_ms, header, certificate]`: my newest final block, or `[sent_ms]` before the first. Retained."""
    COSIGNATURE = "cosign"
    """`[height, block_id, signature]`: I executed this block and found the same."""
    WANT = "want"
    """`[asked, from_height, offset]`: you with this key id, send blocks from here; the first from this byte on."""
    HAVE = "have"
    """`[height, total_bytes, offset, bytes]`: part of one block, or `[height, 0, 0, [block…]]` whole ones; an empty
    list says that they are not here."""
    PRESENCE = "up"
    """`[is_online]`: a hint, retained; the broker says offline in our name when it loses us."""


class InvalidMessage(ValueError):
    """Bytes that are no message of this channel. The member who sent them, or the broker, is wrong."""


@dataclass(frozen=True, slots=True)
class Message:
    """One opened message; its signature is checked by whoever knows the members."""

    kind: Kind
    correlation: int
    """Chosen by the asker and repeated in the answer; 0 where nothing is asked."""
    expires_ms: int
    """UTC of the sender's clock after which it is worth nothing; 0 for never."""
    body: list[Value]
    sender: KeyId
    envelope: envelope.Envelope


def seal(
    kind: Kind,
    body: list[Value],
    *,
    channel: bytes,
    signer: Signer,
    correlation: int = 0,
    expires_ms: int = 0,
) -> bytes:
    """A signed message. Raises InvalidMessage when it would be larger than a member accepts."""
    payload = canonical.encode([MESSAGE_VERSION, kind.value, correlation, expires_ms, body])
    signed = envelope.sig_structure(
        payload, alg=signer.alg, key_id=signer.key_id, object_name=OBJECT, channel=channel
    )
    data = envelope.Envelope(signer.alg, signer.key_id, payload, signer.sign(signed)).encode()
    if len(data) > limits.MESSAGE_BYTES:
        raise InvalidMessage(f"a message of {len(data)} bytes; at most {limits.MESSAGE_BYTES} travel")
    return data


def open_message(data: bytes) -> Message:
    """Decode a message. Raises InvalidMessage."""
    try:
        opened = envelope.decode(data, limit=limits.MESSAGE_BYTES)
        value = canonical.decode(opened.payload, limit=limits.MESSAGE_BYTES)
    except (envelope.InvalidEnvelope, canonical.NonCanonical) as error:
        raise InvalidMessage(str(error)) from error
    match value:
        case [int(version), str(kind), int(correlation), int(expires_ms), list(body)] if (
            version == MESSAGE_VERSION
            # CBOR's true is an int to Python, and not to the other members' languages.
            and not any(isinstance(number, bool) for number in (version, correlation, expires_ms))
        ):
            pass
        case _:
            raise InvalidMessage("a message is [1, kind, correlation, expires_ms, body]")
    if kind not in set(Kind):
        raise InvalidMessage(f"messages of kind {kind!r} are unknown here")
    return Message(Kind(kind), correlation, expires_ms, body, opened.key_id, opened)


def byte_strings(values: list[Value]) -> list[bytes]:
    """The byte strings of a body. Raises InvalidMessage for anything else in it."""
    strings = [value for value in values if isinstance(value, bytes)]
    if len(strings) != len(values):
        raise InvalidMessage("the body lists byte strings")
    return strings


def pages(items: list[bytes], *, bytes_max: int = BODY_BYTES_MAX) -> list[list[bytes]]:
    """The items in as few lists as fit a message each. Items that never fit are left out: they go in parts."""
    found: list[list[bytes]] = []
    page: list[bytes] = []
    size = 0
    for item in items:
        if len(item) + 8 > bytes_max:
            continue
        if size + len(item) + 8 > bytes_max or len(page) >= limits.ARRAY_ITEMS:
            found.append(page)
            page, size = [], 0
        page.append(item)
        size += len(item) + 8
    return [*found, page] if page else found
