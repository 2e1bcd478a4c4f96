"""What members say to each other: everything inside the signed bytes, one form, one limit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from doxedge.gossip import message
from doxedge.gossip.message import BODY_BYTES_MAX, InvalidMessage, Kind
from doxedge.signing import canonical, envelope, limits
from doxedge.signing.canonical import Value
from doxedge.signing.envelope import InvalidEnvelope
from doxedge.signing.signer import Ed25519Signer

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "gossip_messages.json").read_text(encoding="utf-8")
)
ROWS: list[dict[str, Any]] = VECTORS["messages"]
SEED = bytes(range(32))
SIGNER = Ed25519Signer(SEED)
CHANNEL = bytes.fromhex(VECTORS["channel"])
INTEGERS = st.integers(-(2**63), 2**63 - 1)
BODIES = st.lists(st.one_of(st.binary(max_size=80), INTEGERS, st.booleans(), st.none()), max_size=6)


def seal(payload: bytes) -> bytes:
    """A validly signed message around any payload."""
    return envelope.seal(payload, object_name=message.OBJECT, channel=CHANNEL, signer=SIGNER).encode()


def is_good(data: bytes, *, channel: bytes = CHANNEL, object_name: str = message.OBJECT) -> bool:
    """Whether the bytes are a message and its signature holds."""
    try:
        opened = message.open_message(data)
        opened.envelope.verify(SIGNER.public_key, object_name=object_name, channel=channel)
    except (InvalidMessage, InvalidEnvelope):
        return False
    return True


def test_there_is_a_golden_message_of_every_kind() -> None:
    assert [row["kind"] for row in ROWS] == [kind.value for kind in Kind]


@pytest.mark.parametrize("row", ROWS, ids=[row["kind"] for row in ROWS])
def test_a_message_has_the_frozen_bytes(row: dict[str, Any]) -> None:
    body = canonical.decode(bytes.fromhex(row["body"]), limit=limits.MESSAGE_BYTES)
    assert isinstance(body, list)
    sealed = message.seal(
        Kind(row["kind"]),
        body,
        channel=CHANNEL,
        signer=SIGNER,
        correlation=row["correlation"],
        expires_ms=row["expires_ms"],
    )
    assert sealed.hex() == row["message"]
    opened = message.open_message(sealed)
    assert (opened.kind, opened.correlation, opened.expires_ms, opened.body) == (
        row["kind"], row["correlation"], row["expires_ms"], body,
    )  # fmt: skip
    assert opened.sender == SIGNER.key_id
    assert is_good(sealed)


@pytest.mark.parametrize("row", ROWS, ids=[row["kind"] for row in ROWS])
def test_another_library_makes_the_same_bytes(row: dict[str, Any]) -> None:
    """A dumb twin: COSE_Sign1 by cbor2 and OpenSSL, from the words of wire.md 2."""
    payload = cbor2.dumps(
        [1, row["kind"], row["correlation"], row["expires_ms"], cbor2.loads(bytes.fromhex(row["body"]))]
    )
    protected = cbor2.dumps({1: -8, 4: SIGNER.key_id})
    signed = cbor2.dumps(["Signature1", protected, b"doxedge/gossip/1\0" + CHANNEL, payload])
    signature = Ed25519PrivateKey.from_private_bytes(SEED).sign(signed)
    assert cbor2.dumps([protected, {}, payload, signature]).hex() == row["message"]


@given(st.sampled_from(Kind), BODIES, INTEGERS, INTEGERS)
def test_what_is_sealed_is_opened_unchanged(
    kind: Kind, body: list[Value], correlation: int, expires_ms: int
) -> None:
    sealed = message.seal(
        kind, body, channel=CHANNEL, signer=SIGNER, correlation=correlation, expires_ms=expires_ms
    )
    opened = message.open_message(sealed)
    assert (opened.kind, opened.body, opened.correlation, opened.expires_ms) == (
        kind, body, correlation, expires_ms,
    )  # fmt: skip
    assert is_good(sealed)


@given(st.integers(min_value=0), st.integers(0, 7))
def test_one_changed_bit_makes_it_no_message(place: int, bit: int) -> None:
    changed = bytearray.fromhex(ROWS[1]["message"])
    changed[place % len(changed)] ^= 1 << bit
    assert not is_good(bytes(changed))


@given(st.integers(min_value=0))
def test_a_message_that_lost_its_end_is_none(place: int) -> None:
    whole = bytes.fromhex(ROWS[0]["message"])
    with pytest.raises(InvalidMessage):
        message.open_message(whole[: place % len(whole)])


def test_a_message_of_one_channel_holds_on_no_other_and_for_no_other_purpose() -> None:
    sealed = bytes.fromhex(ROWS[0]["message"])
    assert is_good(sealed)
    assert not is_good(sealed, channel=bytes(32))
    assert not is_good(sealed, object_name="tx")
    assert not is_good(sealed, object_name="cosign")


GOOD = ["seen", 1, 0, [b"x"]]


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(cbor2.dumps([2, *GOOD]), id="another version"),
        pytest.param(cbor2.dumps([True, *GOOD]), id="true in place of the version"),
        pytest.param(cbor2.dumps([1, "gossip", 1, 0, []]), id="an unknown kind"),
        pytest.param(cbor2.dumps([1, b"seen", 1, 0, []]), id="a kind in bytes"),
        pytest.param(cbor2.dumps([1, "seen", True, 0, []]), id="true in place of the correlation"),
        pytest.param(cbor2.dumps([1, "seen", 1, False, []]), id="false in place of the expiry"),
        pytest.param(cbor2.dumps([1, "seen", 1, None, []]), id="no expiry"),
        pytest.param(cbor2.dumps([1, "seen", 1, 0, b"x"]), id="a body that is no list"),
        pytest.param(cbor2.dumps([1, "seen", 1, 0]), id="no body"),
        pytest.param(cbor2.dumps([1, "seen", 1, 0, [], 0]), id="a field too many"),
        pytest.param(cbor2.dumps({1: "seen"}), id="a map"),
        pytest.param(cbor2.dumps([1, "seen", 1, 0, [{}]]), id="a map in the body"),
        pytest.param(cbor2.dumps([1, "seen", 1, 0, [1.5]]), id="a float in the body"),
        pytest.param(cbor2.dumps([1, "seen", 2**64, 0, []]), id="an integer over 64 bits"),
        pytest.param(cbor2.dumps([1, "seen", 1, 0, [[[[[[[[[0]]]]]]]]]]), id="too deep"),
        pytest.param(bytes.fromhex("8518016473 65656e010080".replace(" ", "")), id="1 in two bytes"),
        pytest.param(bytes.fromhex("9f016473 65656e010080ff".replace(" ", "")), id="indefinite length"),
        pytest.param(cbor2.dumps([1, *GOOD]) + b"\0", id="a byte behind"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_a_payload_in_another_form_is_refused_though_it_is_signed(payload: bytes) -> None:
    with pytest.raises(InvalidMessage):
        message.open_message(seal(payload))


def test_a_message_may_have_the_limit_and_not_a_byte_more() -> None:
    def sealed(body_bytes: int) -> bytes:
        return message.seal(Kind.HAVE, [bytes(body_bytes)], channel=CHANNEL, signer=SIGNER)

    around = len(sealed(BODY_BYTES_MAX)) - BODY_BYTES_MAX
    largest = sealed(limits.MESSAGE_BYTES - around)
    assert len(largest) == limits.MESSAGE_BYTES
    assert is_good(largest)
    with pytest.raises(InvalidMessage, match="at most"):
        sealed(limits.MESSAGE_BYTES - around + 1)
    with pytest.raises(InvalidMessage):
        message.open_message(largest + b"\0")


@given(st.lists(st.integers(0, 2 * BODY_BYTES_MAX // 3), max_size=12))
def test_pages_hold_every_item_that_fits_once_in_order_and_can_be_sent(sizes: list[int]) -> None:
    items = [bytes([number]) * size for number, size in enumerate(sizes)]
    pages = message.pages(items)
    assert [item for page in pages for item in page] == items
    for page in pages:
        assert page
        message.seal(Kind.TRANSACTIONS, list(page), channel=CHANNEL, signer=SIGNER)


def test_pages_leave_out_what_never_fits_and_count_small_items_too() -> None:
    assert message.pages([b"a", bytes(BODY_BYTES_MAX), b"b"]) == [[b"a", b"b"]]
    many = [b""] * (limits.ARRAY_ITEMS + 1)
    assert [len(page) for page in message.pages(many)] == [limits.ARRAY_ITEMS, 1]
    assert message.pages([]) == []


def test_the_body_of_byte_strings_holds_nothing_else() -> None:
    assert message.byte_strings([b"a", b""]) == [b"a", b""]
    odds: list[Value] = ["a", 1, None, [b"a"]]
    for odd in odds:
        with pytest.raises(InvalidMessage):
            message.byte_strings([b"a", odd])
