"""What a device says of itself stands where a regulator looks, bounded, and ends with the device."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from doxedge.contracts import signs
from doxedge.contracts.signs import CODES_MAX, OTHER, STANDING_MAX, Counted, Standing
from doxedge.contracts.statements import Event
from tests.contracts.memory_book import MemoryBook
from tests.contracts.small_channel import START_MS, SmallChannel, register_device

STUCK = "value.stuck alpha-1.nox_ppb"


def event(code: str, text: str = "", at_ms: int = START_MS) -> Event:
    return Event("alpha-1", code, at_ms, text)


def test_an_alarm_stands_from_raised_to_cleared() -> None:
    channel = SmallChannel.begin().with_plants()
    device = channel.device("alpha-gw")
    channel.do("event", device, event("alarm.raised", f"{STUCK}: 12.5 from alpha-1.analyser"))
    channel.do("event", device, event("alarm.raised", "clock.bad: offset 7000 ms", START_MS + 1))
    channel.do("event", device, event("alarm.raised", f"{STUCK}: again", START_MS + 2))
    found = signs.find(channel.book, "alpha-1")
    assert found.standing == (Standing("clock.bad", START_MS + 1), Standing(STUCK, START_MS))
    assert found.events == ()
    channel.do("event", device, event("alarm.cleared", f"{STUCK}: 13.0 from alpha-1.analyser"))
    assert signs.find(channel.book, "alpha-1").standing == (Standing("clock.bad", START_MS + 1),)
    assert signs.find(channel.book, "beta-1") == signs.Signs(standing=(), events=())


def test_other_events_are_counted_by_their_code() -> None:
    channel = SmallChannel.begin().with_plants()
    for at_ms in (START_MS, START_MS + 5):
        channel.do("event", channel.device("alpha-gw"), event("store.damaged", "samples.db", at_ms))
    channel.do("event", channel.device("alpha-gw"), event("clock.step", "by 5000 ms"))
    assert signs.find(channel.book, "alpha-1").events == (
        Counted("store.damaged", 2, START_MS + 5),
        Counted("clock.step", 1, START_MS),
    )


def test_another_device_begins_with_nothing_said() -> None:
    channel = SmallChannel.begin().with_plants()
    channel.do("event", channel.device("alpha-gw"), event("alarm.raised", f"{STUCK}: 1"))
    channel.do("device.register", channel.officer("alpha"), register_device("alpha-gw-2", "alpha-1"))
    assert signs.find(channel.book, "alpha-1") == signs.Signs(standing=(), events=())


@given(
    st.lists(st.tuples(st.sampled_from(["alarm.raised", "alarm.cleared", "x", "y"]), st.text()), max_size=60)
)
def test_whatever_is_said_the_sheet_is_bounded_and_read_as_it_was_written(
    said: list[tuple[str, str]],
) -> None:
    book = MemoryBook()
    standing: dict[str, int] = {}
    for number, (code, text) in enumerate(said):
        signs.note(book, "alpha-1", event(code, text, number))
        name = text.partition(": ")[0][:128]
        if code == "alarm.raised":
            standing[name] = standing.pop(name, number)
        elif code == "alarm.cleared":
            standing.pop(name, None)
    found = signs.find(book, "alpha-1")
    assert [(one.name, one.since_ms) for one in found.standing] == list(standing.items())[-STANDING_MAX:]
    assert sum(one.count for one in found.events) == sum(code in "xy" for code, _ in said)


def test_of_more_codes_than_are_kept_the_rest_is_counted_together() -> None:
    book = MemoryBook()
    for number in range(CODES_MAX + 5):
        signs.note(book, "alpha-1", event(f"code {number}", "", number))
    found = signs.find(book, "alpha-1").events
    assert len(found) == CODES_MAX + 1
    assert found[-1] == Counted(OTHER, 5, CODES_MAX + 4)
    for number in range(STANDING_MAX + 5):
        signs.note(book, "alpha-1", event("alarm.raised", f"alarm {number}: x", number))
    assert [one.name for one in signs.find(book, "alpha-1").standing] == [
        f"alarm {number}" for number in range(5, STANDING_MAX + 5)
    ]
