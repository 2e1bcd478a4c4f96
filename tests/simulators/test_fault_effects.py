"""Which faults an instrument can have."""

from __future__ import annotations

import pytest

from simulators.catalogue import INSTRUMENTS, ROLES, TEXT_INSTRUMENTS
from simulators.fault_effects import OF_A_DIALECT, OF_THE_WIRE, cuts_off, has_effect
from simulators.faults import FaultKind


@pytest.mark.parametrize(
    ("profile", "kind", "has"),
    [
        ("teledyne_t200", FaultKind.ZERO, True),
        ("teledyne_t200", FaultKind.SPIKE, True),
        ("teledyne_t200", FaultKind.DRIFT, True),
        ("teledyne_t200", FaultKind.SWAPPED, True),
        ("teledyne_t200", FaultKind.BROKEN_LOOP, False),
        ("teledyne_t200", FaultKind.WRONG_IDENTITY, False),
        ("generic_analogue_input", FaultKind.BROKEN_LOOP, True),
        ("generic_analogue_input", FaultKind.SWAPPED, False),
        ("generic_analogue_input", FaultKind.CONVERTER, False),
        ("janitza_umg", FaultKind.COUNTER_RESET, True),
        ("janitza_umg", FaultKind.ZERO, False),
        ("janitza_umg", FaultKind.LAG, False),
        ("sunspec_meter_213", FaultKind.WRONG_IDENTITY, True),
    ],
)
def test_a_fault_has_an_effect_where_the_instrument_knows_it(
    profile: str, kind: FaultKind, has: bool
) -> None:
    assert has_effect(profile, kind) is has


@pytest.mark.parametrize("profile", [one for one in INSTRUMENTS if one not in TEXT_INSTRUMENTS])
def test_every_instrument_can_have_every_fault_of_the_wire_and_values_that_stand_still(profile: str) -> None:
    for kind in (*OF_THE_WIRE, FaultKind.EXCEPTION, FaultKind.STUCK, FaultKind.HELD, FaultKind.SPIKE):
        assert has_effect(profile, kind), kind


def test_frames_of_a_serial_line_have_no_number_that_could_be_wrong() -> None:
    assert has_effect("suto_s430", FaultKind.WRONG_TRANSACTION)
    changing = [one for one in OF_THE_WIRE if has_effect("suto_s430", one, serial=True)]
    assert set(changing) == OF_THE_WIRE - {FaultKind.WRONG_TRANSACTION}


def test_every_fault_has_an_effect_in_some_instrument_of_a_unit() -> None:
    profiles = [profile for role in ROLES.values() for profile in role]
    assert [kind for kind in FaultKind if not any(has_effect(one, kind) for one in profiles)] == []


def test_every_instrument_has_a_place_in_a_unit() -> None:
    in_units = [profile for role in ROLES.values() for profile in role]
    assert sorted(in_units) == sorted(INSTRUMENTS)


@pytest.mark.parametrize("profile", TEXT_INSTRUMENTS)
def test_an_instrument_that_speaks_has_the_faults_that_its_dialect_lets_nobody_take_for_an_answer(
    profile: str,
) -> None:
    for kind in (*OF_A_DIALECT, FaultKind.ZERO, FaultKind.SPAN, FaultKind.STUCK, FaultKind.SPIKE):
        assert has_effect(profile, kind), kind
    for kind in (*(OF_THE_WIRE - OF_A_DIALECT), FaultKind.SWAPPED, FaultKind.COUNTER_RESET):
        assert not has_effect(profile, kind), kind


def test_a_dialect_without_a_word_for_it_cannot_refuse() -> None:
    refusing = {profile for profile in TEXT_INSTRUMENTS if has_effect(profile, FaultKind.EXCEPTION)}
    assert set(TEXT_INSTRUMENTS) - refusing == {
        "eco_physics_88p", "generic_bayern_hessen", "horiba_apna370",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "argument", "away"),
    [
        (FaultKind.SILENCE, None, True),
        (FaultKind.DUPLICATE, None, True),
        (FaultKind.WRONG_IDENTITY, None, True),
        (FaultKind.EXCEPTION, 11, True),
        (FaultKind.EXCEPTION, 6, False),
        (FaultKind.EXCEPTION, None, False),
        (FaultKind.NAN, None, False),
    ],
)
def test_a_device_is_away_when_nothing_it_says_can_be_trusted(
    kind: FaultKind, argument: int | None, away: bool
) -> None:
    assert cuts_off(kind, argument) is away
