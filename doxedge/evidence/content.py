"""What a record says, in words and numbers with units, for somebody who does not read CBOR."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from doxedge.contracts import statements
from doxedge.contracts.rule import Value
from doxedge.ledger.bodies import InvalidBody, hour_facts
from doxedge.measurement.apportioning import By, StackHour, is_of_stack, stack_hour_in
from doxedge.measurement.recipe_text import recipe_lines
from doxedge.measurement.substitute_recipe import is_recipe
from doxedge.quantity import HOUR_MS, kilograms_text

Line = tuple[str, str]
"""A label and its value."""

TITLES: Final = {
    "hour": "an hour of emission mass",
    "hour.revise": "a revision of an hour",
    "gap": "hours without a known mass",
    "event": "something that happened at a device",
    "samples.request": "a request for raw samples",
    "samples.answer": "an answer to a request for raw samples",
    "transfer": "a transfer of credits",
    "vintage.issue": "an issue of credits",
    "party.enrol": "the enrolment of a party",
    "key.rotate": "the replacement of a key",
    "key.revoke": "the withdrawal of a key",
    "unit.register": "the registration of a unit",
    "account.open": "the opening of an account",
    "account.fold": "the folding of pending credits",
    "device.register": "the registration of a device",
    "device.commission": "the commissioning of a device",
    "config": "a change of a channel's figure",
    "tick": "the execution clock of a block",
    "conflict": "two records with one number",
    "equivocation": "a double vote of a validator",
    "source.reinstate": "the reinstatement of a numbering",
}
_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "gap": ("unit", "from", "to", "cause"),
    "event": ("unit", "code", "at", "text"),
    "samples.request": ("unit", "from", "to", "due", "reason"),
    "samples.answer": ("request", "content hash", "samples", "outcome", "text"),
    "transfer": ("from account", "to account", "asset", "vintage", "amount", "reference"),
    "vintage.issue": ("account", "asset", "vintage", "amount", "basis hash"),
    "party.enrol": ("party", "role", "algorithm", "officer key", "node algorithm", "node key"),
    "key.rotate": ("old key id", "algorithm", "new key", "possession"),
    "key.revoke": ("key id", "reason"),
    "unit.register": ("unit", "party", "kind", "capacity kW", "zone"),
    "account.open": ("account", "party", "unit"),
    "account.fold": ("account", "vintage"),
    "device.register": ("device", "unit", "algorithm", "key", "profile hash", "firmware"),
    "device.commission": ("device", "profile hash", "witnessed hours", "statement hash"),
    "config": ("figure", "value", "reason"),
    "tick": ("at",),
    "source.reinstate": ("source", "reason"),
}
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_VALUE_CHARACTERS_MAX: Final = 200
_REMARKS_SHOWN_MAX: Final = 8


def title(kind: str) -> str:
    """What kind of statement it is."""
    return TITLES.get(kind, f"a record of kind {kind}")


def lines(kind: str, body: list[Value]) -> list[Line]:
    """The body field by field. Never raises: a body of another shape is shown as it is."""
    try:
        match kind, body:
            case "hour", _:
                return _hour(hour_facts(body))
            case "hour.revise", [bytes(revised), str(reason), list(hour)]:
                return [
                    ("revises record", revised.hex()),
                    ("reason", shown(reason)),
                    *_hour(hour_facts(hour)),
                ]
    except InvalidBody:
        pass
    labels = _FIELDS.get(kind, ())
    if len(labels) != len(body):
        labels = tuple(f"field {place}" for place in range(1, len(body) + 1))
    return [(label, _field(label, value)) for label, value in zip(labels, body, strict=True)]


def time_text(at_ms: int) -> str:
    """UTC to the second, or the bare number where no calendar reaches."""
    try:
        at = _EPOCH + dt.timedelta(milliseconds=at_ms)
    except OverflowError:
        return f"{at_ms} ms"
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def grams_text(grams: int) -> str:
    """Grams and kilograms."""
    return f"{grams} g ({kilograms_text(grams)} kg)"


def shown(text: str) -> str:
    """Text of somebody else's, safe for a terminal: no control characters, and not endless."""
    safe = "".join(character if character.isprintable() else "�" for character in text)
    return safe if len(safe) <= _VALUE_CHARACTERS_MAX else safe[:_VALUE_CHARACTERS_MAX] + "…"


