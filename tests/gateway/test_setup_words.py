"""The regulator is told of another setup once, also when a run ended between the change and its telling."""

from __future__ import annotations

from doxedge.gateway.setup_words import ToldSetup
from doxedge.gateway.unit_setup import setup_of
from tests.gateway.test_setup_change import BORDER_MS, change_to, doubled
from tests.gateway.unit_bench import plan

OLD = setup_of(plan())


def test_a_first_start_tells_of_the_start_alone() -> None:
    (start,) = ToldSetup(OLD).start(OLD, now_ms=5, remembered=None, change=None)
    assert (start.code, start.at_ms) == ("gateway.start", 5)
    assert OLD.provenance.boot_id.hex() in start.text


def test_what_is_remembered_is_told_no_more() -> None:
    told = ToldSetup(OLD)
    assert len(told.start(OLD, now_ms=5, remembered=OLD.hashes, change=None)) == 1
    assert told.change(change_to(plan())) == []


def test_each_hash_that_is_another_is_told_once_under_a_key_of_its_own() -> None:
    change = change_to(doubled())
    told = ToldSetup(OLD)
    first = told.change(change)
    assert [(one.code, one.at_ms) for one in first] == [("rules.changed", BORDER_MS)]
    assert OLD.hashes[1].hex() in first[0].text
    assert (told.hashes, told.change(change)) == (change.setup.hashes, [])
    # A run that ended before its memory was written tells it again: the same words under the same key.
    _, again = ToldSetup(OLD).start(OLD, now_ms=9, remembered=OLD.hashes, change=change)
    assert (again.key, again.text) == (first[0].key, first[0].text)
