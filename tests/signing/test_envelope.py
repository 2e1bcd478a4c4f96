"""One envelope has one form; whoever changes a byte, the purpose, the channel or the key is found out."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.signing import limits
from doxedge.signing.algorithms import ED25519, ES256
from doxedge.signing.envelope import (
    Envelope,
    InvalidEnvelope,
    decode,
    protected_header,
    seal,
    sig_structure,
)
from doxedge.signing.signer import Ed25519Signer, Es256Signer, Signer
from doxedge.signing.tags import KeyId, channel_id, tag

CHANNEL = channel_id(b"a genesis")
ELSEWHERE = channel_id(b"another genesis")
PAYLOAD = b"\x83\x01\x02\x03"
SIGNERS: dict[str, Signer] = {"Ed25519": Ed25519Signer(bytes(range(32))), "ES256": Es256Signer(0x1234567)}
SIGNER = SIGNERS["Ed25519"]
LENGTHS = [0, 1, 23, 24, 255, 256, 65_000]
"""Where the head of a byte string grows, and the largest that travels."""


def sealed(signer: Signer = SIGNER, payload: bytes = PAYLOAD) -> Envelope:
    """An envelope with a good signature."""
    return seal(payload, object_name="tx", channel=CHANNEL, signer=signer)


def holds(data: bytes, signer: Signer) -> bool:
    """Whether the bytes are an envelope that this key signed."""
    try:
        decode(data).verify(signer.public_key, object_name="tx", channel=CHANNEL)
    except InvalidEnvelope:
        return False
    return True


@pytest.mark.parametrize("kind", SIGNERS)
@pytest.mark.parametrize("length", LENGTHS)
def test_an_envelope_is_the_cose_sign1_that_any_library_reads(kind: str, length: int) -> None:
    signer = SIGNERS[kind]
    envelope = sealed(signer, bytes(length))
    data = envelope.encode()
    protected, unprotected, payload, signature = cbor2.loads(data)
    assert cbor2.loads(protected) == {1: signer.alg, 4: signer.key_id}
    assert (unprotected, payload, signature) == ({}, bytes(length), envelope.signature)
    assert cbor2.dumps([protected, {}, payload, signature]) == data
    assert decode(data) == envelope
    assert holds(data, signer)


@pytest.mark.parametrize("length", LENGTHS)
def test_what_is_signed_is_the_sig_structure_of_cose(length: int) -> None:
    built = sig_structure(bytes(length), alg=ED25519, key_id=SIGNER.key_id, object_name="tx", channel=CHANNEL)
    protected = cbor2.dumps({1: ED25519, 4: SIGNER.key_id})
    assert built == cbor2.dumps(["Signature1", protected, tag("tx") + CHANNEL, bytes(length)])


@pytest.mark.parametrize("kind", SIGNERS)
def test_any_bit_flipped_is_refused(kind: str) -> None:
    signer = SIGNERS[kind]
    data = sealed(signer).encode()
    assert holds(data, signer)
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        # The key id only says whose key to fetch, but it is signed too.
        assert not holds(bytes(changed), signer), f"bit {bit % 8} of byte {bit // 8}"


def test_any_byte_left_out_or_added_is_refused() -> None:
    data = sealed().encode()
    for at in range(len(data)):
        assert not holds(data[:at] + data[at + 1 :], SIGNER)
        assert not holds(data[:at], SIGNER)
    for at in range(len(data) + 1):
        for more in (b"\x00", b"\xa0", b"\xf6"):
            assert not holds(data[:at] + more + data[at:], SIGNER)


def parts() -> list[object]:
    """The four elements of a good envelope."""
    envelope = sealed()
    return [protected_header(ED25519, SIGNER.key_id), {}, PAYLOAD, envelope.signature]


def with_part(place: int, value: object) -> bytes:
    """A good envelope, one element exchanged, well encoded."""
    changed = parts()
    changed[place] = value
    return cbor2.dumps(changed)


def long_payload_head(data: bytes) -> bytes:
    """The same envelope with the payload's length in two bytes."""
    return data.replace(b"\xa0\x44" + PAYLOAD, b"\xa0\x58\x04" + PAYLOAD)


