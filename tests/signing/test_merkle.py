"""Trees of RFC 9162 against a twin that is the text of the RFC, recursion and all."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.signing.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_path,
    inclusion_path,
    is_consistent,
    leaf_hash,
    node_hash,
    root,
    root_from_path,
)

SIZES = range(66)
LEAVES = [b"leaf %d" % k for k in range(max(SIZES))]
ROOTS: list[bytes] = []
"""The root over the first k leaves, filled by the twin below."""


def twin_root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 9162, 2.1.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = split_of(len(leaves))
    return hashlib.sha256(b"\x01" + twin_root(leaves[:k]) + twin_root(leaves[k:])).digest()


def twin_path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 9162, 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = split_of(len(leaves))
    if index < k:
        return [*twin_path(index, leaves[:k]), twin_root(leaves[k:])]
    return [*twin_path(index - k, leaves[k:]), twin_root(leaves[:k])]


def twin_subproof(first: int, leaves: Sequence[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 9162, 2.1.4.1."""
    if first == len(leaves):
        return [] if whole else [twin_root(leaves)]
    k = split_of(len(leaves))
    if first <= k:
        return [*twin_subproof(first, leaves[:k], whole), twin_root(leaves[k:])]
    return [*twin_subproof(first - k, leaves[k:], False), twin_root(leaves[:k])]


def split_of(size: int) -> int:
    """The largest power of two below `size`."""
    k = 1
    while 2 * k < size:
        k *= 2
    return k


ROOTS.extend(twin_root(LEAVES[:size]) for size in SIZES)


def flips(path: Sequence[bytes]) -> list[list[bytes]]:
    """The path with one bit changed, once in each sibling."""
    changed = []
    for at, node in enumerate(path):
        other = bytes([node[0] ^ 1]) + node[1:]
        changed.append([*path[:at], other, *path[at + 1 :]])
    return changed


def test_the_root_is_that_of_the_rfc_at_every_size() -> None:
    assert [root(LEAVES[:size]) for size in SIZES] == ROOTS
    assert ROOTS[0] == EMPTY_ROOT
    assert len(set(ROOTS)) == len(ROOTS)


def test_a_frontier_has_the_same_root_after_every_leaf_and_after_being_restored() -> None:
    frontier = Frontier()
    for size in SIZES:
        assert (frontier.root(), frontier.size) == (ROOTS[size], size)
        assert Frontier(frontier.size, frontier.present_peaks()).root() == ROOTS[size]
        if size < len(LEAVES):
            earlier = frontier.copy()
            frontier.append(LEAVES[size])
            assert earlier.root() == ROOTS[size]


@pytest.mark.parametrize(("size", "peaks"), [(0, 1), (1, 0), (3, 1), (4, 2), (-1, 1), (7, 4)])
def test_a_frontier_with_another_number_of_peaks_than_its_size_is_refused(size: int, peaks: int) -> None:
    with pytest.raises(ValueError, match="peaks"):
        Frontier(size, [bytes(32)] * peaks)


@pytest.mark.parametrize("size", SIZES)
def test_every_leaf_is_proved_by_its_path_and_by_no_other(size: int) -> None:
    leaves = LEAVES[:size]
    for index, leaf in enumerate(leaves):
        path = inclusion_path(leaves, index)
        assert path == twin_path(index, leaves)
        assert root_from_path(leaf, index, size, path) == ROOTS[size]
        assert root_from_path(b"another leaf", index, size, path) != ROOTS[size]
        for changed in flips(path):
            assert root_from_path(leaf, index, size, changed) != ROOTS[size]
        with pytest.raises(ValueError, match="longer"):
            root_from_path(leaf, index, size, [*path, bytes(32)])
        if path:
            with pytest.raises(ValueError, match="shorter"):
                root_from_path(leaf, index, size, path[:-1])


def test_a_leaf_is_proved_at_its_own_place_only() -> None:
    for size in (2, 7, 8, 33):
        for index in range(size):
            path = inclusion_path(LEAVES[:size], index)
            for other in set(range(size)) - {index}:
                try:
                    found = root_from_path(LEAVES[index], other, size, path)
                except ValueError:
                    continue
                assert found != ROOTS[size]


@pytest.mark.parametrize("index", [-1, 5, 2**64])
def test_there_is_no_path_outside_the_tree(index: int) -> None:
    with pytest.raises(IndexError):
        inclusion_path(LEAVES[:5], index)
    with pytest.raises(ValueError, match="no leaf"):
        root_from_path(LEAVES[0], index, 5, [bytes(32)] * 3)


