"""An instrument in one line: every part of it, and what is refused."""

from __future__ import annotations

import contextlib
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.cli.init_answers import Answers, WrongAnswer, toml_value
from doxedge.cli.init_gateway_file import draft_text
from doxedge.cli.init_instruments import parse_line


def written(line: str) -> dict[str, object]:
    """The instrument's table in the gateway's file."""
    answers = Answers(Path("/etc/doxedge"), {"unit": "u", "instrument": [line]})
    table = tomllib.loads(draft_text(answers))
    found: dict[str, object] = table["unit"][0]["instrument"][0]
    return found


T200 = {"name": "teledyne_t200", "profile": "teledyne_t200"}
LINES = {
    "a host": ("teledyne_t200@h", {**T200, "host": "h"}),
    "host and port": ("teledyne_t200@h:5020", {**T200, "host": "h", "port": 5020}),
    "host and unit": ("teledyne_t200@h/7", {**T200, "host": "h", "unit_id": 7}),
    "everything": (
        "a-1=teledyne_t200@10.0.0.7:502/0,gas=5000,oxygen=0",
        {
            "name": "a-1", "profile": "teledyne_t200", "host": "10.0.0.7", "port": 502, "unit_id": 0,
            "poll_ms": {"gas": 5000, "oxygen": 0},
        },
    ),
    "an address of IPv6": ("teledyne_t200@[fe80::1]:5020", {**T200, "host": "fe80::1", "port": 5020}),
    "a constant": (
        "m=configured_moisture,moisture_percent=12.5",
        {"name": "m", "profile": "configured_moisture", "settings": {"moisture_percent": 12.5}},
    ),
    "words that the site knows": (
        "sick_marsic300@h,word_order=CDAB,gas_unit=ppm",
        {
            "name": "sick_marsic300", "profile": "sick_marsic300", "host": "h",
            "settings": {"word_order": "CDAB", "gas_unit": "ppm"},
        },
    ),
    "a serial port": (
        "teledyne_t200@/dev/serial/by-id/usb-1,unit_id=3,baud=9600,parity=E,stop_bits=1,rs485=true",
        {
            **T200, "unit_id": 3,
            "serial": {"port": "/dev/serial/by-id/usb-1", "baud": 9600, "parity": "E", "stop_bits": 1, "rs485": True},
        },
    ),
    "an instrument that speaks, on a port": (
        "a=cai_700_ak@/dev/ttyS1,data_bits=7,parity=E,component=nox,gas_unit=ppm",
        {
            "name": "a", "profile": "cai_700_ak", "settings": {"component": "nox", "gas_unit": "ppm"},
            "serial": {"port": "/dev/ttyS1", "parity": "E", "data_bits": 7},
        },
    ),
    "an instrument that speaks in datagrams": (
        "a=horiba_apna370@h,framing=udp,zero_digit=5,span_digit=4,gas_unit=ppb",
        {
            "name": "a", "profile": "horiba_apna370", "host": "h", "framing": "udp",
            "settings": {"zero_digit": 5, "span_digit": 4, "gas_unit": "ppb"},
        },
    ),
    "a converter": (
        "teledyne_t200@h:4001/9,framing=rtu",
        {**T200, "host": "h", "port": 4001, "unit_id": 9, "framing": "rtu"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LINES)
def test_a_line_says_what_the_gateways_file_will(case: str) -> None:
    line, table = LINES[case]
    assert written(line) == table


@pytest.mark.parametrize(
    "line",
    [
        "", "=", "@h", "a=@h", "teledyne_t200@", "teledyne_t200@h:", "teledyne_t200@h:0", "teledyne_t200@h:65536",
        "teledyne_t200@h/256", "A=teledyne_t200@h", "a b=teledyne_t200@h", "teledyne_t200@h,gas", "t@h,a=1,a=2",
        "t@/dev/x,parity=X", "t@/dev/x,data_bits=9",
        "t@h,framing=x25", "t@/dev/x,baud=fast", "t@/dev/x,unit_id=one", "t@h h",
    ],
)  # fmt: skip
def test_a_line_of_another_form_is_refused(line: str) -> None:
    with pytest.raises(WrongAnswer):
        parse_line(line)


@given(st.text())
def test_any_text_is_a_line_or_is_refused_in_words(text: str) -> None:
    with contextlib.suppress(WrongAnswer):  # anything else is a bug
        assert parse_line(text).name


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_that_is_written_as_toml_is_read_back(text: str) -> None:
    assert tomllib.loads(f"x = {toml_value(text)}") == {"x": text}


def test_a_word_that_the_map_does_not_offer_is_refused() -> None:
    with pytest.raises(WrongAnswer, match="gas_unit is one of ppm, mg, not `kg`"):
        written("sick_marsic300@h,word_order=ABCD,gas_unit=kg")
