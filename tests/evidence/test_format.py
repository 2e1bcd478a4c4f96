"""One form for an evidence file, both ways."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doxedge.evidence.format import EVIDENCE_BYTES_MAX, MAGIC, BadEvidence, decode
from doxedge.signing import canonical
from tests.evidence.evidence_files import batch_under_later_head, one_hour


@pytest.mark.parametrize("make", [one_hour, batch_under_later_head])
def test_what_is_read_is_written_back_to_the_same_bytes(make) -> None:  # type: ignore[no-untyped-def]
    assert decode(make()).encode() == make()


def test_a_file_says_first_what_it_is() -> None:
    assert one_hour()[2 : 2 + len(MAGIC)] == MAGIC.encode()


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (0, "doxedge evidence 2", "this software reads"),
        (0, 1, "thirteen fields"),
        (3, [b"header"], "later block"),
        (3, [b"header", [bytes(31)]], "32 bytes"),
        (5, [[2, bytes(16), bytes(64)]], "cosignature"),
        (5, [[True, bytes(16), bytes(64)]], "cosignature"),
        (5, [[0, bytes(15), bytes(64)]], "cosignature"),
        (5, [[0, bytes(16), bytes(64)]] * 257, "more cosignatures"),
        (7, -1, "place in the block"),
        (7, True, "place in the block"),
        (8, ["text"], "byte string"),
        (11, [["", b"", b"", []]], "state proof"),
        (11, [["room", b"", b""]], "state proof"),
        (12, [1], "byte string"),
    ],
)
def test_a_field_of_another_shape_is_refused_with_its_name(
    place: int, value: canonical.Value, says: str
) -> None:
    fields = canonical.decode(one_hour(), limit=EVIDENCE_BYTES_MAX)
    assert isinstance(fields, list)
    fields[place] = value
    with pytest.raises(BadEvidence, match=says):
        decode(canonical.encode(fields))


def test_a_file_beyond_its_limit_is_neither_written_nor_read() -> None:
    file = replace(decode(one_hour()), transaction=bytes(EVIDENCE_BYTES_MAX))
    with pytest.raises(BadEvidence, match="at most"):
        file.encode()
    with pytest.raises(BadEvidence, match="at most"):
        decode(bytes(EVIDENCE_BYTES_MAX + 1))
