"""Merkle trees as in RFC 9162, 2.1: roots, inclusion and consistency proofs, and a frontier that grows.

Leaves are byte strings, hashed as SHA-256(0x00 || leaf); inner nodes as SHA-256(0x01 || left || right); the empty tree
is SHA-256 of nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

from doxedge.signing import limits

_sha256 = hashlib.sha256
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256(0x00 || leaf)."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over `leaves`, 32 bytes (RFC 9162, 2.1.1).

    Pairing level by level, with a last odd node carried up, gives the same tree as the split at the largest power of
    two, without recursion.
    """
    if not leaves:
        return EMPTY_ROOT
    level = [_sha256(b"\x00" + leaf).digest() for leaf in leaves]
    while len(level) > 1:
        level = _level_above(level)
    return level[0]


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The siblings from the leaf up (RFC 9162, 2.1.3.1). Raises IndexError outside the tree."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} of {len(leaves)}")
    path, level = [], [leaf_hash(leaf) for leaf in leaves]
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        level, index = _level_above(level), index >> 1
    return path


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that `path` gives for `leaf` at `index` of `size` (RFC 9162, 2.1.3.2).

    Raises ValueError when the path has not exactly the length that index and size demand.
    """
    if not 0 <= index < size or len(path) > limits.MERKLE_PATH:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    node, last, siblings = leaf_hash(leaf), size - 1, iter(path)
    while last:
        if index & 1:
            node = node_hash(_next_sibling(siblings), node)
        elif index < last:
            node = node_hash(node, _next_sibling(siblings))
        index, last = index >> 1, last >> 1
    if next(siblings, None) is not None:
        raise ValueError("the path is longer than the tree is high")
    return node


def consistency_path(leaves: Sequence[bytes], first: int) -> list[bytes]:
    """What proves that the tree over the first `first` leaves is a beginning of this one (RFC 9162, 2.1.4.1)."""
    if not 0 < first <= len(leaves):
        raise IndexError(f"no tree of {first} leaves within {len(leaves)}")
    return _subproof(first, leaves, whole=True)


def is_consistent(
    first: int, first_root: bytes, second: int, second_root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether `path` proves that the tree of `second` leaves continues the tree of `first` (RFC 9162, 2.1.4.2)."""
    if first == second:
        return first >= 0 and not path and first_root == second_root
    if not 0 < first < second or not path or len(path) > limits.MERKLE_PATH or not all(map(_is_hash, path)):
        return False
    nodes = list(path)
    if first & (first - 1) == 0:
        nodes.insert(0, first_root)
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old = new = nodes[0]
    for node in nodes[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            old, new = node_hash(node, old), node_hash(node, new)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = node_hash(new, node)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and old == first_root and new == second_root


class Frontier:
    """The right edge of a growing tree: appending and the root in O(log n), without the leaves.

    `peaks[k]` is the root of a complete subtree of 2^k leaves, or None. The size is its binary reading.
    """

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """Restore a frontier from its size and its present peaks, smallest subtree first."""
        if size < 0 or size.bit_count() != len(peaks):
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} peaks, not {len(peaks)}")
        given = iter(peaks)
        self.size = size
        self.peaks = [next(given) if size >> k & 1 else None for k in range(size.bit_length())]

    def append(self, leaf: bytes) -> None:
        """Add one leaf at the right."""
        node = leaf_hash(leaf)
        for k, peak in enumerate(self.peaks):
            if peak is None:
                self.peaks[k] = node
                break
            node, self.peaks[k] = node_hash(peak, node), None
        else:
            self.peaks.append(node)
        self.size += 1

    def root(self) -> bytes:
        """The root over all leaves so far."""
        node: bytes | None = None
        for peak in self.peaks:
            if peak is not None:
                node = peak if node is None else node_hash(peak, node)
        return EMPTY_ROOT if node is None else node

    def present_peaks(self) -> list[bytes]:
        """The peaks that are there, smallest subtree first: what the constructor takes."""
        return [peak for peak in self.peaks if peak is not None]

    def copy(self) -> Frontier:
        """A frontier that grows on its own."""
        return Frontier(self.size, self.present_peaks())


def _level_above(level: list[bytes]) -> list[bytes]:
    above = [_sha256(b"\x01" + level[k] + level[k + 1]).digest() for k in range(0, len(level) - 1, 2)]
    if len(level) & 1:
        above.append(level[-1])
    return above


def _next_sibling(siblings: Iterator[bytes]) -> bytes:
    sibling = next(siblings, None)
    if sibling is None:
        raise ValueError("the path is shorter than the tree is high")
    if not _is_hash(sibling):
        raise ValueError("a sibling in the path is no hash of 32 bytes")
    return sibling


def _is_hash(node: object) -> bool:
    """Paths come from strangers; a node of another length would be hashed as a piece of its neighbour."""
    return isinstance(node, bytes) and len(node) == len(EMPTY_ROOT)


def _subproof(first: int, leaves: Sequence[bytes], *, whole: bool) -> list[bytes]:
    if first == len(leaves):
        return [] if whole else [root(leaves)]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    if first <= split:
        return [*_subproof(first, leaves[:split], whole=whole), root(leaves[split:])]
    return [*_subproof(first - split, leaves[split:], whole=False), root(leaves[:split])]