KEY = SIGNER.key_id
FORMS: dict[str, bytes] = {
    "nothing": b"",
    "one byte": b"\x84",
    "null": b"\xf6",
    "zeros": bytes(200),
    "an unprotected key id": with_part(1, {4: KEY}),
    "an unprotected algorithm": with_part(1, {1: ED25519}),
    "null for the unprotected header": with_part(1, None),
    "an empty array for the unprotected header": with_part(1, []),
    "an empty protected header": with_part(0, b""),
    "an algorithm without a key": with_part(0, cbor2.dumps({1: ED25519})),
    "a key without an algorithm": with_part(0, cbor2.dumps({4: KEY})),
    "ES384": with_part(0, b"\xa2\x01\x38\x22\x04\x50" + KEY),
    "HMAC": with_part(0, b"\xa2\x01\x05\x04\x50" + KEY),
    "headers in another order": with_part(0, b"\xa2\x04\x50" + KEY + b"\x01\x27"),
    "the algorithm in two bytes": with_part(0, b"\xa2\x01\x38\x07\x04\x50" + KEY),
    "a third header": with_part(0, b"\xa3\x01\x27\x04\x50" + KEY + b"\x03\x00"),
    "a header twice": with_part(0, b"\xa3\x01\x27\x01\x27\x04\x50" + KEY),
    "a critical header": with_part(0, b"\xa3\x01\x27\x02\x81\x04\x04\x50" + KEY),
    "a key id of 15 bytes": with_part(0, b"\xa2\x01\x27\x04\x4f" + KEY[:15]),
    "a key id of 17 bytes": with_part(0, b"\xa2\x01\x27\x04\x51" + KEY + b"\0"),
    "a header of indefinite length": with_part(0, b"\xbf\x01\x27\x04\x50" + KEY + b"\xff"),
    "a detached payload": with_part(2, None),
    "text for a payload": with_part(2, "text"),
    "an array for a payload": with_part(2, [1, 2, 3]),
    "a signature of 63 bytes": with_part(3, bytes(63)),
    "a signature of 65 bytes": with_part(3, bytes(65)),
    "no signature": with_part(3, b""),
    "null for a signature": with_part(3, None),
    "text for a signature": with_part(3, "s" * 64),
    "a fifth element": cbor2.dumps([*parts(), b""]),
    "a fifth element, four announced": sealed().encode() + b"\x40",
    "three elements": cbor2.dumps(parts()[:3]),
    "COSE's tag 18": b"\xd2" + sealed().encode(),
    "self-described CBOR": b"\xd9\xd9\xf7" + sealed().encode(),
    "inside an array": b"\x81" + sealed().encode(),
    "an array of indefinite length": b"\x9f" + sealed().encode()[1:] + b"\xff",
    "an array with a long length": b"\x98\x04" + sealed().encode()[1:],
    "a payload with a long length": long_payload_head(sealed().encode()),
    "a payload of indefinite length": sealed().encode().replace(b"\xa0\x44", b"\xa0\x5f\x44", 1),
    "two envelopes": sealed().encode() * 2,
}


@pytest.mark.parametrize("name", FORMS)
def test_any_other_form_is_no_envelope(name: str) -> None:
    with pytest.raises(InvalidEnvelope):
        decode(FORMS[name])


def test_the_table_of_forms_begins_with_a_good_one() -> None:
    """Otherwise its refusals would prove nothing."""
    assert cbor2.dumps(parts()) == sealed().encode()
    assert long_payload_head(sealed().encode()) != sealed().encode()


@pytest.mark.parametrize("name", ["vote", "cosign", "msg", "tx ", "TX", ""])
def test_a_signature_for_one_purpose_does_not_hold_for_another(name: str) -> None:
    with pytest.raises(InvalidEnvelope, match="another channel or changed"):
        sealed().verify(SIGNER.public_key, object_name=name, channel=CHANNEL)


@pytest.mark.parametrize(
    "channel", [ELSEWHERE, b"", CHANNEL[:16], CHANNEL + b"\0", bytes(32)], ids=lambda c: c.hex()[:8] or "none"
)
def test_a_signature_for_one_channel_does_not_hold_on_another(channel: bytes) -> None:
    with pytest.raises(InvalidEnvelope, match="does not hold"):
        sealed().verify(SIGNER.public_key, object_name="tx", channel=channel)


def test_a_signature_does_not_hold_for_another_key() -> None:
    other = Ed25519Signer(bytes(32))
    envelope = sealed()
    with pytest.raises(InvalidEnvelope):
        envelope.verify(other.public_key, object_name="tx", channel=CHANNEL)
    renamed = replace(envelope, key_id=other.key_id)
    for key in (SIGNER.public_key, other.public_key):
        with pytest.raises(InvalidEnvelope):
            renamed.verify(key, object_name="tx", channel=CHANNEL)


