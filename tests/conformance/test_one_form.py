"""What is hashed or signed has one form: in no decoder does `true` stand for 1 or `false` for 0.

Python holds them equal, so a comparison with a number lets them through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from doxedge.consensus.certificate import Certificate, InvalidCertificate, VoteKind, decode_certificate
from doxedge.consensus.header import Header, InvalidBlock, decode_header
from doxedge.ledger.receipt import InvalidReceipt, Outcome, Receipt, decode_receipt
from doxedge.signing import canonical
from doxedge.signing.record import InvalidRecord, Record, decode_payload
from doxedge.signing.tags import ZERO_HASH, BlockId, ChannelId, RecordId, SourceId, TxId

ONE = b"\1" * 32
HEADER = Header(ChannelId(ONE), 0, 1, 0, BlockId(ONE), 1, 1, 1, ONE, ONE, ONE, ONE, 1, None)
CERTIFICATE = Certificate(VoteKind.NULLIFY, 0, 1, BlockId(ONE), b"\1", (bytes(64),))
RECORD = Record("hour", SourceId(bytes(16)), 1, RecordId(ZERO_HASH), [])

DECODERS: dict[str, tuple[bytes, Callable[[bytes], Any], type[Exception]]] = {
    "header": (HEADER.encode(), decode_header, InvalidBlock),
    "certificate": (CERTIFICATE.encode(), decode_certificate, InvalidCertificate),
    "receipt, accepted": (
        Receipt(TxId(ONE), Outcome.ACCEPTED, None, ()).encode(), decode_receipt, InvalidReceipt,
    ),
    "receipt, refused": (
        Receipt(TxId(ONE), Outcome.REFUSED, "7.8", ()).encode(), decode_receipt, InvalidReceipt,
    ),
    "record": (RECORD.payload(), decode_payload, InvalidRecord),
}  # fmt: skip


def disguised(data: bytes) -> Iterator[bytes]:
    """The same bytes with one 0 or 1 written as false or true, each in turn."""
    fields = canonical.decode(data)
    assert isinstance(fields, list)
    for place, field in enumerate(fields):
        if type(field) is int and field in (0, 1):
            yield canonical.encode([*fields[:place], bool(field), *fields[place + 1 :]])


@pytest.mark.parametrize("name", DECODERS)
def test_a_truth_value_never_stands_for_a_number(name: str) -> None:
    data, decode, refusal = DECODERS[name]
    decode(data)
    others = list(disguised(data))
    assert others
    for other in others:
        with pytest.raises(refusal):
            decode(other)
