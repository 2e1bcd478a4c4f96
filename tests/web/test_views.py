"""A channel's state as rows of JSON."""

from __future__ import annotations

import json
from functools import cache

from doxedge.ledger import reception_desk
from doxedge.web import views
from tests.ledger.channels import HOUR_MS, START_MS, TestChannel, hour


@cache
def counted() -> TestChannel:
    """Alpha's device counts from the second hour on; its account holds 10 kg of 2026 and 5 kg of 2027."""
    channel = TestChannel.begin(bilateral_transfers=1).with_units()
    channel.now_ms = START_MS + 3 * HOUR_MS
    device, verifier, regulator = (
        channel.authors["alpha-1 device"], channel.officer("verifier"), channel.officer("regulator"),
    )  # fmt: skip
    asset = channel.chain.channel
    channel.block(
        device.say("hour", hour("alpha-1", START_MS, 700)),
        verifier.say("device.commission", ["alpha-gw", bytes(32), [[START_MS, 700]], bytes(32)]),
        regulator.say("vintage.issue", ["alpha-1", asset, 2026, [0, 10_000], bytes(32)]),
        regulator.say("vintage.issue", ["alpha-1", asset, 2027, [0, 5_000], bytes(32)]),
    )
    channel.block(
        device.say("hour", hour("alpha-1", START_MS + HOUR_MS, 4_000)),
        device.say("gap", ["alpha-1", START_MS + 2 * HOUR_MS, START_MS + 3 * HOUR_MS, "too_few_points"]),
    )
    return channel


def test_a_unit_tells_its_hours_and_its_emission_of_the_year() -> None:
    rows = {row["unit"]: row for row in views.unit_rows(counted().chain.state, None)}
    alpha = rows["alpha-1"]
    assert (alpha["year"], alpha["emitted_g"], alpha["counted_hours"]) == (2026, 4_000, 1)
    assert (alpha["hours"], alpha["trial_hours"], alpha["gap_hours"]) == (2, 1, 1)
    assert alpha["last_end_ms"] == START_MS + 3 * HOUR_MS
    assert rows["beta-1"]["last_end_ms"] is None, "a unit that has said nothing has no last hour"
    other_year = {row["unit"]: row for row in views.unit_rows(counted().chain.state, 2025)}
    assert other_year["alpha-1"]["emitted_g"] == 0


def test_an_account_has_one_row_for_each_year_that_it_holds_or_emits_in() -> None:
    rows = [row for row in views.account_rows(counted().chain.state, None) if row["account"] == "alpha-1"]
    assert [(row["year"], row["held_g"], row["emitted_g"], row["headroom_g"]) for row in rows] == [
        (2026, 10_000, 4_000, 6_000),
        (2027, 5_000, 0, 5_000),
    ]
    assert rows[0]["runs_out_ms"] is None or isinstance(rows[0]["runs_out_ms"], int)
    one_year = views.account_rows(counted().chain.state, 2026)
    assert {row["account"] for row in one_year} == {"alpha-1", "alpha-trade", "beta-1"}


def test_headroom_is_held_less_reserved_less_emitted() -> None:
    for row in views.account_rows(counted().chain.state, 2026):
        held, reserved, emitted, headroom = (
            row[f"{n}_g"] for n in ("held", "reserved", "emitted", "headroom")
        )
        assert isinstance(held, int)
        assert isinstance(reserved, int)
        assert isinstance(emitted, int)
        assert headroom == held - reserved - emitted


def test_an_account_tells_how_it_stands_and_when_its_credits_run_out() -> None:
    rows = [row for row in views.account_rows(counted().chain.state, 2026) if row["unit"] != "beta-1"]
    assert {row["account"]: row["standing"] for row in rows} == {"alpha-1": "well", "alpha-trade": None}
    low = TestChannel.begin(warning_percent=61).with_units()
    low.now_ms = START_MS + 3 * HOUR_MS
    device, regulator, verifier = (
        low.authors["alpha-1 device"], low.officer("regulator"), low.officer("verifier"),
    )  # fmt: skip
    low.block(
        device.say("hour", hour("alpha-1", START_MS, 700)),
        verifier.say("device.commission", ["alpha-gw", bytes(32), [[START_MS, 700]], bytes(32)]),
        regulator.say("vintage.issue", ["alpha-1", low.chain.channel, 2026, [0, 10_000], bytes(32)]),
    )
    seen = []
    for number, grams in ((1, 4_000), (2, 6_001)):
        low.block(device.say("hour", hour("alpha-1", START_MS + number * HOUR_MS, grams)))
        row = next(r for r in views.account_rows(low.chain.state, 2026) if r["account"] == "alpha-1")
        seen.append((row["headroom_g"], row["standing"], row["runs_out_ms"]))
    # 4,000 g in the hour that ended at 02:00, and 6,000 g are left: an hour and a half more.
    end_ms = START_MS + 2 * HOUR_MS
    assert seen == [(6_000, "warned", end_ms + 3 * HOUR_MS // 2), (-1, "exceeded", end_ms + HOUR_MS)]


def test_a_device_tells_its_key_its_numbering_and_since_when_it_counts() -> None:
    channel = counted()
    rows = {row["device"]: row for row in views.device_rows(channel.chain.state)}
    assert rows["alpha-gw"]["source"] == channel.authors["alpha-1 device"].source.hex()
    assert rows["alpha-gw"]["counts_from_ms"] == START_MS + HOUR_MS
    assert rows["beta-gw"]["counts_from_ms"] is None


def test_everything_can_be_written_as_json() -> None:
    book = counted().chain.state
    desk = [
        views.reading_row(row)
        for name in reception_desk.device_names(book)
        if (row := reception_desk.look_at(book, name, now_ms=START_MS + 4 * HOUR_MS)) is not None
    ]
    assert desk
    everything = [
        *views.unit_rows(book, None),
        *views.account_rows(book, None),
        *views.device_rows(book),
        *desk,
    ]
    assert json.loads(json.dumps(everything)) == everything


def test_every_key_of_an_amount_or_a_time_ends_in_its_unit() -> None:
    book = counted().chain.state
    names = {name for row in [*views.unit_rows(book, None), *views.account_rows(book, None)] for name in row}
    amounts = {
        name for name in names if name.split("_")[0] in {"held", "emitted", "reserved", "pending", "headroom"}
    }
    assert all(name.endswith("_g") for name in amounts)
    assert all(name.endswith("_ms") for name in names if "runs" in name or "last" in name)


def test_bytes_of_an_event_are_hexadecimal_at_any_depth() -> None:
    event = ["source.forked", b"\x01\x02", [1, [b"\xff"], None, True]]
    assert views.event_value(event) == ["source.forked", "0102", [1, ["ff"], None, True]]
