"""What an instrument can be told: all three commands or none, and nothing else."""

from __future__ import annotations

from decimal import Decimal

import pytest

from doxedge.analysers.catalogue import make_driver, parse_map
from doxedge.analysers.commands import steps_of
from doxedge.analysers.configuration import ConfigError
from doxedge.analysers.dialects import horiba, orders
from doxedge.analysers.dialects.framing import FrameError
from doxedge.analysers.profile import profile_hash
from doxedge.analysers.profile_choices import SettingValue
from doxedge.analysers.question import Order, WriteCoil
from doxedge.fieldbus.profile_folders import load_profile, search_path
from tests.analysers.profiles import BASE

COILS = "".join(
    f'\n[[commands]]\nname = "{name}"\ncoils = [{{ address = {address}, on = {on} }}]\nabout = "list"\n'
    for name, address, on in (("zero", 20, "true"), ("span", 21, "true"), ("measure", 20, "false"))
)
COIL = "{ address = 1, on = true }"
ZERO_LINE = Order(1, "horiba", "line zero")


def said_by_horiba(command: str, data: str, *, unit_id: int = 1) -> bytes:
    return horiba.encode(horiba.HoribaFrame(unit_id, unit_id, command, data))


def steps(text: str, name: str) -> list[WriteCoil | Order]:
    return list(steps_of(make_driver(parse_map(text, source="map"), device="a.b", unit_id=7), name))


def test_a_command_is_the_coils_of_its_map_in_wire_addresses() -> None:
    assert steps(BASE + COILS, "zero") == [WriteCoil(7, 20, True)]
    from_one = (BASE + COILS).replace("address_base = 0", "address_base = 1")
    assert steps(from_one, "measure") == [WriteCoil(7, 19, False)]


