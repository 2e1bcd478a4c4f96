"""One suite over every register map that is shipped, and over every recorded exchange."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from doxedge.analysers.batches import Span
from doxedge.analysers.catalogue import make_driver, parse_map
from doxedge.analysers.configuration import ConfigError
from doxedge.analysers.driver import Driver
from doxedge.analysers.phrase_map import AnyProfile, PhrasePoint, PhraseProfile
from doxedge.analysers.profile import Severity, profile_hash
from doxedge.analysers.profile_choices import SettingValue
from doxedge.analysers.question import Answer, DeviceException, Outcome, Phrase, Request, Unanswered
from doxedge.fieldbus.line import Poll, check_load
from doxedge.fieldbus.recording import contradictions, recorded_settings
from doxedge.measurement.sample import Reason

ROOT = Path(__file__).resolve().parents[2]
MAPS = sorted((ROOT / "firmware_configs" / "analysers").glob("*.toml"))
RECORDINGS = sorted((ROOT / "tests" / "vectors" / "exchanges").glob("*.json"))

UNSEEN = "eco_physics_88p"
"""The one map that cannot tell test gas."""
SITE_SETTINGS: dict[str, dict[str, str]] = {"configured_moisture": {"moisture_percent": "12"}}
"""For maps that have no recording."""


def recording(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def recording_of(name: str) -> dict[str, Any]:
    return recording(ROOT / "tests" / "vectors" / "exchanges" / f"{name}.json")


def given(name: str) -> dict[str, SettingValue]:
    texts = SITE_SETTINGS.get(name)
    return recorded_settings(recording_of(name) if texts is None else {"settings": texts})


def parsed(path: Path, settings: Mapping[str, SettingValue]) -> AnyProfile:
    return parse_map(path.read_text(encoding="utf-8"), source=path.name, settings=settings)


def map_of(file: Path) -> Path:
    """The map that a recording is of: the first word of its name."""
    return ROOT / "firmware_configs" / "analysers" / f"{file.name.partition('.')[0]}.toml"


def outcomes_of(requests: Sequence[Request], exchanges: Sequence[Sequence[str]]) -> list[Outcome]:
    return [
        Answer(request, bytes.fromhex(answer), bytes.fromhex(question), bytes.fromhex(answer))
        for request, (question, answer) in zip(requests, exchanges, strict=True)
    ]


@pytest.fixture(params=MAPS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


@pytest.fixture
def profile(path: Path) -> AnyProfile:
    return parsed(path, given(path.stem))


@pytest.fixture
def driver(profile: AnyProfile) -> Driver:
    return make_driver(profile, device="d")


def test_there_are_maps_and_each_recording_is_of_one() -> None:
    assert {"teledyne_t200", "generic_analogue_input", "janitza_umg", "configured_moisture"} <= {
        m.stem for m in MAPS
    }
    assert {map_of(r) for r in RECORDINGS} <= set(MAPS)


def test_a_map_is_named_after_its_instrument(path: Path, profile: AnyProfile) -> None:
    assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)+", path.stem)
    assert profile.identity.source


def test_an_instrument_has_a_recorded_exchange(path: Path, profile: AnyProfile) -> None:
    if profile.transport is not None:
        assert recording_of(path.stem)["polls"]


def choices_of(path: Path) -> list[tuple[str, str]]:
    settings = tomllib.loads(path.read_text(encoding="utf-8")).get("settings", {})
    return [(name, word) for name, table in settings.items() for word in table.get("choices", [])]


def test_a_map_is_right_whatever_the_site_chooses(path: Path) -> None:
    """A word that nobody has chosen yet must not hide a mistake."""
    hashes = {profile_hash(parsed(path, {**given(path.stem), name: word})) for name, word in choices_of(path)}
    assert len(hashes) >= len({word for _, word in choices_of(path)}) / 2


def test_the_table_of_the_readme_has_every_map_with_what_it_asks_of_the_site(path: Path) -> None:
    text = (ROOT / "firmware_configs" / "README.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith(f"| `{path.stem}` |")]
    assert len(rows) == 1
    for name, _ in choices_of(path):
        assert f"`{name}`" in rows[0]


def test_what_nobody_knows_is_asked_of_the_site(path: Path) -> None:
    for name in {name for name, _ in choices_of(path)}:
        settings = {key: value for key, value in given(path.stem).items() if key != name}
        with pytest.raises(ConfigError, match=rf"settings\.{name}: the site must say one of"):
            parsed(path, settings)


def test_a_map_that_was_never_tried_says_what_is_doubtful(path: Path, profile: AnyProfile) -> None:
    assert profile.identity.doubts
    assert all(doubt.strip() for doubt in profile.identity.doubts)


def test_a_poll_of_a_silent_instrument_says_why_each_value_is_missing(driver: Driver) -> None:
    for group in driver.groups:
        requests = driver.requests(group)
        silence: list[Outcome] = [Unanswered(request, Reason.COMMS, "nothing") for request in requests]
        declined: list[Outcome] = [DeviceException(request, 2, b"", b"") for request in requests]
        for outcomes in (silence, declined) if requests else ():
            sample = driver.sample(group, outcomes, at_ms=0, monotonic_ns=0)
            assert sample.values
            assert all(value is None for value in sample.values.values())
            assert set(sample.failures) == set(sample.values)


def test_an_atomic_group_is_one_read(profile: AnyProfile, driver: Driver) -> None:
    for group in profile.groups:
        if isinstance(profile, PhraseProfile):
            asks = {point.ask for point in profile.points if point.group == group.name}
            assert asks <= {str(getattr(request, "text", "")) for request in driver.requests(group.name)}
            assert not group.atomic or len(asks) == 1
            continue
        spans = [point.span for point in profile.points if point.group == group.name]
        values = [
            read
            for read in driver.requests(group.name)
            if not isinstance(read, Phrase)
            and any(Span(read.function, read.address, read.count).touches(span) for span in spans)
        ]
        assert not group.atomic or len(values) == 1


def test_every_group_of_a_nitrogen_oxide_is_guarded_by_status(profile: AnyProfile) -> None:
    """Zero gas must not become an emission."""
    for point in profile.points:
        if point.quantity in ("no_ppb", "no2_ppb", "nox_ppb"):
            guards = {
                bit.flag for bit in profile.status if point.group in bit.groups and bit.severity != "noted"
            }
            if isinstance(profile, PhraseProfile):
                if profile.source.endswith(f"{UNSEEN}.toml"):
                    # Or the site has confirmed that it keeps test gas out, and every value says that nobody sees it.
                    (always,) = (bit for bit in profile.status if bit.says == (" ",))
                    assert (always.flag, always.active_when) == ("warning", False)
                    assert "test_gas" in dict(profile.settings)
                    continue
                assert {"zero", "span"} <= guards
                assert any(b.severity is Severity.BAD for b in profile.status if point.group in b.groups)
                continue
            assert not isinstance(point, PhrasePoint)
            # Or one state means `measuring`, and the value is bad in every other.
            assert {"zero", "span"} <= guards or any(len(q.good) == 1 for q in point.quality)
            assert point.quality or any(
                b.severity is Severity.BAD for b in profile.status if point.group in b.groups
            )


def test_every_question_of_a_poll_is_guarded_before_its_values_count(driver: Driver) -> None:
    """What could not be read might have said `span`: one status that is missing takes the values with it."""
    profile = driver.profile
    if not isinstance(profile, PhraseProfile):
        return
    document = recording_of(Path(profile.source).stem)
    for poll in document["polls"]:
        if poll["situation"] != "measuring":
            continue
        group = poll["group"]
        good = outcomes_of(driver.requests(group), poll["exchanges"])
        for index, request in enumerate(driver.requests(group)):
            assert isinstance(request, Phrase)
            guards = [
                one
                for one in profile.status
                if one.ask == request.text and group in one.groups and one.severity is not Severity.NOTED
            ]
            outcomes = list(good)
            outcomes[index] = DeviceException(request, 0, b"", b"", "busy")
            sample = driver.sample(group, outcomes, at_ms=0, monotonic_ns=0)
            assert not guards or set(sample.values.values()) == {None}


def test_an_instrument_can_keep_its_own_periods(profile: AnyProfile, driver: Driver) -> None:
    if profile.transport is not None:
        polls = [Poll(driver, group.name, group.period_ms) for group in profile.groups]
        check_load("alone", polls, timeout_ms=profile.transport.timeout_ms)


@pytest.mark.parametrize("file", RECORDINGS, ids=lambda file: file.name)
def test_a_recorded_exchange_makes_the_samples_it_made(file: Path) -> None:
    """And the hash of a shipped map changes only on purpose: a device is registered with it."""
    document = recording(file)
    assert contradictions(document, parsed(map_of(file), recorded_settings(document))) == []


@pytest.mark.parametrize("file", RECORDINGS, ids=lambda file: file.name)
def test_a_recording_that_was_changed_is_found_out(file: Path) -> None:
    document = recording(file)
    profile = parsed(map_of(file), recorded_settings(document))
    poll = document["polls"][0]
    quantity = next(iter(poll["values"]))
    for key, changed in (
        ("values", {**poll["values"], quantity: "1"}),
        ("flags", ["held", *poll["flags"]]),
        ("failures", {**poll["failures"], quantity: "clock"}),
        ("exchanges", poll["exchanges"][1:]),
    ):
        tampered = {**document, "polls": [{**poll, key: changed}]}
        assert len(contradictions(tampered, profile)) == 1
    (question, answer), *others = poll["exchanges"]
    flipped = answer[:-2] + f"{int(answer[-2:], 16) ^ 1:02x}"
    tampered = {**document, "polls": [{**poll, "exchanges": [[question, flipped], *others]}]}
    wrong = contradictions(tampered, profile)
    assert wrong or document["framing"] == "tcp", "a check sum is part of an RTU frame"
    assert contradictions({**document, "profile_hash": "00" * 32}, profile) != []
