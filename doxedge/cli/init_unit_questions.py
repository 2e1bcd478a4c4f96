"""What `doxedge init` asks about each unit: the table, and the check of each answer.

Every answer is held against the plan that the gateway would make of all that is known so far.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

from doxedge.analysers.configuration import ConfigError
from doxedge.cli.init_answers import Answers, Question, Value, WrongAnswer
from doxedge.cli.init_calibrations import FORM as CALIBRATION_FORM
from doxedge.cli.init_calibrations import ask_calibration, check_calibration
from doxedge.cli.init_gateway_file import draft_text
from doxedge.cli.init_instruments import FORM, NAME, ask_instrument, check_instrument
from doxedge.fieldbus.clock import RealClock
from doxedge.gateway.line_plan import make_lines
from doxedge.gateway.plant import plan_units
from doxedge.gateway.settings import parse_settings
from doxedge.gateway.site_limits import VALUE_MAX
from doxedge.measurement.rule_sets import RULE_SETS

LOAD: Final = "power_w"
"""What the meter of a unit on a shared stack delivers."""


def _unit(text: str, answers: Answers) -> str:
    if not NAME.fullmatch(text):
        raise WrongAnswer(f"`{text}` is no name: small letters, digits, - and _, at most 32")
    if text in _names_before(answers):
        raise WrongAnswer(f"there is a unit {text} already; each has a name of its own")
    return text


def _names_before(answers: Answers) -> list[str]:
    """The units that were named before this one."""
    if answers.box is None:
        return []
    names = []
    for unit in answers.box.units:
        if unit is answers:
            break
        names.append(unit.text("unit"))
    return names


def _rule_set(text: str, _: Answers) -> str:
    if text not in RULE_SETS:
        raise WrongAnswer(f"`{text}` is none of {', '.join(RULE_SETS)}")
    return text


def _shares_stack_of(text: str, answers: Answers) -> str:
    if text and text not in (there := _names_before(answers)):
        raise WrongAnswer(f"`{text}` is none of the units that were named before: {', '.join(there)}")
    if text and answers.box is not None:
        owner = next(unit for unit in answers.box.units if unit.text("unit") == text)
        if owner.text("running") in ("", "always"):
            raise WrongAnswer(
                f"{text} counts as running always, and of units on one stack each says when it runs: run doxedge init "
                f"again with --unit {text} --running QUANTITY:ON_ABOVE:OFF_BELOW before this unit"
            )
    return text


def _running(text: str, _: Answers) -> str:
    if text in ("", "always"):
        return "always"
    parts = text.split(":")
    try:
        on_above, off_below = (Decimal(part.replace("_", "")) for part in parts[1:])
    except (InvalidOperation, ValueError) as error:
        raise WrongAnswer(
            "write QUANTITY:ON_ABOVE:OFF_BELOW, e.g. power_w:1000000:500000, or always"
        ) from error
    if not off_below <= on_above:
        raise WrongAnswer("the unit goes off below a value that is not above the one at which it goes on")
    return f"{parts[0]}:{on_above}:{off_below}"


def _max_power(text: str, _: Answers) -> str:
    if not text:
        return ""
    try:
        number = Decimal(text.replace("_", ""))
    except InvalidOperation as error:
        raise WrongAnswer(f"`{text}` is no number of watts, e.g. 120000000 for 120 MW") from error
    if not (number.is_finite() and 0 < number <= VALUE_MAX):
        raise WrongAnswer("the unit generates something, in watts; empty: no bound")
    return f"{number:f}"


def _source(text: str, _: Answers) -> str:
    if text and not re.fullmatch(r"[0-9a-f]{32}", text):
        raise WrongAnswer("a source has 32 hexadecimal digits, in small letters")
    return text


def _plan(items: Sequence[str], answers: Answers) -> None:
    """Whether the unit can be measured with these instruments. Raises WrongAnswer with the plan's own words."""
    if not items:
        raise WrongAnswer("a unit is measured by at least one instrument")
    # Units on one stack each have an operating signal; which bounds it has is asked later.
    running = f"{LOAD}:2:1" if answers.text("shares_stack_of") else "always"
    _make_plan(answers, instrument=list(items), running=running, max_power_w="", calibration=[])


def _running_planned(text: str, answers: Answers) -> str:
    """The answer, when the unit's instruments deliver that quantity often enough."""
    running = _running(text, answers)
    _make_plan(answers, running=running, max_power_w="", calibration=[])
    return running


def _calibrations(items: Sequence[str], answers: Answers) -> None:
    """Whether the unit's analysers can be checked like this. Raises WrongAnswer with the plan's own words."""
    _make_plan(answers, calibration=list(items))


