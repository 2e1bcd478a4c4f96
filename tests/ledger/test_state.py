"""What a block writes is kept or forgotten as a whole, and a refused transaction leaves nothing behind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.contracts.rule import Value
from doxedge.ledger import state_tree
from doxedge.ledger.state import Draft, State, restore
from doxedge.signing import canonical
from doxedge.signing.canonical import NonCanonical

ROOMS = ("a", "b")
KEYS = (b"", b"1", b"2", b"3")
names = st.tuples(st.sampled_from(ROOMS), st.sampled_from(KEYS))
values: st.SearchStrategy[Value] = st.one_of(
    st.none(), st.integers(0, 3).map(lambda number: [number]), st.just("text"), st.booleans()
)
writes = st.lists(st.tuples(names, values), max_size=6)
transactions = st.lists(st.tuples(writes, st.booleans()), max_size=6)
Names = dict[tuple[str, bytes], Value]


def seen(book: State | Draft) -> Names:
    """Everything that can be read, by `items` and by `get`, which must agree."""
    found: Names = {}
    for room in ROOMS:
        listed = list(book.items(room))
        assert [key for key, _ in listed] == sorted(key for key, _ in listed)
        for key in KEYS:
            assert book.get(room, key) == dict(listed).get(key)
        found.update({(room, key): value for key, value in listed})
    return found


def write(book: Draft, twin: Names, changes: list[tuple[tuple[str, bytes], Value]]) -> None:
    for (room, key), value in changes:
        book.put(room, key, value)
        twin.pop((room, key), None)
        if value is not None:
            twin[room, key] = value


@given(st.lists(transactions, max_size=4))
def test_a_chain_of_blocks_is_a_dictionary(
    blocks: list[list[tuple[list[tuple[tuple[str, bytes], Value]], bool]]],
) -> None:
    """The twin is a plain dictionary that copies itself before each transaction."""
    state, twin = State(), Names()
    for block in blocks:
        before, draft = (dict(twin), state.root), state.draft()
        for changes, accepted in block:
            draft.open_layer()
            attempt = dict(twin)
            write(draft, attempt, changes)
            assert seen(draft) == attempt
            if accepted:
                draft.keep_layer()
                twin = attempt
            else:
                draft.drop_layer()
            assert seen(draft) == twin
        sealed = draft.seal()
        assert (seen(state), state.root) == before, "a draft does not touch the state"
        state.merge(sealed)
        assert seen(state) == twin
        rows = [(room, key, canonical.encode(value)) for (room, key), value in twin.items()]
        assert state.root == sealed.root == state_tree.root_of_values(rows) == restore(rows).root
        assert seen(restore(rows)) == twin


def test_a_speculative_block_can_be_thrown_away() -> None:
    state = State()
    first, second = state.draft(), state.draft()
    first.put("a", b"1", [1])
    second.put("a", b"1", [2])
    assert first.seal().root != second.seal().root
    assert state.get("a", b"1") is None
    state.merge(second.seal())
    assert state.get("a", b"1") == [2]


def test_events_belong_to_one_transaction_and_a_refusal_takes_them_along() -> None:
    draft = State().draft()
    draft.open_layer()
    draft.emit(["first"])
    draft.drop_layer()
    draft.open_layer()
    draft.emit(["second"])
    draft.emit(["third"])
    assert draft.keep_layer() == [["second"], ["third"]]
    draft.open_layer()
    assert draft.keep_layer() == []


def test_the_state_after_a_block_is_not_written_by_rules() -> None:
    state = State()
    with pytest.raises(TypeError, match="does not change"):
        state.put("a", b"1", [1])
    with pytest.raises(TypeError, match="no receipt"):
        state.emit(["event"])


@pytest.mark.parametrize("value", [1.5, {"map": 1}, [2**64], "e\u0301"])
def test_what_the_wire_does_not_have_cannot_be_sealed(value: object) -> None:
    draft = State().draft()
    draft.put("a", b"1", value)  # type: ignore[arg-type]
    with pytest.raises(NonCanonical):
        draft.seal()


def test_a_value_and_its_absence_are_proved_under_the_root() -> None:
    draft = State().draft()
    for number in range(20):
        draft.put("a", b"%d" % number, [number])
    state = State()
    state.merge(draft.seal())
    for room, key in (("a", b"7"), ("a", b"99"), ("b", b"7")):
        data, proof = state.prove(room, key)
        hashed = None if data is None else state_tree.value_hash(data)
        assert (data is None) == (state.get(room, key) is None)
        assert state_tree.verify(state.root, state_tree.path_of(room, key), hashed, proof)


def test_rows_for_the_disk_are_in_order_and_say_what_is_gone() -> None:
    state = State()
    draft = state.draft()
    for room, key in (("b", b"1"), ("a", b"2"), ("a", b"1")):
        draft.put(room, key, [0])
    state.merge(draft.seal())
    draft = state.draft()
    draft.put("a", b"2", None)
    draft.put("a", b"1", [7])
    assert draft.seal().rows() == [("a", b"1", canonical.encode([7])), ("a", b"2", None)]


def test_a_stored_value_that_is_not_canonical_is_refused() -> None:
    with pytest.raises(NonCanonical):
        restore([("a", b"1", b"\x18\x01")])
