"""A header has one encoding, and every byte of it is under the block's name."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.consensus.header import HEADER_BYTES_MAX, Header, InvalidBlock, block_id, decode_header
from doxedge.signing import canonical
from doxedge.signing.canonical import Value
from doxedge.signing.tags import BlockId, ChannelId, hash_tagged
from tests.consensus.voters import header

numbers = st.integers(0, 2**64 - 1)
hashes = st.binary(min_size=32, max_size=32)
headers = st.builds(
    Header,
    channel=hashes.map(ChannelId),
    epoch=numbers,
    view=numbers,
    parent_view=numbers,
    parent_id=hashes.map(BlockId),
    height=st.integers(1, 2**64 - 1),
    time_ms=numbers,
    tx_count=numbers,
    tx_root=hashes,
    receipt_root=hashes,
    state_root=hashes,
    history_root=hashes,
    rules_version=numbers,
    next_validators_hash=st.none() | hashes,
)


@given(headers)
def test_every_header_comes_back_from_its_bytes(made: Header) -> None:
    data = made.encode()
    assert len(data) <= HEADER_BYTES_MAX
    assert decode_header(data) == made
    assert made.block_id == block_id(data) == hash_tagged("block", data)


@given(headers, st.data())
def test_a_flipped_bit_is_refused_or_gives_another_block(made: Header, data: st.DataObject) -> None:
    encoded = made.encode()
    bit = data.draw(st.integers(0, 8 * len(encoded) - 1))
    changed = (int.from_bytes(encoded) ^ 1 << bit).to_bytes(len(encoded))
    try:
        decoded = decode_header(changed)
    except InvalidBlock:
        return
    assert decoded != made
    assert decoded.encode() == changed


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Header)])
def test_every_field_changes_the_name_of_the_block(name: str) -> None:
    first = header(seal=b"n" * 32)
    value = getattr(first, name)
    other = value + 1 if isinstance(value, int) else b"x" * 32
    changed: dict[str, object] = {name: other}
    second = dataclasses.replace(first, **changed)  # type: ignore[arg-type]
    assert second.block_id != first.block_id


def fields() -> list[Value]:
    """The fifteen fields of an honest header."""
    value = canonical.decode(header(seal=b"n" * 32).encode())
    assert isinstance(value, list)
    return value


NAMES = ("version", *(field.name for field in dataclasses.fields(Header)))
NUMBERS = [place for place, value in enumerate(fields()) if isinstance(value, int)]
HASHES = [place for place, value in enumerate(fields()) if isinstance(value, bytes)]


@pytest.mark.parametrize("place", NUMBERS, ids=lambda place: NAMES[place])
def test_true_and_less_than_nothing_are_no_numbers(place: int) -> None:
    others: list[Value] = [True, False, -1, None, b"", "1", []]
    for wrong in others:
        changed = fields()
        changed[place] = wrong
        with pytest.raises(InvalidBlock):
            decode_header(canonical.encode(changed))


@pytest.mark.parametrize("place", HASHES, ids=lambda place: NAMES[place])
def test_a_hash_has_32_bytes(place: int) -> None:
    others: list[Value] = [b"", bytes(31), bytes(33), 0, "h" * 32, False]
    for wrong in others:
        changed = fields()
        changed[place] = wrong
        with pytest.raises(InvalidBlock):
            decode_header(canonical.encode(changed))


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("nothing", b""),
        ("a number", b"\x01"),
        ("a header of a later version", canonical.encode([2, *fields()[1:]])),
        ("a field less", canonical.encode(fields()[:-1])),
        ("a field more", canonical.encode([*fields(), None])),
        ("height 0", canonical.encode([*fields()[:6], 0, *fields()[7:]])),
        ("a longer form of a number", header().encode().replace(b"\x01\x58\x20t", b"\x18\x01\x58\x20t", 1)),
        ("bytes behind it", header().encode() + b"\0"),
        ("more bytes than a header has", bytes(HEADER_BYTES_MAX + 1)),
    ],
)
def test_other_bytes_are_no_header(what: str, data: bytes) -> None:
    with pytest.raises(InvalidBlock, match="header"):
        decode_header(data)


@given(st.binary(max_size=400))
def test_noise_is_refused_and_never_worse(noise: bytes) -> None:
    with pytest.raises(InvalidBlock):
        decode_header(noise)
