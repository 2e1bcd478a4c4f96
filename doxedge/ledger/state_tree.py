"""One root over everything the ledger knows: a compact sparse Merkle tree (ledger.md 4).

A leaf sits at the shortest prefix of its path that is unique to it, so the shape depends on the content alone. Nodes
never change: a new version shares all untouched branches with the old one, which makes a speculative block free to
throw away.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from doxedge.signing.tags import tag

EMPTY: Final = bytes(32)
DEPTH_MAX: Final = 256
_HASH_BYTES: Final = 32
_sha256 = hashlib.sha256
_KEY_TAG: Final = tag("state-key")
_VALUE_TAG: Final = tag("state-value")


class Leaf:
    """One key: its path, the hash of its value."""

    __slots__ = ("hash", "path", "value_hash")

    def __init__(self, path: bytes, value_hash: bytes) -> None:
        self.path = path
        self.value_hash = value_hash
        self.hash: bytes = _sha256(b"\x00" + path + value_hash).digest()


class Node:
    """Two subtrees, at least two leaves."""

    __slots__ = ("hash", "left", "right")

    def __init__(self, left: Tree, right: Tree) -> None:
        self.left = left
        self.right = right
        self.hash: bytes = _sha256(
            b"\x01" + (left.hash if left else EMPTY) + (right.hash if right else EMPTY)
        ).digest()


Tree: TypeAlias = "Leaf | Node | None"
Item: TypeAlias = tuple[bytes, bytes | None]
"""A path and the hash of its value; None deletes."""


def path_of(room: str, key: bytes) -> bytes:
    """Where a key lives: 256 bits, most significant first."""
    name = room.encode()
    return _sha256(_KEY_TAG + bytes((len(name),)) + name + key).digest()


def value_hash(encoded: bytes) -> bytes:
    """The hash of a value's canonical bytes."""
    return _sha256(_VALUE_TAG + encoded).digest()


def leaf_hash(path: bytes, hashed: bytes) -> bytes:
    """SHA-256(0x00 || path || value hash)."""
    return _sha256(b"\x00" + path + hashed).digest()


def root_of(tree: Tree) -> bytes:
    """The root, 32 bytes; zeros for an empty tree."""
    return tree.hash if tree else EMPTY


def update(tree: Tree, items: Iterable[Item]) -> Tree:
    """A new tree with the items written. Paths have 32 bytes; of two items with one path, give only the last."""
    return _update(tree, sorted(items), 0)


@dataclass(frozen=True, slots=True)
class StateProof:
    """The way from a path to the root: siblings from the root down, and the leaf found there."""

    siblings: tuple[bytes, ...]
    leaf: tuple[bytes, bytes] | None
    """Path and value hash of the leaf that stands there: the asked one, another on the same prefix, or none."""


def prove(tree: Tree, path: bytes) -> StateProof:
    """What proves that the path is there, or that it is not."""
    siblings: list[bytes] = []
    depth = 0
    while isinstance(tree, Node):
        near, far = (tree.right, tree.left) if _bit(path, depth) else (tree.left, tree.right)
        siblings.append(far.hash if far else EMPTY)
        tree, depth = near, depth + 1
    return StateProof(tuple(siblings), (tree.path, tree.value_hash) if tree else None)


def verify(root: bytes, path: bytes, hashed: bytes | None, proof: StateProof) -> bool:
    """Whether `proof` shows that the path holds `hashed`, or with None that it holds nothing."""
    siblings, leaf = proof.siblings, proof.leaf
    # Only fixed lengths keep path and value hash apart: a byte moved from one to the other gives the same leaf hash.
    hashes = [root, path, *siblings, *(leaf or ())]
    if len(siblings) > DEPTH_MAX or any(len(part) != _HASH_BYTES for part in hashes):
        return False
    if hashed is not None:
        if leaf != (path, hashed):
            return False
    elif leaf is not None:
        shares_prefix = all(_bit(leaf[0], depth) == _bit(path, depth) for depth in range(len(siblings)))
        if leaf[0] == path or not shares_prefix:
            return False
    node = leaf_hash(*leaf) if leaf else EMPTY
    for depth in range(len(siblings) - 1, -1, -1):
        pair = siblings[depth] + node if _bit(path, depth) else node + siblings[depth]
        node = _sha256(b"\x01" + pair).digest()
    return node == root


def root_of_values(entries: Iterable[tuple[str, bytes, bytes]]) -> bytes:
    """The root over (room, key, canonical value), built from nothing: what a scrub compares with."""
    items: list[Item] = [(path_of(room, key), value_hash(value)) for room, key, value in entries]
    return root_of(update(None, items))


def _bit(path: bytes, depth: int) -> int:
    return path[depth >> 3] >> (7 - (depth & 7)) & 1


def _update(tree: Tree, items: Sequence[Item], depth: int) -> Tree:
    """`items` are sorted and share the tree's prefix of `depth` bits."""
    if len(items) < 2:
        return _write_one(tree, *items[0], depth) if items else tree
    if tree is None:
        return _build([(path, hashed) for path, hashed in items if hashed is not None], depth)
    if isinstance(tree, Leaf):
        merged: dict[bytes, bytes | None] = {tree.path: tree.value_hash}
        merged.update(items)
        return _build(
            [(path, hashed) for path, hashed in sorted(merged.items()) if hashed is not None], depth
        )
    cut = _split(items, depth)
    left = _update(tree.left, items[:cut], depth + 1)
    right = _update(tree.right, items[cut:], depth + 1)
    if left is tree.left and right is tree.right:
        return tree
    return _join(left, right)


def _write_one(tree: Tree, path: bytes, hashed: bytes | None, depth: int) -> Tree:
    """Write one item: most of a block's keys go the last levels alone, so this way down has no recursion."""
    bits = int.from_bytes(path)
    shift = DEPTH_MAX - 1 - depth
    trail: list[Node] = []
    found = tree
    while isinstance(found, Node):
        trail.append(found)
        found = found.right if bits >> shift & 1 else found.left
        shift -= 1
    fresh: Tree
    if hashed is None:
        if found is None or found.path != path:
            return tree
        fresh = None
    elif found is None or found.path == path:
        fresh = Leaf(path, hashed)
    else:
        fresh = _build(sorted([(found.path, found.value_hash), (path, hashed)]), DEPTH_MAX - 1 - shift)
    join = _join if hashed is None else Node
    for node in reversed(trail):
        shift += 1
        fresh = join(node.left, fresh) if bits >> shift & 1 else join(fresh, node.right)
    return fresh


def _join(left: Tree, right: Tree) -> Tree:
    """The subtree over two; a lone leaf moves up, because the shape depends on the content alone."""
    if left is None and (right is None or isinstance(right, Leaf)):
        return right
    if right is None and isinstance(left, Leaf):
        return left
    return Node(left, right)


def _build(items: Sequence[tuple[bytes, bytes]], depth: int) -> Tree:
    """A subtree of sorted items from nothing."""
    if not items:
        return None
    if len(items) == 1:
        return Leaf(*items[0])
    cut = _split(items, depth)
    return Node(_build(items[:cut], depth + 1), _build(items[cut:], depth + 1))


def _split(items: Sequence[Item], depth: int) -> int:
    """How many of the sorted items go to the left: those below the first path with this bit set."""
    first = items[0][0]
    byte, bit = depth >> 3, 0x80 >> (depth & 7)
    kept = first[byte] & -(bit << 1) & 0xFF
    return bisect_left(items, (first[:byte] + bytes((kept | bit,)),))