def _make_plan(answers: Answers, **instead: Value) -> None:
    """The plan of this unit, with other answers instead, and of those before it."""
    unit = Answers(answers.folder, {**answers.values, **instead})
    box = answers.box
    if box is not None:
        before = box.further[: next(n for n, one in enumerate(box.further) if one is answers)]
        unit = Answers(box.folder, box.values, further=[*before, unit])
    _plan_text(draft_text(unit))


def _plan_text(text: str) -> None:
    try:
        units = plan_units(
            parse_settings(text, source="these answers"), source="these answers", clock=RealClock()
        )
        make_lines(
            units, clock=RealClock(), chance=lambda: 0.5, on_sample=lambda _: None, on_state=lambda _: None
        )
    except ConfigError as error:
        raise WrongAnswer(str(error)) from error


UNIT_QUESTIONS: Final = (
    Question(
        "unit", "the name of the generating unit", "the unit that emits, as the regulator registers it; may be "
        "repeated: what is said of a unit follows its --unit", _unit,
        of_unit=True, applies=lambda a: a.has_gateway, metavar="NAME",
    ),
    Question(
        "shares_stack_of", "the unit whose stack it shares (empty: a stack of its own)", "of a further unit: the unit "
        "before it whose instruments measure their common stack; it then brings its own load meter only",
        _shares_stack_of, default=lambda _: "", of_unit=True,
        applies=lambda a: a.has_gateway and a.box is not None, metavar="UNIT",
    ),
    Question(
        "rule_set", "the rules by which its hours count: us60, eu or alberta", "the rules by which minutes become a "
        "valid hour: us60 (40 CFR 60.13), eu (EN 17255-1), alberta (CEMS Code)", _rule_set,
        default=lambda a: "us60" if a.box is None else a.box.text("rule_set"), of_unit=True,
        applies=lambda a: a.has_gateway and not a.text("shares_stack_of"), metavar="RULES",
    ),
    Question(
        "instrument", "instrument: its register map (? explains, empty: no more)",
        f"an instrument of the unit, {FORM}; may be repeated. KEY is a setting that the register map asks for, or "
        "one of its groups (then VALUE is the poll period in ms, 0 leaves it out). ADDRESS is HOST:PORT/UNIT, or "
        "the path of a serial port with unit_id, baud, parity, stop_bits, rs485 as KEYs. A constant has no address: "
        "moisture=configured_moisture,moisture_percent=12", check_instrument, default=lambda _: None,
        of_unit=True, applies=lambda a: a.has_gateway, many=True, check_all=_plan,
        dialogue=ask_instrument, metavar="LINE",
    ),
    Question(
        "running", "the unit counts as running: always, or QUANTITY:ON_ABOVE:OFF_BELOW",
        "when the unit counts as running: always, or by a measured quantity, e.g. power_w:1000000:500000 (on above "
        "1 MW, off below 500 kW)", _running_planned,
        default=lambda a: None if a.text("shares_stack_of") else "always",
        of_unit=True, applies=lambda a: a.has_gateway, metavar="WHEN",
    ),
    Question(
        "max_power_w", "the most that the unit can generate, in W (empty: no bound)",
        "what the unit can generate at most, in watts (its capacity and a little more): no step of its energy counter "
        "is believed beyond it, such as that to a new meter", _max_power, default=lambda _: "",
        of_unit=True, applies=lambda a: a.has_gateway, metavar="WATTS",
    ),
    Question(
        "calibration", "check with gas of a quantity (? explains, empty: no more)",
        f"a check with zero and upscale gas, {CALIBRATION_FORM}; may be repeated. What is checked counts only while a "
        "check that passed is not too old. Further KEYs: control (by_hand, or commands where the register map has "
        "them, which is then the default), at (HH:MM in UTC, or none; default under us60 and alberta, where the "
        "gateway switches the gas: each day at 06:00), settle_s, read_s, s_ams. A GAS may end in /YYYY-MM-DD, the "
        "last day of its certificate", check_calibration, default=lambda _: "",
        of_unit=True, applies=lambda a: a.has_gateway and not a.text("shares_stack_of"), many=True,
        check_all=_calibrations, dialogue=ask_calibration, metavar="LINE",
    ),
    Question(
        "source", "the device's source", "what numbers the device's records, where it is registered already (32 "
        "digits; the node's list of devices shows it)", _source, default=lambda _: "",
        of_unit=True, applies=lambda a: a.has_gateway, asked=False, metavar="HEX",
    ),
)  # fmt: skip
"""In the order in which they are asked of each unit."""
