"""Compute the adjusted mass of a signed hour again: from what the hour says, and from the tests that it names.

An hour says `baf`, `unadjusted_g` and by what right (`bias_in_force`); of several stacks each by its name, and the hour
has their sum; of a shared stack `stack_g` and `stack_unadjusted_g`, and the hour has the unit's part. The tests are
those on record, each computed from its own file.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from doxedge.measurement.apportioning import stack_hour_in
from doxedge.measurement.bias_factor import adjusted_g, factor_text
from doxedge.measurement.bias_in_force import BY, BY_SITE, NO_RATA, combined, factor_of, stated_ratas
from doxedge.measurement.hour_settings import BACKUP
from doxedge.measurement.recipe_check import Recomputed
from doxedge.measurement.tests_in_force import KnownTests
from doxedge.quantity import Grams

_FACTOR: Final = re.compile(r"(?:([^:]{1,64})\.)?baf:(\d{1,2}\.\d{3})", re.ASCII)
_OF_STACK: Final = re.compile(r"[^:]{1,64}\.nox_g:(\d{1,15})", re.ASCII)
_GRAMS: Final = re.compile(r"\d{1,15}", re.ASCII)
NO_BIAS: Final = Decimal(1)


class Differs(ValueError):
    """What is signed does not follow; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the configuration says of bias factors."""

    low_emitter_cap: bool
    tested: Sequence[str]
    """The quantities that have a factor: concentration and flow, by their plain names."""


def check_bias(
    unit: str, nox_g: int, remarks: Sequence[object], *, start_ms: int, tests: KnownTests, rules: Rules
) -> tuple[Recomputed, str] | None:
    """The verdict on one measured hour of a unit, and what was found; None where no factor is in force."""
    said = [remark for remark in remarks if isinstance(remark, str)]
    found = [match for remark in said if (match := _FACTOR.fullmatch(remark)) is not None]
    try:
        told = [
            _check(match[1] or "", Decimal(match[2]), nox_g, said, start_ms, tests, rules) for match in found
        ]
        if told:
            _require_whole(unit, nox_g, said)
    except ValueError as wrong:
        return Recomputed.DIFFERS, str(wrong)
    return (Recomputed.PROVED, "; ".join(told)) if told else None


def _check(
    stack: str,
    factor: Decimal,
    nox_g: int,
    said: Sequence[str],
    start_ms: int,
    tests: KnownTests,
    rules: Rules,
) -> str:
    prefix = f"{stack}." if stack else ""
    before_g, after_g = _masses(prefix, nox_g, said)
    if factor < NO_BIAS:
        raise Differs(f"{prefix}baf: {factor_text(factor)} makes a mass smaller, and no bias factor does")
    found_g = adjusted_g(Grams(before_g), factor)
    if found_g != after_g:
        raise Differs(
            f"{prefix}baf: {before_g} g x {factor_text(factor)} is {found_g} g, and {after_g} g are signed"
        )
    own = [remark.removeprefix(prefix) for remark in said if remark.startswith(f"{prefix}{BY}:")]
    told = f"{before_g} g x {factor_text(factor)} = {after_g} g"
    if not own:
        return f"{told}, a factor that the site states"
    if own in ([BY_SITE], [NO_RATA]):
        if own == [NO_RATA] and factor != NO_BIAS:
            raise Differs(
                f"{prefix}baf: before a RATA nothing is adjusted, and the factor is {factor_text(factor)}"
            )
        _require_none([f"{prefix}{quantity}" for quantity in rules.tested], start_ms, tests)
        return f"{told}, before the first RATA"
    return f"{told}, by {_require_tests(prefix, factor, own, start_ms, tests, rules)}"


def _masses(prefix: str, nox_g: int, said: Sequence[str]) -> tuple[int, int]:
    """(before, after) the factor, of a stack where it has a name."""
    shared = None if prefix else stack_hour_in(said)
    if shared is not None and shared.nox_g is not None and shared.unadjusted_g is not None:
        return shared.unadjusted_g, shared.nox_g
    before_g = grams_in(f"{prefix}unadjusted_g", said)
    after_g = grams_in(f"{prefix}nox_g", said) if prefix else nox_g
    if before_g is None or after_g is None:
        raise Differs(f"{prefix}baf: the hour does not say what it was multiplied with")
    return before_g, after_g


def _require_whole(unit: str, nox_g: int, said: Sequence[str]) -> None:
    """The hour has what its stacks have together, or its part of a shared one. Raises ValueError."""
    shared = stack_hour_in(said)
    of_stacks = [int(match[1]) for remark in said if (match := _OF_STACK.fullmatch(remark)) is not None]
    own_g: int | None = sum(of_stacks) if of_stacks else nox_g
    if shared is not None and shared.nox_g is not None:
        own_g = shared.apportioning.divide(shared.nox_g).get(unit)
    if own_g != nox_g:
        raise Differs(f"{own_g} g are the hour's by what it says of its stacks, and {nox_g} g are signed")


def grams_in(word: str, said: Iterable[str]) -> int | None:
    """The whole number that a remark says, as `unadjusted_g:12345`; None where none does."""
    texts = (remark.removeprefix(f"{word}:") for remark in said if remark.startswith(f"{word}:"))
    return next((int(text) for text in texts if _GRAMS.fullmatch(text)), None)


def _require_none(monitors: Iterable[str], start_ms: int, tests: KnownTests) -> None:
    for monitor in monitors:
        if (test := tests.rata(monitor, start_ms)) is not None:
            raise Differs(
                f"the hour does not name the RATA of {monitor}, which was in force: file {test.test[:16]}"
            )


def _require_tests(
    prefix: str, factor: Decimal, own: Sequence[str], start_ms: int, tests: KnownTests, rules: Rules
) -> str:
    """Each test that is named is on record, was in force and gives what is said of it."""
    stated = stated_ratas(own, start_ms)
    if len(stated) != len(own):
        raise Differs("what the hour says of its tests cannot be read")
    for one in stated:
        test = factor_of(one.monitor, tests, start_ms)
        if test is None or test.test != one.test:
            raise Differs(f"the RATA of {one.monitor} that the hour names ({one.test[:16]}) was not in force")
        gives = test.capped if rules.low_emitter_cap else test.factor
        if gives != one.factor:
            raise Differs(
                f"the file of the RATA of {one.monitor} gives {factor_text(gives)}, not {one.factor}"
            )
    named = {one.monitor.removeprefix(f"{BACKUP}.") for one in stated}
    _require_none({f"{prefix}{quantity}" for quantity in rules.tested} - named, start_ms, tests)
    if combined({one.monitor: one.factor for one in stated}) != factor:
        raise Differs(f"the factors of the tests do not make {factor_text(factor)}")
    return ", ".join(f"the RATA of {one.monitor} ({one.test[:16]})" for one in stated)
