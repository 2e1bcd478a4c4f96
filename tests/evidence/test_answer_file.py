"""The answer file as bytes: written once, read the same, and nothing else is one."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.evidence import answer_file, frames
from doxedge.evidence.answer_file import BadAnswerFile, Hour, Samples, Writer, read
from doxedge.signing import canonical
from tests.evidence.answer_files import case, one_file, written


def frame(*value: canonical.Value) -> bytes:
    return canonical.encode(canonical.encode(list(value)))


def sealed(*frames: bytes) -> bytes:
    """Frames under a right hash."""
    body = b"".join(frames)
    return body + frame("end", hashlib.sha256(b"doxedge/samples-file/1\0" + body).digest())


def test_what_is_written_is_read() -> None:
    head, *rest = read(one_file())
    assert head == case().head()
    assert [one for one in rest if isinstance(one, Hour)] == [one for _, one in case().hours()]
    leaves = [leaf for one in rest if isinstance(one, Samples) for leaf in one.leaves]
    assert leaves == [leaf for leaves, _ in case().hours() for leaf in leaves]


def test_the_hashes_are_those_of_the_bytes() -> None:
    writer = Writer()
    data = writer.head(case().head())
    data += writer.leaves([b"a", b"b"])
    aside = writer.copy()
    aside.leaves([b"taken back"])
    data += writer.end()
    stated = hashlib.sha256(b"doxedge/samples-answer/1\0" + data).digest()
    assert writer.content_hash() == answer_file.content_hash(data) == stated
    assert (writer.samples, aside.samples) == (2, 3)
    assert len(list(read(data))) == 2


@given(st.lists(st.binary(max_size=40), max_size=30), st.integers(1, 4), st.integers(1, 60))
def test_leaves_are_cut_into_frames_and_none_is_lost(leaves: list[bytes], items: int, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "LEAVES_OF_A_FRAME", items)
        patch.setattr(frames, "FRAME_LEAF_BYTES", size)
        data = written(case().head(), [(leaves, Hour(0, "lost", None, 0, None))])
    found = [one.leaves for one in read(data) if isinstance(one, Samples)]
    assert [leaf for each in found for leaf in each] == leaves
    assert all(0 < len(each) <= items for each in found)


@pytest.mark.parametrize("kind", ["flipped", "cut"])
def test_a_changed_byte_or_a_missing_end_is_no_answer_file(kind: str) -> None:
    data = one_file()
    step = max(1, len(data) // 400)
    for at in [*range(0, len(data), step), *range(len(data) - 48, len(data))]:
        changed = data[:at] if kind == "cut" else data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(BadAnswerFile):
            list(read(changed))


HEAD = frame("doxedge samples 1", bytes(32), bytes(32), "alpha-1", 0, 3_600_000)


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("nothing", b""),
        ("only an end", sealed()),
        ("bytes after the end", sealed(HEAD) + b"\0"),
        ("two heads", sealed(HEAD, HEAD)),
        ("no head", sealed(frame("samples", [b"leaf"]))),
        ("another magic", sealed(frame("doxedge samples 2", bytes(32), bytes(32), "a", 0, 1))),
        ("a short channel", sealed(frame("doxedge samples 1", bytes(31), bytes(32), "a", 0, 1))),
        ("a time that is true", sealed(frame("doxedge samples 1", bytes(32), bytes(32), "a", False, 1))),
        ("a leaf that is text", sealed(HEAD, frame("samples", ["leaf"]))),
        ("a state that is none", sealed(HEAD, frame("hour", 0, "sold", None, 0, None))),
        ("a count that is true", sealed(HEAD, frame("hour", 0, "lost", None, True, None))),
        ("a frame of another kind", sealed(HEAD, frame("day", 0))),
        ("a frame that is no byte string", sealed(HEAD, canonical.encode(["samples", []]))),
        ("a frame that is not canonical", sealed(HEAD, canonical.encode(b"\x18\x01"))),
        ("a length in a longer way than needed", sealed(HEAD, b"\x58\x01\x80")),
        ("a length of eight bytes", sealed(HEAD, b"\x5b" + bytes(8))),
        ("a frame that is too long", sealed(HEAD, b"\x5a\xff\xff\xff\xff")),
        ("an end of another hash", HEAD + frame("end", bytes(32))),
    ],
)
def test_what_is_no_answer_file_is_refused(what: str, data: bytes) -> None:
    with pytest.raises(BadAnswerFile):
        list(read(data))


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    for given_bytes in (data, HEAD + data, sealed(HEAD, data)):
        try:
            list(read(given_bytes))
        except BadAnswerFile:
            continue
        assert data == b"" or given_bytes != data