def test_a_map_without_commands_has_no_steps_and_commands_decide_no_value() -> None:
    assert steps(BASE, "zero") == []
    plain, commanded = parse_map(BASE, source="map"), parse_map(BASE + COILS, source="map")
    assert profile_hash(plain) == profile_hash(commanded)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (COILS.replace('name = "measure"', 'name = "zero"'), "commands"),
        (COILS[: COILS.index('\n[[commands]]\nname = "measure"')], "commands"),
        (COILS.replace('name = "zero"', 'name = "purge"'), "commands[0].name"),
        (COILS.replace("address = 20, on = true", "address = 65_536, on = true"), "commands[0].coils[0].address"),
        (COILS.replace("{ address = 20, on = true }", ", ".join([COIL] * 9)), "commands[0].coils"),
        (COILS.replace("{ address = 20, on = true }", ""), "commands[0].coils"),
        (COILS.replace("on = true", "on = 1"), "commands[0].coils[0].on"),
        (COILS.replace("on = true }]", 'on = true, register = 4 }]'), "commands[0].coils[0].register"),
    ],
    ids=["twice", "no way back", "unknown", "beyond the map", "too many steps", "no step", "no truth", "register"],
)  # fmt: skip
def test_what_cannot_be_a_command_is_refused_by_name(text: str, key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_map(BASE + text, source="map")
    assert refused.value.path == key


@pytest.mark.parametrize(
    ("profile", "settings", "first"),
    [
        ("teledyne_t200", {}, WriteCoil(1, 21, False)),
        ("thermo_42i", {"first_register": "on_wire_0"}, WriteCoil(1, 101, False)),
        ("thermo_42i", {"first_register": "on_wire_1"}, WriteCoil(1, 102, False)),
        ("thermo_42i_clink", {}, Order(42, "clink", "set mode remote")),
        ("cai_700_ak", {"gas_unit": "ppm", "component": "nox"}, Order(0, "ak", "SREM K0")),
        (
            "ecotech_serinus40_advanced",
            {"gas_unit": "ppm", "nox_at": "p51"},
            Order(0, "serinus_advanced", "mode zero"),
        ),
        (
            "horiba_apna370",
            {"gas_unit": "ppb", "zero_digit": Decimal(5), "span_digit": Decimal(4)},
            Order(1, "horiba", "line zero"),
        ),
    ],
)
def test_the_shipped_maps_command_what_their_sources_name(
    profile: str, settings: dict[str, SettingValue], first: WriteCoil | Order
) -> None:
    driver = make_driver(load_profile(profile, search_path(None), settings=settings), device="a.b")
    assert steps_of(driver, "zero")[0] == first
    assert steps_of(driver, "span") != steps_of(driver, "zero")
    assert steps_of(driver, "measure")


@pytest.mark.parametrize(
    "order",
    [
        Order(42, "clink", "set no coef 2"),
        Order(42, "clink", "set zero\rset span"),
        Order(0, "ak", "SPRG K0"),
        Order(0, "ak", "SNGA K0 \x03"),
        Order(0, "serinus_advanced", "mode cycle"),
        Order(0, "bayern_hessen", "ST843 S"),
        Order(0, "bayern_hessen_cr", "ST43 N"),
        Order(1, "horiba", "A024"),
        Order(1, "horiba", "A029"),
        Order(1, "horiba", "line 1"),
        Order(12, "horiba", "line zero"),
    ],
)
def test_no_other_order_can_be_said(order: Order) -> None:
    with pytest.raises(FrameError):
        orders.encode(order)


@pytest.mark.parametrize(
    ("order", "line", "refusal"),
    [
        (Order(42, "clink", "set zero"), b"set zero ok\r", None),
        (Order(42, "clink", "set zero"), b"set zero bad cmd\r", "bad cmd"),
        (Order(42, "clink", "set zero"), b"set zero can't, wrong settings\r", "can't, wrong settings"),
        (Order(0, "ak", "SNGA K0"), b"\x02 SNGA 0\x03", None),
        (Order(0, "ak", "SNGA K0"), b"\x02 SNGA 0 OF\x03", "offline"),
        (Order(0, "ak", "SNGA K0"), b"\x02 SNGA K0\x03\x02 SNGA 0\x03", None),  # behind its echo
        (ZERO_LINE, said_by_horiba("A024", "00"), None),
        (ZERO_LINE, said_by_horiba("A024", "00,1"), None),
        (ZERO_LINE, said_by_horiba("A024", ""), None),
        (ZERO_LINE, said_by_horiba("A024", "03"), "answers with 03"),
        (ZERO_LINE, orders.encode(ZERO_LINE) + said_by_horiba("A024", "03"), "answers with 03"),
    ],
)
def test_an_answer_says_whether_the_order_was_taken(order: Order, line: bytes, refusal: str | None) -> None:
    found = orders.find_answer(order, line)
    assert found is not None
    assert found.refusal == refusal
    assert found.after == 0


@pytest.mark.parametrize(
    "line",
    [
        said_by_horiba("R001", "00,20260101120000"),
        said_by_horiba("A029", "00"),
        said_by_horiba("A024", "00", unit_id=2),
        said_by_horiba("A024", "00")[:-1],
    ],
    ids=["another answer", "another order", "another instrument", "half of it"],
)
def test_what_is_about_something_else_answers_no_order_of_horiba(line: bytes) -> None:
    assert orders.find_answer(ZERO_LINE, line) is None


def test_the_line_of_a_horiba_is_ordered_as_the_logger_does() -> None:
    """`A024` with 0, 1 or 2; the check sum by hand: XOR of all bytes before it."""
    for text, number, check in (
        ("line sample", b"0", b"44"),
        ("line zero", b"1", b"45"),
        ("line span", b"2", b"46"),
    ):
        assert orders.encode(Order(1, "horiba", text)) == b"\x01010100A024\x02" + number + check + b"\x03"


def test_an_order_that_is_answered_by_itself_is_not_taken_for_its_echo() -> None:
    order = Order(3, "serinus_advanced", "mode span")
    said = orders.encode(order)
    for line, before in ((said, 0), (said + said, len(said)), (b"\x00" + said, 1)):
        found = orders.find_answer(order, line)
        assert found is not None
        assert (found.refusal, found.before, found.after) == (None, before, 0)
    assert orders.find_answer(order, said[:-1]) is None


def test_an_echo_alone_answers_no_order_in_words() -> None:
    for order in (Order(42, "clink", "set zero"), Order(0, "ak", "SNGA K0"), ZERO_LINE):
        assert orders.find_answer(order, orders.encode(order)) is None


def test_an_order_has_an_instrument_and_characters() -> None:
    for wrong in ((256, "SNGA K0"), (0, ""), (0, "x" * 121), (0, "ä")):
        with pytest.raises(ValueError, match=r"instrument|characters"):
            Order(wrong[0], "ak", wrong[1])
    with pytest.raises(ValueError, match="leaves the map"):
        WriteCoil(1, 65_536, True)


def test_an_order_of_bayern_hessen_is_said_as_its_source_has_it_and_is_not_answered() -> None:
    order = Order(0, "bayern_hessen", "ST843 K")
    assert orders.encode(order) == b"\x02ST843 K\x0352"
    assert orders.encode(Order(0, "bayern_hessen_cr", "ST843 K")) == b"\x02ST843 K\x03\r"
    assert not orders.is_answered(order)
    assert orders.is_answered(Order(0, "ak", "SNGA K0"))
    assert orders.find_answer(order, orders.encode(order)) is None
