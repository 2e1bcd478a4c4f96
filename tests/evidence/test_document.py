"""The page says what is proved, by whom, and what is not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from doxedge.evidence import document
from doxedge.evidence.check import check
from doxedge.evidence.content import TITLES, lines, shown, time_text
from doxedge.evidence.format import decode
from doxedge.ledger.admission import KINDS
from doxedge.signing.canonical import Value
from doxedge.signing.tags import channel_id
from tests.evidence.evidence_files import Archive, batch_under_later_head, one_hour
from tests.ledger.channels import HOUR_MS, START_MS, hour
from tests.measurement.test_substitute_recipe import LONG, recipe_of


def test_the_page_shows_unit_hour_grams_quality_and_clause() -> None:
    page = document.text(check(one_hour()))
    for words in (
        "alpha stated through its device alpha-gw an hour of emission mass",
        "2026-01-01 00:00:00 UTC to 2026-01-01 01:00:00 UTC",
        "1234567 g (1234.567 kg)",
        "60.13(h)(2)(i)",
        "accepted, as trial",
        "finalized by    regulator (quorum 1)",
        "cosigned by     alpha, regulator",
    ):
        assert words in page
    assert max(len(line) for line in page.splitlines() if "root" not in line) <= 120


def test_the_page_names_what_is_not_proved() -> None:
    proved = check(one_hour())
    points = " ".join(document.not_proved(proved))
    for words in (
        "channel you mean",
        "analyser measured rightly",
        "later revision",
        "trial hour",
        "missing: beta",
    ):
        assert words in points
    pinned = check(one_hour(), channel=channel_id(decode(one_hour()).genesis))
    assert "channel you mean" not in " ".join(document.not_proved(pinned))


def test_a_full_set_of_cosigners_is_not_complained_about() -> None:
    assert "missing" not in " ".join(document.not_proved(check(batch_under_later_head())))


def test_a_refused_record_is_shown_with_its_clause_and_reason() -> None:
    page = document.text(check(batch_under_later_head()))
    assert "accepted, but for 1 of its records" in " ".join(page.split())
    assert "refused by clause 8.7: the hour is stated already; revise it" in page


def test_the_json_says_the_same_and_is_json() -> None:
    found = json.loads(json.dumps(document.as_json(check(batch_under_later_head()))))
    assert found["verdict"] == "proved"
    assert found["cosigned_by"] == ["alpha", "beta", "regulator"]
    assert [record["outcome"] for record in found["records"]] == [0, 0, 1]
    assert found["records"][0]["content"]["NOx as NO2"] == "1000 g (1.000 kg)"


def test_an_exceedance_is_told_with_the_hour_that_caused_it() -> None:
    archive = Archive.begin()
    regulator, device = archive.channel.officer("regulator"), archive.channel.authors["alpha-1 device"]
    archive.channel.now_ms = START_MS + 3 * HOUR_MS
    archive.block(device.say("hour", hour("alpha-1", START_MS)))
    archive.block(
        regulator.say("device.commission", ["alpha-gw", bytes(32), [[START_MS, 1_000]], bytes(32)]),
        regulator.say("vintage.issue", ["alpha-1", archive.channel.chain.channel, 2026, [0, 500], bytes(32)]),
    )
    extension = archive.block(device.say("hour", hour("alpha-1", START_MS + HOUR_MS)))
    page = document.text(check(archive.evidence(extension)))
    assert "exceedance" in page
    assert "emitted 1000 g (1.000 kg) in 2026 and held 500 g (0.500 kg)" in page


def test_a_warning_is_told_with_the_day_on_which_the_credits_run_out() -> None:
    archive = Archive.begin()
    regulator, device = archive.channel.officer("regulator"), archive.channel.authors["alpha-1 device"]
    archive.channel.now_ms = START_MS + 3 * HOUR_MS
    archive.block(device.say("hour", hour("alpha-1", START_MS)))
    archive.block(
        regulator.say("device.commission", ["alpha-gw", bytes(32), [[START_MS, 1_000]], bytes(32)]),
        regulator.say(
            "vintage.issue", ["alpha-1", archive.channel.chain.channel, 2026, [0, 1_100], bytes(32)]
        ),
    )
    extension = archive.block(device.say("hour", hour("alpha-1", START_MS + HOUR_MS)))
    page = document.text(check(archive.evidence(extension)))
    # 1000 g in the hour from 01:00 to 02:00, and 100 g are left: a tenth of an hour more.
    told = "alpha-1 has 100 g (0.100 kg) left for 2026; at the present rate they run out at 2026-01-01 02:06:00 UTC"
    assert told in " ".join(page.split())


def test_a_warning_without_a_forecast_says_that_the_credits_last() -> None:
    (record,) = check(one_hour()).records
    warned = replace(record, events=(["headroom.warning", "alpha-1", 2026, 100, None],))
    page = document.text(replace(check(one_hour()), records=(warned,)))
    assert "left for 2026; at the present rate they last for the year" in page


def test_every_kind_has_a_title_and_a_strange_body_is_shown_as_it_is() -> None:
    assert set(TITLES) == KINDS - {"batch"}
    for kind in sorted(KINDS):
        assert lines(kind, [True, None, 2**63, b"\x01", ["x"]])
    assert lines("hour", [1, 2]) == [("field 1", "1"), ("field 2", "2")]


def test_text_of_others_cannot_steer_a_terminal() -> None:
    assert "\x1b" not in shown("\x1b[2Jgone\n")
    assert len(shown("a" * 5_000)) == 201
    assert time_text(2**62) == f"{2**62} ms"


def test_a_substituted_hour_says_that_it_was_not_measured_and_from_what_it_was_computed() -> None:
    recipe = recipe_of(LONG)
    body = hour("alpha-1", START_MS, quality="substituted", method_code="08", recipe=[*recipe])
    told = dict(lines("hour", body))
    assert told["quality"] == "substituted"
    assert told["not measured"] == "a substitute by the rules for missing data"
    assert told["substitute"] == "neighbours: 5500 g/h while the unit runs"
    assert told["gap"] == "1970-01-01 02:00 to 1970-01-02 02:00, 25 operating hours"
    body[18] = ["moisture_percent:default", "hour:backfilled"]
    assert dict(lines("hour", body))["remarks"] == "moisture_percent:default, hour:backfilled"
    hostile: list[list[Value]] = [
        [None, [[]], 2**62],
        ["part75/1", *[2**62] * 10],
        [*recipe[:5], [2**62, -(2**62), 1, True], *recipe[6:]],
    ]
    for strange in hostile:
        body[18] = strange
        assert lines("hour", body)


STACK: list[Value] = [
    "apportioned_by:load",
    "load_wh:alpha-1:60000000",
    "load_wh:beta-1:20000000",
    "moisture_percent:default",
    "stack_g:1001",
    "stack_operating_percent:100",
]


@pytest.mark.parametrize(
    ("unit", "nox_g", "remarks", "part"),
    [
        pytest.param("alpha-1", 751, STACK, "751 g, as stated", id="its part"),
        pytest.param("beta-1", 250, STACK, "250 g, as stated", id="the other part"),
        pytest.param(
            "alpha-1", 750, STACK, "751 g by these weights: THE MASS DOES NOT FOLLOW", id="another mass"
        ),
        pytest.param(
            "gamma-1", 751, STACK, "the unit is not among them: THE MASS DOES NOT FOLLOW", id="another unit"
        ),
        pytest.param(
            "alpha-1", 0, [*STACK[:4], STACK[5]], "nothing: the unit did not run", id="a stack without a mass"
        ),
        pytest.param(
            "alpha-1", 7, [*STACK[:4], STACK[5]], "THE MASS DOES NOT FOLLOW", id="a mass of nothing"
        ),
    ],
)
def test_an_hour_of_a_shared_stack_shows_how_it_was_divided(
    unit: str, nox_g: int, remarks: list[Value], part: str
) -> None:
    told = dict(lines("hour", hour(unit, START_MS, nox_g, recipe=remarks)))
    assert told["divided"] == "by load: alpha-1 60000000 Wh, beta-1 20000000 Wh"
    assert told["part"] == part
    assert told["remarks"] == "moisture_percent:default"


def test_a_substitute_of_a_shared_stack_shows_how_it_was_divided() -> None:
    recipe: list[Value] = [*recipe_of(LONG)]
    recipe[10] = ["operating_percent:assumed", *STACK[:3], *STACK[4:]]
    told = dict(lines("hour", hour("alpha-1", START_MS, 751, quality="substituted", recipe=recipe)))
    assert told["shared stack"] == "1001 g (1.001 kg); a unit ran in 100 % of the hour"
    assert told["part"] == "751 g, as stated"
    assert told["remarks"] == "operating_percent:assumed"


def test_weights_of_nobody_do_not_make_a_mass() -> None:
    idle: list[Value] = ["apportioned_by:load", "load_wh:alpha-1:0", "stack_g:5", "stack_operating_percent:1"]
    told = dict(lines("hour", hour("alpha-1", START_MS, 5, recipe=idle)))
    assert told["part"] == "5 g are nobody's: no unit on the stack ran: THE MASS DOES NOT FOLLOW"
