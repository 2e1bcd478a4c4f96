"""The state tree against a twin that knows nothing of trees: it hashes all keys, bit by bit, from the leaves up."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.ledger import state_tree
from doxedge.ledger.state_tree import (
    DEPTH_MAX,
    EMPTY,
    Leaf,
    Node,
    StateProof,
    Tree,
    path_of,
    prove,
    root_of,
    root_of_values,
    update,
    value_hash,
    verify,
)

Content = dict[bytes, bytes]


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def bits_of(path: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in path)


def twin_root(content: Content) -> bytes:
    """ledger.md 4, read word by word: nothing, one leaf at once, or a node over two halves."""

    def below(prefix: str, inside: Content) -> bytes:
        if not inside:
            return bytes(32)
        if len(inside) == 1:
            ((path, hashed),) = inside.items()
            return sha(b"\0", path, hashed)
        halves = [
            {path: hashed for path, hashed in inside.items() if bits_of(path)[len(prefix)] == bit}
            for bit in "01"
        ]
        return sha(b"\1", below(prefix + "0", halves[0]), below(prefix + "1", halves[1]))

    return below("", content)


def near(seed: bytes, shared_bits: int) -> bytes:
    """A path that shares its first bits with all others made with this seed, and differs in the next one or later."""
    base = int.from_bytes(sha(b"base"))
    tail = int.from_bytes(sha(seed)) >> shared_bits
    return (
        (base >> (256 - shared_bits) << (256 - shared_bits) | tail).to_bytes(32) if shared_bits else sha(seed)
    )


paths = st.builds(
    near, st.integers(0, 40).map(lambda number: b"%d" % number), st.sampled_from([0, 0, 7, 8, 9, 64, 200])
)
hashes = st.integers(0, 5).map(lambda number: sha(b"value %d" % number))
write_sets = st.lists(st.dictionaries(paths, st.none() | hashes, max_size=12), max_size=8)


def shape_of(tree: Tree) -> object:
    """Everything about a tree but its identity."""
    if isinstance(tree, Node):
        return (tree.hash, shape_of(tree.left), shape_of(tree.right))
    return None if tree is None else (tree.hash, tree.path, tree.value_hash)


@given(write_sets)
def test_every_write_and_deletion_gives_the_root_of_the_twin(
    write_sets: list[dict[bytes, bytes | None]],
) -> None:
    tree: Tree = None
    content: Content = {}
    for writes in write_sets:
        tree = update(tree, writes.items())
        for path, hashed in writes.items():
            content.pop(path, None)
            if hashed is not None:
                content[path] = hashed
        assert root_of(tree) == twin_root(content)
    fresh = update(None, content.items())
    assert shape_of(tree) == shape_of(fresh), "the shape depends on the content alone"


@given(st.dictionaries(paths, hashes, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_writing_does_not_matter(content: Content, chance: random.Random) -> None:
    one_by_one: Tree = None
    items = list(content.items())
    chance.shuffle(items)
    for item in items:
        one_by_one = update(one_by_one, [item])
    assert shape_of(one_by_one) == shape_of(update(None, items))


@given(st.dictionaries(paths, hashes, max_size=12), st.dictionaries(paths, st.none() | hashes, max_size=12))
def test_an_update_leaves_the_old_tree_as_it_was(content: Content, writes: dict[bytes, bytes | None]) -> None:
    tree = update(None, content.items())
    before = shape_of(tree)
    update(tree, writes.items())
    assert shape_of(tree) == before
    assert update(tree, []) is tree
    missing = [(path, None) for path in writes if path not in content]
    assert shape_of(update(tree, missing)) == before


def test_after_the_last_deletion_nothing_is_left() -> None:
    paths = [near(b"%d" % number, 0) for number in range(50)]
    tree = update(None, [(path, sha(path)) for path in paths])
    for path in paths[:-1]:
        tree = update(tree, [(path, None)])
        assert tree is not None
    assert isinstance(tree, Leaf), "a lone leaf moves up to the root"
    assert update(tree, [(paths[-1], None)]) is None
    assert root_of(None) == EMPTY == bytes(32)
    assert (
        update(update(None, [(path, sha(path)) for path in paths]), [(path, None) for path in paths]) is None
    )


@given(st.dictionaries(paths, hashes, max_size=20), paths)
def test_presence_and_absence_are_proved_and_nothing_else(content: Content, asked: bytes) -> None:
    tree = update(None, content.items())
    root = root_of(tree)
    for path in (*content, asked):
        proof = prove(tree, path)
        held = content.get(path)
        assert verify(root, path, held, proof)
        assert len(proof.siblings) <= DEPTH_MAX
        for claim in (None, sha(b"value 0"), sha(b"something else")):
            assert verify(root, path, claim, proof) == (claim == held)
        assert not verify(sha(b"another root"), path, held, proof)


def collision(shared_bits: int) -> tuple[bytes, bytes]:
    """Two paths that part at exactly this bit."""
    first = bytes(32)
    return first, (1 << (255 - shared_bits)).to_bytes(32)


@pytest.mark.parametrize("shared_bits", [0, 1, 7, 8, 15, 16, 100, 254, 255])
def test_paths_that_share_a_long_beginning_part_where_they_differ(shared_bits: int) -> None:
    first, second = collision(shared_bits)
    tree = update(None, [(first, sha(b"1")), (second, sha(b"2"))])
    assert root_of(tree) == twin_root({first: sha(b"1"), second: sha(b"2")})
    for path, hashed in ((first, sha(b"1")), (second, sha(b"2"))):
        proof = prove(tree, path)
        assert len(proof.siblings) == shared_bits + 1
        assert verify(root_of(tree), path, hashed, proof)
    assert shape_of(update(tree, [(second, None)])) == shape_of(update(None, [(first, sha(b"1"))]))
    assert shape_of(update(update(tree, [(first, None)]), [(first, sha(b"1"))])) == shape_of(tree)


def test_absence_is_proved_by_an_empty_place_and_by_another_leaf() -> None:
    first, second = collision(3)
    tree = update(None, [(first, sha(b"1")), (second, sha(b"2"))])
    beside_nothing = (1 << 254).to_bytes(32)
    empty, other = prove(tree, beside_nothing), prove(tree, (7).to_bytes(32))
    assert empty.leaf is None
    assert other.leaf == (first, sha(b"1"))
    assert verify(root_of(tree), beside_nothing, None, empty)
    assert verify(root_of(tree), (7).to_bytes(32), None, other)
    # A leaf on another prefix, or no leaf where one stands, proves nothing.
    assert not verify(root_of(tree), beside_nothing, None, other)
    assert not verify(root_of(tree), (7).to_bytes(32), None, replace(other, leaf=None))
    assert not verify(root_of(tree), first, None, prove(tree, first))


def test_everything_is_absent_from_an_empty_state() -> None:
    path = near(b"any", 0)
    assert prove(None, path) == StateProof((), None)
    assert verify(EMPTY, path, None, prove(None, path))
    assert not verify(EMPTY, path, sha(b"1"), prove(None, path))


def big_tree() -> tuple[Tree, Content]:
    content = {near(b"%d" % number, 0): sha(b"value %d" % number) for number in range(200)}
    return update(None, content.items()), content


TREE, CONTENT = big_tree()
ROOT = root_of(TREE)


@given(st.sampled_from(sorted(CONTENT)), st.data())
def test_a_proof_with_a_flipped_bit_proves_nothing(path: bytes, data: st.DataObject) -> None:
    proof = prove(TREE, path)
    assert proof.leaf is not None
    parts = [*proof.siblings, *proof.leaf]
    place = data.draw(st.integers(0, len(parts) - 1))
    bit = data.draw(st.integers(0, 255))
    parts[place] = (int.from_bytes(parts[place]) ^ 1 << bit).to_bytes(32)
    tampered = StateProof(tuple(parts[:-2]), (parts[-2], parts[-1]))
    assert not verify(ROOT, path, CONTENT[path], tampered)
    assert not verify(ROOT, path, None, tampered)


@given(st.sampled_from(sorted(CONTENT)), st.data())
def test_a_proof_of_another_length_or_order_proves_nothing(path: bytes, data: st.DataObject) -> None:
    proof = prove(TREE, path)
    siblings = list(proof.siblings)
    place = data.draw(st.integers(0, len(siblings) - 1))
    for changed in (
        siblings[:place] + siblings[place + 1 :],
        [*siblings[:place], EMPTY, *siblings[place:]],
        [*siblings, siblings[-1]],
        siblings[:-1],
        [],
    ):
        assert not verify(ROOT, path, CONTENT[path], replace(proof, siblings=tuple(changed)))
    if len(set(siblings)) > 1 and siblings != siblings[::-1]:
        assert not verify(ROOT, path, CONTENT[path], replace(proof, siblings=tuple(siblings[::-1])))


def test_bytes_cannot_be_moved_between_path_and_value() -> None:
    """65 bytes are hashed for a leaf: only fixed lengths say which of them are the path."""
    path = next(iter(CONTENT))
    proof = prove(TREE, path)
    joined = path + CONTENT[path]
    for cut in (0, 31, 33, 64):
        shifted = replace(proof, leaf=(joined[:cut], joined[cut:]))
        assert not verify(ROOT, joined[:cut], joined[cut:], shifted)


def test_more_than_256_siblings_are_refused_though_the_hashes_fit() -> None:
    """Made so that the root comes out right: only the count gives it away."""

    def climb(path: bytes, siblings: list[bytes]) -> bytes:
        node = sha(b"\0", path, sha(b"v"))
        for depth in range(len(siblings) - 1, -1, -1):
            bit = int(bits_of(path + b"\0")[depth])
            node = sha(b"\1", siblings[depth], node) if bit else sha(b"\1", node, siblings[depth])
        return node

    path = near(b"deep", 0)
    deepest = [sha(b"%d" % depth) for depth in range(DEPTH_MAX)]
    assert verify(climb(path, deepest), path, sha(b"v"), StateProof(tuple(deepest), (path, sha(b"v"))))
    deeper = [*deepest, sha(b"one more")]
    assert not verify(climb(path, deeper), path, sha(b"v"), StateProof(tuple(deeper), (path, sha(b"v"))))
    huge = StateProof((EMPTY,) * 100_000, (path, sha(b"v")))
    assert not verify(EMPTY, path, sha(b"v"), huge)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_hash_of_another_length_is_refused_wherever_it_stands(length: int) -> None:
    path = next(iter(CONTENT))
    proof, held = prove(TREE, path), CONTENT[path]
    odd = bytes(length)
    assert not verify(odd, path, held, proof)
    assert not verify(ROOT, odd, held, proof)
    assert not verify(ROOT, odd, None, proof)
    assert not verify(ROOT, path, odd, replace(proof, leaf=(path, odd)))
    assert not verify(ROOT, path, held, replace(proof, siblings=(odd, *proof.siblings[1:])))


def test_a_key_lives_where_tag_room_and_key_say() -> None:
    assert path_of("units", b"alpha-1") == sha(b"doxedge/state-key/1\0", b"\x05", b"units", b"alpha-1")
    assert value_hash(b"\x01") == sha(b"doxedge/state-value/1\0", b"\x01")
    assert path_of("ab", b"c") != path_of("a", b"bc")


@given(st.dictionaries(st.tuples(st.sampled_from(["a", "b"]), st.binary(max_size=3)), st.binary(max_size=4)))
def test_a_scrub_finds_the_root_of_what_is_stored(stored: dict[tuple[str, bytes], bytes]) -> None:
    content = {path_of(*name): value_hash(data) for name, data in stored.items()}
    assert root_of_values((*name, data) for name, data in stored.items()) == twin_root(content)


def test_many_keys_in_many_blocks_come_to_the_same_root() -> None:
    """A long run with a printed seed, as blocks write: some new keys, many old ones, some deletions."""
    seed = 20_261_125
    print("seed", seed)
    chance = random.Random(seed)
    tree: Tree = None
    content: Content = {}
    for _ in range(60):
        writes: dict[bytes, bytes | None] = {}
        for _ in range(chance.randrange(1, 60)):
            known = sorted(content)
            path = chance.choice(known) if known and chance.random() < 0.6 else chance.randbytes(32)
            writes[path] = None if chance.random() < 0.3 else chance.randbytes(32)
        tree = update(tree, writes.items())
        content = {k: v for k, v in {**content, **writes}.items() if v is not None}
    assert root_of(tree) == twin_root(content)
    assert state_tree.root_of(update(None, content.items())) == root_of(tree)