@pytest.mark.parametrize("kind", SIGNERS)
def test_a_signature_does_not_hold_under_the_other_algorithm(kind: str) -> None:
    signer = SIGNERS[kind]
    crossed = replace(sealed(signer), alg=ES256 if signer.alg == ED25519 else ED25519)
    for key in SIGNERS.values():
        with pytest.raises(InvalidEnvelope):
            crossed.verify(key.public_key, object_name="tx", channel=CHANNEL)


def test_the_tx_id_covers_purpose_channel_key_and_payload_but_not_the_signature() -> None:
    envelope = sealed()
    name = envelope.tx_id(CHANNEL)
    signed = sig_structure(PAYLOAD, alg=ED25519, key_id=SIGNER.key_id, object_name="tx", channel=CHANNEL)
    assert name == hashlib.sha256(signed).digest()
    again = replace(envelope, signature=bytes(64))
    assert again.tx_id(CHANNEL) == name
    assert again.wire_id() != envelope.wire_id()
    others = [
        envelope.tx_id(ELSEWHERE),
        envelope.tx_id(CHANNEL, object_name="vote"),
        replace(envelope, payload=PAYLOAD + b"\0").tx_id(CHANNEL),
        replace(envelope, key_id=KeyId(bytes(16))).tx_id(CHANNEL),
        replace(envelope, alg=ES256).tx_id(CHANNEL),
    ]
    assert len({name, *others}) == 6


def test_the_wire_id_is_the_hash_of_the_exact_bytes() -> None:
    assert sealed().wire_id() == hashlib.sha256(sealed().encode()).digest()


def test_what_is_too_large_is_neither_sealed_nor_read() -> None:
    largest = sealed(payload=bytes(limits.ENVELOPE_BYTES - 128)).encode()
    assert len(largest) <= limits.ENVELOPE_BYTES
    assert decode(largest).payload == bytes(limits.ENVELOPE_BYTES - 128)
    with pytest.raises(InvalidEnvelope, match="does not fit"):
        sealed(payload=bytes(limits.ENVELOPE_BYTES - 127))
    over = Envelope(ED25519, SIGNER.key_id, bytes(limits.ENVELOPE_BYTES), bytes(64)).encode()
    with pytest.raises(InvalidEnvelope, match="at most 65536"):
        decode(over)
    assert len(decode(over, limit=limits.MESSAGE_BYTES).payload) == limits.ENVELOPE_BYTES
    with pytest.raises(InvalidEnvelope, match=f"{len(largest)} bytes"):
        decode(largest, limit=len(largest) - 1)


@pytest.mark.parametrize(
    ("alg", "key_id"),
    [(0, bytes(16)), (-36, bytes(16)), (ED25519, bytes(15)), (ED25519, bytes(17)), (ES256, b"")],
)
def test_a_header_is_never_made_for_what_is_not_of_the_wire(alg: int, key_id: bytes) -> None:
    with pytest.raises(InvalidEnvelope, match="not of the wire"):
        protected_header(alg, key_id)


class CarelessToken:
    """A key holder that answers in DER, as most tokens do."""

    alg = SIGNER.alg
    public_key = SIGNER.public_key
    key_id = SIGNER.key_id

    def sign(self, message: bytes) -> bytes:
        """70 bytes."""
        return b"\x30\x44" + SIGNER.sign(message) + bytes(4)


def test_a_signature_of_another_length_never_travels() -> None:
    with pytest.raises(InvalidEnvelope, match="64 bytes, not 70"):
        sealed(CarelessToken()).encode()


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_are_what_encode_writes(data: bytes) -> None:
    try:
        envelope = decode(data)
    except InvalidEnvelope:
        return
    assert envelope.encode() == data


@given(st.binary(max_size=700), st.sampled_from([ED25519, ES256]), st.data())
def test_a_changed_envelope_is_refused_or_is_another_in_its_one_form(
    payload: bytes, alg: int, draw: st.DataObject
) -> None:
    data = bytearray(Envelope(alg, KEY, payload, bytes(range(64))).encode())
    assert decode(bytes(data)).payload == payload
    at = draw.draw(st.integers(0, len(data)))
    data[at : at + draw.draw(st.integers(0, 3))] = draw.draw(st.binary(max_size=3))
    try:
        envelope = decode(bytes(data))
    except InvalidEnvelope:
        return
    assert envelope.encode() == data
