"""Which files of another system a unit can take, beside each other and before its own hours."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doxedge.gateway.history_import import NotImported, Wish, replaced_by, terms_for
from doxedge.quantity import HOUR_MS
from doxedge.store.import_rows import FILES_IN_FORCE_MAX, ImportedFile
from tests.gateway.missing_hours import planned
from tests.store.test_imports import taken

WISH = Wish(
    called="1/A",
    utc_offset_hours=0,
    name="Ada",
    account="doxedge",
    reason="change",
    replaces=False,
    prior_is_before=False,
)
FILES = [
    ImportedFile(
        n, f"{n:x}:+0", "1/A", n * HOUR_MS, (n + 1) * HOUR_MS, 1, 1, 0, "", is_told=True, is_replaced=False
    )
    for n in range(FILES_IN_FORCE_MAX)
]
"""One hour each, one after the other: as many as a recipe can name."""


def test_no_more_files_count_than_a_recipe_can_name() -> None:
    following = taken("f:+0", FILES_IN_FORCE_MAX, 500)
    assert replaced_by(following, [replace(FILES[0], is_replaced=True), *FILES[1:]], WISH) == ()
    with pytest.raises(NotImported, match=f"at most {FILES_IN_FORCE_MAX} files count for a unit"):
        replaced_by(following, FILES, WISH)
    instead = taken("f:+0", FILES_IN_FORCE_MAX - 1, 500)
    assert replaced_by(instead, FILES, replace(WISH, replaces=True)) == (FILES[-1],)


@pytest.mark.parametrize(
    ("own_ms", "end_ms", "reason"),
    [
        (None, 100, "now"),
        (99, 99, "the first hour of the gateway itself began"),
        (101, 100, "now"),  # the clock was set back since the gateway measured
    ],
)
def test_no_hour_ends_after_now_or_in_the_gateways_own_time(
    own_ms: int | None, end_ms: int, reason: str
) -> None:
    terms = terms_for(planned().table, WISH, own_ms=own_ms, now_ms=100)
    assert (terms.end_ms, terms.end_reason) == (end_ms, reason)
