"""What `doxedge gateway hours --verify` holds an hour against: the signed records, and what its recipe rests on."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from doxedge.cli.gateway_folder import unreadable
from doxedge.cli.outcome import Exit, Failure

if TYPE_CHECKING:
    from doxedge.gateway.history_rebuild import Statement
    from doxedge.measurement.bias_check import Rules as BiasRules
    from doxedge.measurement.hour_history import KnownHour
    from doxedge.measurement.missing_data_rules import Rules
    from doxedge.measurement.tests_in_force import KeptTests, KnownTests
    from doxedge.store.hour_rows import StoredHour


@dataclass(slots=True)
class Histories:
    """What a recipe looked back on: the gateway's own hours, and those of the files that it names."""

    path: Path
    unit: str
    began_ms: int
    _by_sources: dict[frozenset[str], list[KnownHour]] = field(default_factory=dict)

    def of(self, sources: frozenset[str]) -> list[KnownHour] | None:
        """None where one of the files is not here."""
        from doxedge.store import look

        if sources not in self._by_sources:
            files = {file.source for file in look.imported_files(self.path, self.unit)}
            if not sources <= files:
                return None
            told = look.imported_hours(self.path, self.unit, sources=sources) if sources else []
            own = [hour.known for hour in look.hours(self.path, self.unit)]
            self._by_sources[sources] = told + own
        return self._by_sources[sources]


@dataclass(frozen=True, slots=True)
class Check:
    """What the hours of a unit are held against."""

    rules: Rules
    signed: dict[int, StoredHour]
    """As the outbox has them."""
    statements: dict[int, Statement]
    """What was signed last of each."""
    tests: KnownTests
    bias: BiasRules


def verdict_on(histories: Histories, stored: StoredHour, check: Check) -> tuple[str | None, str | None]:
    """The verdict and what was found; nothing for a measured hour that is as it was signed."""
    from doxedge.gateway.history_rebuild import contradiction
    from doxedge.measurement.recipe_check import Recomputed, check_recipe
    from doxedge.measurement.substitute_recipe import sources_in
    from doxedge.signing import canonical

    signed = check.signed.get(stored.known.start_ms)
    wrong = None if signed is None else contradiction(stored, signed)
    if wrong is not None:
        return Recomputed.DIFFERS.value, wrong
    if stored.stated is None:
        return _verdict_on_tests(stored.known.start_ms, check)
    decoded = canonical.decode(stored.stated.recipe)
    recipe = decoded if isinstance(decoded, list) else []
    known = histories.of(sources_in(recipe))
    if known is None:
        return (
            Recomputed.DIFFERS.value,
            "it rests on a file that was imported and is not in the history any more",
        )
    verdict, found = check_recipe(
        known,
        stored.known,
        nox_g=stored.stated.nox_g,
        method_code=stored.stated.method_code,
        recipe=recipe,
        rules=check.rules,
        began_ms=histories.began_ms,
    )
    return verdict.value, found


def _verdict_on_tests(start_ms: int, check: Check) -> tuple[str | None, str | None]:
    """On a measured hour: what it says of the tests that it rests on."""
    from doxedge.measurement.bias_check import check_bias
    from doxedge.measurement.calibrated_check import check_functions
    from doxedge.measurement.recipe_check import Recomputed

    stated = check.statements.get(start_ms)
    if stated is None or stated.is_substitute:
        return None, None
    unit, nox_g, recipe = stated.body[0], stated.body[4], stated.body[18] or []
    found = [
        one
        for one in (
            check_bias(unit, nox_g, recipe, start_ms=start_ms, tests=check.tests, rules=check.bias),
            check_functions(recipe, start_ms=start_ms, tests=check.tests),
        )
        if one is not None
    ]
    if not found:
        return None, None
    differs = any(verdict is Recomputed.DIFFERS for verdict, _ in found)
    verdict = Recomputed.DIFFERS if differs else Recomputed.PROVED
    return verdict.value, "; ".join(told for _, told in found)


def _tests_of(path: Path) -> dict[str, KeptTests]:
    """By unit, what the tests on record give, each computed from its file. Raises StoreError."""
    from doxedge.gateway.qa_in_force import qal_function, rata_factor
    from doxedge.measurement.tests_in_force import KeptTests
    from doxedge.store import look
    from doxedge.store.errors import Kind, StoreError

    found: dict[str, KeptTests] = {}
    try:
        entries = look.tests(path)
    except StoreError as error:
        if error.kind is not Kind.ABSENT:
            raise
        entries = []  # No check with gas is configured.
    for entry in entries:
        try:
            given = rata_factor(entry) or qal_function(entry)
        except (ValueError, KeyError):
            continue  # What rests on it differs, and is told hour by hour.
        if given is not None:
            found.setdefault(entry.unit, KeptTests()).put(given)
    return found


def checks_of(options: argparse.Namespace, outbox: Path) -> dict[str, Check]:
    """By unit. Raises Failure: 2 for a wrong configuration, 4 or 7 for a store that cannot be read."""
    from doxedge.analysers.configuration import ConfigError
    from doxedge.gateway.history_rebuild import signed_hours, signed_statements
    from doxedge.gateway.missing_data_settings import plan_missing_data
    from doxedge.gateway.record_desk import UnitIdentity
    from doxedge.gateway.settings import load_settings
    from doxedge.gateway.shared_stacks import max_power_w, units_by_stack
    from doxedge.measurement.bias_check import Rules as BiasRules
    from doxedge.measurement.tests_in_force import KeptTests
    from doxedge.store.errors import StoreError

    try:
        settings = load_settings(options.config)
        stacks = units_by_stack(settings.unit, source=str(options.config))
    except ConfigError as error:
        raise Failure(Exit.USAGE, f"--verify needs the rules of the configuration: {error}") from error
    try:
        tests = _tests_of(outbox.with_name("qa.db"))
    except StoreError as error:
        raise unreadable(error, use="--verify computes bias factors from its tests") from error
    checks = {}
    for unit in settings.unit:
        shared = stacks.get(unit.name, (unit,))
        rules = plan_missing_data(shared[0].missing_data, max_power_w=max_power_w(shared)).rules
        identity = UnitIdentity(unit.name, bytes.fromhex(unit.channel), bytes.fromhex(unit.source))
        try:
            checks[unit.name] = Check(
                rules,
                signed_hours(outbox, identity),
                signed_statements(outbox, identity),
                tests.get(shared[0].name, KeptTests()),
                BiasRules(
                    low_emitter_cap=shared[0].bias_low_emitter_cap,
                    tested=(shared[0].concentration, shared[0].flow),
                ),
            )
        except StoreError as error:
            raise unreadable(error, use="--verify holds the hours against what was signed") from error
    return checks