@pytest.mark.parametrize(
    "sibling",
    [
        pytest.param(b"", id="empty"),
        pytest.param(bytes(31), id="short"),
        pytest.param(bytes(33), id="long"),
        pytest.param("0" * 32, id="text"),
        pytest.param(None, id="null"),
    ],
)
def test_what_is_no_hash_is_no_sibling(sibling: bytes) -> None:
    with pytest.raises(ValueError, match="path"):
        root_from_path(LEAVES[0], 0, 2, [sibling])
    path = consistency_path(LEAVES[:7], 3)
    for at in range(len(path)):
        changed = [*path[:at], sibling, *path[at + 1 :]]
        assert not is_consistent(3, ROOTS[3], 7, ROOTS[7], changed)


def test_a_path_longer_than_any_tree_is_refused_without_hashing_it() -> None:
    with pytest.raises(ValueError, match="no leaf"):
        root_from_path(LEAVES[0], 0, 2**64, [bytes(32)] * 65)
    assert not is_consistent(3, ROOTS[3], 2**64, ROOTS[4], [bytes(32)] * 65)
    assert root_from_path(LEAVES[0], 2**64 - 1, 2**64, [bytes(32)] * 64)


def test_an_inner_node_never_passes_for_a_leaf() -> None:
    """The second preimage: without the 00 and 01 in front, `left || right` would be a leaf with the node's hash."""
    left, right = leaf_hash(LEAVES[0]), leaf_hash(LEAVES[1])
    assert node_hash(left, right) == ROOTS[2]
    for forged in (left + right, b"\x01" + left + right):
        assert leaf_hash(forged) != ROOTS[2]
        assert root([forged]) != ROOTS[2]
        assert root_from_path(forged, 0, 1, []) != ROOTS[2]
    assert leaf_hash(b"") != EMPTY_ROOT
    assert root([b""]) != root([])


@pytest.mark.parametrize("second", SIZES)
def test_every_earlier_tree_is_proved_a_beginning_and_no_other_root_is(second: int) -> None:
    for first in range(1, second + 1):
        path = consistency_path(LEAVES[:second], first)
        assert path == twin_subproof(first, LEAVES[:second], True)
        assert is_consistent(first, ROOTS[first], second, ROOTS[second], path)
        other = twin_root([b"forged", *LEAVES[1:first]])
        assert not is_consistent(first, other, second, ROOTS[second], path)
        assert not is_consistent(first, ROOTS[first], second, other, path)
        assert not is_consistent(first, ROOTS[first], second, ROOTS[second], [*path, bytes(32)])
        if path:
            assert not is_consistent(first, ROOTS[first], second, ROOTS[second], path[:-1])
        for changed in flips(path):
            assert not is_consistent(first, ROOTS[first], second, ROOTS[second], changed)


def test_a_proof_for_two_sizes_proves_nothing_about_two_others() -> None:
    for first in range(1, 18):
        for second in range(first, 18):
            path = consistency_path(LEAVES[:second], first)
            for claimed in range(1, 18):
                if claimed != first:
                    assert not is_consistent(claimed, ROOTS[claimed], second, ROOTS[second], path)


def test_a_rewritten_history_is_not_consistent() -> None:
    rewritten = [*LEAVES[:4], b"another block", *LEAVES[5:12]]
    path = consistency_path(rewritten, 8)
    assert is_consistent(8, root(rewritten[:8]), 12, root(rewritten), path)
    assert not is_consistent(8, ROOTS[8], 12, root(rewritten), path)


@pytest.mark.parametrize(("first", "second"), [(0, 3), (4, 3), (-1, 3), (-1, -1), (-2, -1)])
def test_sizes_out_of_order_are_not_consistent(first: int, second: int) -> None:
    for path in ([], [bytes(32)], [bytes(32)] * 2):
        assert not is_consistent(first, ROOTS[3], second, ROOTS[3], path)


@pytest.mark.parametrize("first", [-1, 0, 6])
def test_there_is_no_consistency_path_from_a_tree_that_is_not_inside(first: int) -> None:
    with pytest.raises(IndexError):
        consistency_path(LEAVES[:5], first)


@given(st.lists(st.binary(max_size=70), max_size=40), st.data())
def test_any_leaves_have_the_root_and_the_proofs_of_the_rfc(leaves: list[bytes], draw: st.DataObject) -> None:
    whole = twin_root(leaves)
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    assert root(leaves) == frontier.root() == whole
    if leaves:
        index = draw.draw(st.integers(0, len(leaves) - 1))
        assert root_from_path(leaves[index], index, len(leaves), inclusion_path(leaves, index)) == whole
        begun = twin_root(leaves[: index + 1])
        path = consistency_path(leaves, index + 1)
        assert is_consistent(index + 1, begun, len(leaves), whole, path)
