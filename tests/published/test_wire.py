"""The worked example of the wire, bit for bit: one hour record from its genesis to its record id."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from doxedge.ledger.transaction import open_transaction, sign_record
from doxedge.signing import canonical, envelope
from doxedge.signing.record import Record, decode_payload
from doxedge.signing.signer import Ed25519Signer
from doxedge.signing.tags import ZERO_HASH, ChannelId, RecordId, SourceId, channel_id

SEED = bytes(range(32))


@pytest.fixture(scope="module")
def example(published: Path) -> dict[str, bytes]:
    """The values of the file."""
    path = published / "vectors" / "wire.json"
    if not path.is_file():
        pytest.skip(f"no worked example at {path}")
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    del values["comment"]
    return {name: bytes.fromhex(value) for name, value in values.items()}


@pytest.fixture(scope="module")
def signer() -> Ed25519Signer:
    """The key of the example."""
    return Ed25519Signer(SEED)


@pytest.fixture(scope="module")
def channel(example: dict[str, bytes]) -> ChannelId:
    """The channel, computed by us."""
    return channel_id(example["genesis"])


@pytest.fixture(scope="module")
def record(example: dict[str, bytes]) -> Record:
    """The hour: its source, which stands for a registration outside the example, and its body as published."""
    body = decode_payload(example["payload"]).body
    return Record("hour", SourceId(example["source"]), 1, RecordId(ZERO_HASH), body)


def test_the_genesis_is_canonical_and_names_the_channel(
    example: dict[str, bytes], channel: ChannelId
) -> None:
    assert canonical.encode(canonical.decode(example["genesis"])) == example["genesis"]
    assert channel == example["channel"]


def test_the_key_has_the_published_public_half_and_name(
    example: dict[str, bytes], signer: Ed25519Signer
) -> None:
    assert signer.public_key == example["public_key"]
    assert signer.key_id == example["key_id"]


def test_the_payload_is_written_as_published(example: dict[str, bytes], record: Record) -> None:
    assert record.payload() == example["payload"]
    assert decode_payload(example["payload"]) == record


def test_the_body_is_the_hour_of_nineteen_fields(record: Record) -> None:
    assert len(record.body) == 19
    assert record.body[:5] == ["unit-1", 1_767_225_600_000, "us60", 100, 1234567]
    assert record.body[-1] is None


def test_the_protected_header_and_the_sig_structure_are_the_published_ones(
    example: dict[str, bytes], channel: ChannelId, signer: Ed25519Signer
) -> None:
    assert envelope.protected_header(signer.alg, signer.key_id) == example["protected"]
    signed = envelope.sig_structure(
        example["payload"], alg=signer.alg, key_id=signer.key_id, object_name="tx", channel=channel
    )
    assert signed == example["sig_structure"]


def test_signing_gives_the_published_signature_envelope_and_names(
    example: dict[str, bytes], channel: ChannelId, signer: Ed25519Signer, record: Record
) -> None:
    transaction = sign_record(record, channel=channel, signer=signer)
    assert transaction.envelope.signature == example["signature"]
    assert transaction.raw == example["envelope"]
    assert len(transaction.raw) == 361
    assert transaction.tx_id == example["tx_id"]
    assert transaction.wire_id == example["wire_id"]
    assert transaction.record_ids == (example["record_id"],)
    assert record.record_id(channel) == example["record_id"]


def test_the_published_envelope_opens_and_its_signature_holds(
    example: dict[str, bytes], channel: ChannelId, record: Record
) -> None:
    transaction = open_transaction(example["envelope"], channel)
    assert transaction.record == record
    assert transaction.envelope.tx_id(channel) == hashlib.sha256(example["sig_structure"]).digest()
    transaction.envelope.verify(example["public_key"], object_name="tx", channel=channel)


def test_the_published_envelope_does_not_hold_on_another_channel(
    example: dict[str, bytes], channel: ChannelId
) -> None:
    opened = envelope.decode(example["envelope"])
    for elsewhere in (channel_id(b"another genesis"), ZERO_HASH):
        with pytest.raises(envelope.InvalidEnvelope):
            opened.verify(example["public_key"], object_name="tx", channel=elsewhere)