def _hour(hour: statements.Hour) -> list[Line]:
    return [
        ("unit", shown(hour.unit)),
        ("hour", f"{time_text(hour.start_ms)} to {time_text(hour.start_ms + HOUR_MS)}"),
        ("NOx as NO2", grams_text(hour.nox_g)),
        ("quality", shown(hour.quality)),
        ("clause", shown(hour.clause)),
        ("rule set", f"{shown(hour.rule_set)}, method {shown(hour.method_code)}"),
        ("operating", f"{hour.operating_percent} %"),
        ("valid minutes", str(hour.minutes_valid)),
        ("energy", f"{hour.energy_wh} Wh"),
        ("samples", f"{hour.samples} under root {hour.samples_root.hex()}"),
        ("register map", hour.profile_hash.hex()),
        ("rules", hour.rules_hash.hex()),
        ("clock", f"{shown(hour.clock_state)}, offset {hour.clock_offset_ms} ms"),
        ("firmware", shown(hour.firmware)),
        *_recipe(hour),
    ]


def _recipe(hour: statements.Hour) -> list[Line]:
    """What a substitute was computed from, or the remarks on a measurement."""
    recipe = hour.recipe
    if is_recipe(recipe) and recipe is not None:
        divided = recipe[-1] if isinstance(recipe[-1], list) else []
        own: list[Value] = [*recipe[:-1], [remark for remark in divided if not is_of_stack(remark)]]
        return [
            ("not measured", "a substitute by the rules for missing data"),
            *((label, shown(text)) for label, text in recipe_lines(own, _hour_text)),
            *_stack(hour, divided),
        ]
    if not recipe:
        return []
    remarks = [shown(str(remark)) for remark in recipe if not is_of_stack(remark)]
    told = [("remarks", ", ".join(remarks[:_REMARKS_SHOWN_MAX]))] if remarks else []
    return [*told, *_stack(hour, recipe)]


def _stack(hour: statements.Hour, remarks: Sequence[Value]) -> list[Line]:
    """Where several units share the stack: its mass, how it was divided, and whether that gives what is stated."""
    stack = stack_hour_in(remarks)
    if stack is None:
        return []
    how, unit_of_weight = stack.apportioning, "Wh" if stack.apportioning.by is By.LOAD else "ms"
    weights = ", ".join(f"{shown(unit)} {weight} {unit_of_weight}" for unit, weight in how.weights)
    mass = "mass not known" if stack.nox_g is None else grams_text(stack.nox_g)
    return [
        ("shared stack", f"{mass}; a unit ran in {stack.operating_percent} % of the hour"),
        ("divided", f"by {how.by.value.replace('_', ' ')}: {weights}"),
        ("part", _part(hour, stack)),
    ]


def _part(hour: statements.Hour, stack: StackHour) -> str:
    weights = dict(stack.apportioning.weights)
    if hour.unit not in weights:
        return "the unit is not among them: THE MASS DOES NOT FOLLOW"
    if stack.nox_g is None:
        return "nothing: the unit did not run" if not hour.nox_g else "THE MASS DOES NOT FOLLOW"
    try:
        found_g = stack.apportioning.divide(stack.nox_g)[hour.unit]
    except ValueError as error:
        return f"{error}: THE MASS DOES NOT FOLLOW"
    if found_g != hour.nox_g:
        return f"{found_g} g by these weights: THE MASS DOES NOT FOLLOW"
    return f"{found_g} g, as stated"


def _hour_text(start_ms: int) -> str:
    return time_text(start_ms)[:16]


def _field(label: str, value: Value) -> str:
    match value:
        case bool() | None:
            return "none" if value is None else str(value).lower()
        case int() if label in ("from", "to", "at", "due"):
            return time_text(value)
        case int():
            return str(value)
        case bytes():
            return value.hex() if len(value) <= 64 else f"{len(value)} bytes"
        case str():
            return shown(value)
        case [0, int(grams)] if label == "amount":
            return grams_text(grams)
        case _:
            return f"{len(value)} entries"
