"""One suite over every register map that is shipped, and over every recorded exchange."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from doxedge.analysers.catalogue import make_driver
from doxedge.analysers.driver import Driver
from doxedge.analysers.profile import Profile, Severity, profile_hash
from doxedge.analysers.profile_build import parse_profile
from doxedge.analysers.question import Answer, DeviceException, Outcome, Phrase, ReadRegisters, Unanswered
from doxedge.fieldbus.line import Poll, check_load
from doxedge.fieldbus.modbus_pdu import bind, question_pdu
from doxedge.fieldbus.modbus_tcp import HEADER
from doxedge.measurement.sample import Reason

ROOT = Path(__file__).resolve().parents[2]
MAPS = sorted((ROOT / "firmware_configs" / "analysers").glob("*.toml"))
RECORDINGS = sorted((ROOT / "tests" / "vectors" / "exchanges").glob("*.json"))

SITE_SETTINGS = {"configured_moisture": {"moisture_percent": "12"}}
"""For maps that have no recording."""


def recording(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (ROOT / "tests" / "vectors" / "exchanges" / f"{name}.json").read_text(encoding="utf-8")
    )
    return found


def profile_of(path: Path) -> Profile:
    texts = SITE_SETTINGS.get(path.stem)
    if texts is None:
        texts = recording(path.stem)["settings"]
    settings = {name: Decimal(value) for name, value in texts.items()}
    return parse_profile(path.read_text(encoding="utf-8"), source=path.name, settings=settings)


@pytest.fixture(params=MAPS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


@pytest.fixture
def profile(path: Path) -> Profile:
    return profile_of(path)


@pytest.fixture
def driver(profile: Profile) -> Driver:
    return make_driver(profile, device="d")


def test_there_are_maps_and_each_recording_is_of_one() -> None:
    assert {"teledyne_t200", "generic_analogue_input", "janitza_umg", "configured_moisture"} <= {
        m.stem for m in MAPS
    }
    assert {r.stem for r in RECORDINGS} <= {m.stem for m in MAPS}


def test_a_map_is_named_after_its_instrument(path: Path, profile: Profile) -> None:
    assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)+", path.stem)
    assert profile.identity.source


def test_an_instrument_has_a_recorded_exchange(path: Path, profile: Profile) -> None:
    if profile.transport is not None:
        assert recording(path.stem)["polls"]


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


def test_an_atomic_group_is_one_read(profile: Profile, driver: Driver) -> None:
    for group in profile.groups:
        spans = [point.span for point in profile.points if point.group == group.name]
        reads = [r for r in driver.requests(group.name) if isinstance(r, ReadRegisters)]
        values = [r for r in reads if any(r.function == s.function for s in spans)]
        assert not group.atomic or len(values) == 1


def test_every_group_of_a_nitrogen_oxide_is_guarded_by_status(profile: Profile) -> None:
    """Zero gas must not become an emission."""
    for point in profile.points:
        if point.quantity in ("no_ppb", "no2_ppb", "nox_ppb"):
            guards = {
                bit.flag for bit in profile.status if point.group in bit.groups and bit.severity != "noted"
            }
            assert {"zero", "span"} <= guards
            assert any(b.severity is Severity.BAD for b in profile.status if point.group in b.groups)


def test_an_instrument_can_keep_its_own_periods(profile: Profile, driver: Driver) -> None:
    if profile.transport is not None:
        polls = [Poll(driver, group.name, group.period_ms) for group in profile.groups]
        check_load("alone", polls, timeout_ms=profile.transport.timeout_ms)


def exchanges() -> list[tuple[str, int]]:
    return [(file.stem, index) for file in RECORDINGS for index in range(len(recording(file.stem)["polls"]))]


@pytest.mark.parametrize(("name", "index"), exchanges())
def test_a_recorded_exchange_makes_the_sample_it_made(name: str, index: int) -> None:
    poll = recording(name)["polls"][index]
    driver = make_driver(
        profile_of(ROOT / "firmware_configs" / "analysers" / f"{name}.toml"), device="recorded"
    )
    requests = driver.requests(poll["group"])
    outcomes: list[Outcome] = []
    for request, (question_hex, answer_hex) in zip(requests, poll["exchanges"], strict=True):
        assert not isinstance(request, Phrase)
        question, answer = bytes.fromhex(question_hex), bytes.fromhex(answer_hex)
        assert question[HEADER.size :] == question_pdu(request)
        assert (answer[:2], answer[6]) == (question[:2], request.unit_id)
        found = bind(request, answer[HEADER.size :])
        outcomes.append(
            DeviceException(request, found, question, answer)
            if isinstance(found, int)
            else Answer(request, found, question, answer)
        )
    sample = driver.sample(poll["group"], outcomes, at_ms=0, monotonic_ns=0)
    assert {n: None if v is None else str(v) for n, v in sample.values.items()} == poll["values"]
    assert sorted(sample.flags) == poll["flags"]
    assert {n: r.value for n, r in sample.failures.items()} == poll["failures"]


@pytest.mark.parametrize("name", [file.stem for file in RECORDINGS])
def test_the_hash_of_a_shipped_map_changes_only_on_purpose(name: str) -> None:
    """A device is registered with this hash: whoever changes a map changes the vector, and says so."""
    profile = profile_of(ROOT / "firmware_configs" / "analysers" / f"{name}.toml")
    assert profile_hash(profile).hex() == recording(name)["profile_hash"]
