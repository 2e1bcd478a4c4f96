"""A check with gas in one line, `QUANTITY,span=VALUE,zero=GAS,upscale=GAS,KEY=VALUE`, for a flag and for a dialogue.

GAS is REFERENCE/BOTTLE/VENDOR or REFERENCE/BOTTLE/VENDOR/EXPIRES, as the bottle's certificate says. The other keys are
`control` (by_hand or commands), `at` (a time of day, UTC, or none), `settle_s`, `read_s` and `s_ams`. What is left out
of `control` and `at` is filled in: commands where the register map has them, and then a check each day where the rule
set asks for one.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal, InvalidOperation
from typing import Final

from doxedge.analysers.configuration import ConfigError
from doxedge.analysers.phrase_map import AnyProfile
from doxedge.cli.init_answers import Answers, Ask, WrongAnswer, toml_value
from doxedge.cli.init_instruments import catalogue, folders_of, parse_line, split_values
from doxedge.fieldbus.profile_folders import load_profile

FORM: Final = "QUANTITY,span=VALUE,zero=REFERENCE/BOTTLE/VENDOR,upscale=REFERENCE/BOTTLE/VENDOR"
NUMBERS: Final = ("settle_s", "read_s", "s_ams")
KEYS: Final = ("span", "zero", "upscale", "control", "at", *NUMBERS)
DAILY: Final = frozenset({"us60", "alberta"})
"""Rule sets by which each analyser is checked every day (40 CFR 60.13(d)(1), and the CEMS Code alike); `eu` leaves the
interval to the plant (EN 14181, 7)."""
DAILY_AT: Final = "06:00"


def check_calibration(text: str, answers: Answers) -> str:
    """The line with everything filled in. Raises WrongAnswer."""
    quantity, given = _parts(text)
    if quantity in {_parts(other)[0] for other in answers.items("calibration")}:
        raise WrongAnswer(f"{quantity} has a check already")
    for key in ("span", *NUMBERS):
        if key in given:
            _number(key, given[key])
    for key in ("zero", "upscale"):
        _gas(key, given[key])
    driven = _has_commands(quantity, answers)
    control = given.setdefault("control", "commands" if driven else "by_hand")
    if control not in ("by_hand", "commands"):
        raise WrongAnswer(f"control is by_hand or commands, not `{control}`")
    if control == "commands" and not driven:
        raise WrongAnswer(
            f"no register map of this unit has commands for the gas of {quantity}: control=by_hand"
        )
    at = given.setdefault("at", _usual_at(answers, driven=control == "commands"))
    if at != "none":
        _time(at)
    return ",".join([quantity, *(f"{key}={given[key]}" for key in KEYS if key in given)])


def calibration_lines(item: str) -> list[str]:
    """`[[unit.calibration]]` of a line that was checked."""
    quantity, given = _parts(item)
    lines = ["", "[[unit.calibration]]", f"quantity = {toml_value(quantity)}", f"span = {given['span']}"]
    lines += [f"control = {toml_value(given['control'])}"]
    lines += [f"daily_at = {given['at']}:00"] if given["at"] != "none" else []
    lines += [f"{key} = {given[key]}" for key in NUMBERS if key in given]
    for key in ("zero", "upscale"):
        reference, bottle, vendor, expires = _gas(key, given[key])
        words = [
            f"reference = {reference}",
            f"bottle = {toml_value(bottle)}",
            f"vendor = {toml_value(vendor)}",
        ]
        words += [f"expires = {expires}"] if expires else []
        lines += [f"{key} = {{ {', '.join(words)} }}"]
    return lines


def ask_calibration(answers: Answers, ask: Ask) -> str:
    """One check, question by question; a whole line at the first question is taken as it is."""
    quantity = ask("quantity: ")
    if "," in quantity:
        return quantity
    maps = _maps(answers)
    if not any(_delivers(one, quantity) for one in maps):
        there = sorted({point.quantity for one in maps for point in one.points})
        raise WrongAnswer(f"nothing delivers {quantity!r}; there are: {', '.join(there)}")
    words = [quantity, f"span={ask('  its span, in the unit of the quantity (ppb: 500000 is 500 ppm): ')}"]
    for key, name in (("zero", "zero gas"), ("upscale", "upscale gas")):
        gas = ask(f"  {name}: REFERENCE/BOTTLE/VENDOR, and /YYYY-MM-DD where its certificate ends: ")
        words.append(f"{key}={gas}")
    driven = _has_commands(quantity, answers)
    if driven and ask(
        "  shall the gateway switch the gas itself, by the register map's commands? [yes]: "
    ) in (
        "no",
        "n",
    ):
        words.append("control=by_hand")
        driven = False
    default = _usual_at(answers, driven=driven)
    at = ask(f"  each day at, HH:MM in UTC, or none: nobody is waited for [{default}]: ") or default
    return ",".join([*words, f"at={at}"])


def is_unchecked(answers: Answers) -> bool:
    """Whether the unit has an analyser of its own, rules that want it checked each day, and no check."""
    return _is_daily(answers) and not answers.text("shares_stack_of") and not answers.items("calibration")


def _is_daily(answers: Answers) -> bool:
    return (answers.text("rule_set") or "us60") in DAILY


def _usual_at(answers: Answers, *, driven: bool) -> str:
    """Nobody opens a bottle at a set time: a check is scheduled only where the gateway switches the gas."""
    return DAILY_AT if driven and _is_daily(answers) else "none"


def _parts(text: str) -> tuple[str, dict[str, str]]:
    quantity, *values = [part.strip() for part in text.split(",")]
    pairs = [value.partition("=") for value in values]
    given = {key.strip(): value.strip() for key, _, value in pairs}
    if not re.fullmatch(r"[a-z][a-z0-9_.]*", quantity) or not all(sign for _, sign, _ in pairs):
        raise WrongAnswer(f"`{text}` has not the form {FORM}; e.g. {_EXAMPLE}")
    unknown = [key for key in given if key not in KEYS]
    if unknown or len(given) < len(pairs):
        raise WrongAnswer(
            f"a check has {', '.join(KEYS)}, each once; not `{(unknown or ['one of them twice'])[0]}`"
        )
    missing = [key for key in ("span", "zero", "upscale") if not given.get(key)]
    if missing:
        raise WrongAnswer(f"a check of {quantity} wants {missing[0]} too: {FORM}; e.g. {_EXAMPLE}")
    return quantity, given


_EXAMPLE: Final = "nox_ppb,span=500000,zero=0/ZA1/generator,upscale=400000/CC1234/Gas works/2027-05-01"


def _number(key: str, text: str) -> None:
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise WrongAnswer(f"{key} is a number, not `{text}`") from error
    if not number.is_finite():
        raise WrongAnswer(f"{key} is a number, not `{text}`")


def _gas(key: str, text: str) -> tuple[str, str, str, str]:
    """Reference, bottle, vendor and the last day, which may be empty."""
    parts = [part.strip() for part in text.split("/")]
    if len(parts) not in (3, 4) or not all(parts):
        raise WrongAnswer(
            f"{key} is REFERENCE/BOTTLE/VENDOR or REFERENCE/BOTTLE/VENDOR/YYYY-MM-DD, not `{text}`"
        )
    reference, bottle, vendor, *expires = parts
    _number(f"the reference of {key}", reference)
    if expires:
        try:
            dt.date.fromisoformat(expires[0])
        except ValueError as error:
            raise WrongAnswer(
                f"the certificate of {key} ends on a day, YYYY-MM-DD, not `{expires[0]}`"
            ) from error
    return reference, bottle, vendor, "".join(expires)


def _time(text: str) -> None:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        raise WrongAnswer(f"at is a time of day in UTC, HH:MM, or none; not `{text}`")


def _maps(answers: Answers) -> list[AnyProfile]:
    """The register maps of the unit's instruments, with their settings."""
    folders = folders_of(answers)
    known = catalogue(folders)
    found = []
    for item in answers.items("instrument"):
        line = parse_line(item)
        _, settings = split_values(line, known.get(line.profile))
        try:
            found.append(load_profile(line.profile, folders, settings=settings))
        except ConfigError as error:
            raise WrongAnswer(str(error)) from error
    return found


def _delivers(one: AnyProfile, quantity: str) -> bool:
    return any(point.quantity == quantity for point in one.points)


def _has_commands(quantity: str, answers: Answers) -> bool:
    return any(one.commands for one in _maps(answers) if _delivers(one, quantity))
