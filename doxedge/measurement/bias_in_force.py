"""Which bias factor the mass of a stack is adjusted by in an hour (40 CFR 75, Appendix A, 7.6.5), and by what right.

The factor is what the site states (`bias_factor`), or that of the last RATAs of the monitors that were used:

    one quantity    the factor of the monitor that measured it; where first and backup both did, the larger one; a
                    backup without a RATA of its own has the factor of the monitor it stands in for
    a mass          the product over its quantities (concentration and flow are tested apart), to three decimals
    before a RATA   what the site states, else 1.000

The record says which, so that whoever has the files of the tests computes it again:

    baf_by:rata:nox_ppb:1.052:<SHA-256 of the test's file>    once for each monitor
    baf_by:site    baf_by:no_rata
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from math import prod
from typing import Final, TypeAlias

from doxedge.measurement.bias_factor import PLACES, factor_at, factor_text
from doxedge.measurement.conversion import PRECISE, reported
from doxedge.measurement.emission import EmissionSettings, MinuteRate
from doxedge.measurement.hour_settings import BACKUP, backup_name
from doxedge.measurement.tests_in_force import KnownTests, RataFactor

BY: Final = "baf_by"
BY_RATA: Final = f"{BY}:rata"
BY_SITE: Final = f"{BY}:site"
NO_RATA: Final = f"{BY}:no_rata"
"""The rule of an hour before the first RATA: nothing is adjusted."""
_STATED: Final = re.compile(r"baf_by:rata:([^:]{1,128}):(\d{1,2}\.\d{3}):([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class InForce:
    """A factor, and the remarks that say by what right."""

    factor: Decimal
    by: tuple[str, ...] = ()
    """Empty where the site's settings state it."""


Bias: TypeAlias = Callable[[Iterable[str]], InForce | None]
"""From the monitors that were used to the factor; None where no factor is in force."""


def bias_in_force(
    settings: EmissionSettings, tests: KnownTests, start_ms: int, stack: str, used: Iterable[str]
) -> InForce | None:
    """The factor of a stack in the hour at `start_ms`, of which the monitors `used` made the mass."""
    stated = factor_at(settings.bias, start_ms, stack)
    if not settings.bias_by_rata:
        return None if stated is None else InForce(stated)
    found = [test for monitor in used if (test := factor_of(monitor, tests, start_ms)) is not None]
    if not found:
        return InForce(Decimal("1.000"), (NO_RATA,)) if stated is None else InForce(stated, (BY_SITE,))
    applied = {test.monitor: _applied(test, settings) for test in found}
    by = {f"{BY_RATA}:{one.monitor}:{factor_text(applied[one.monitor])}:{one.test}" for one in found}
    return InForce(combined(applied), tuple(sorted(by)))


def combined(applied: Mapping[str, Decimal]) -> Decimal:
    """One factor from those of the monitors."""
    by_quantity: dict[str, Decimal] = {}
    for monitor, factor in applied.items():
        quantity = monitor.removeprefix(f"{BACKUP}.")
        by_quantity[quantity] = max(factor, by_quantity.get(quantity, factor))
    with localcontext(PRECISE):
        return reported(prod(by_quantity.values(), start=Decimal(1)), places=PLACES)


def monitors_used(names: Iterable[str], rates: Iterable[MinuteRate]) -> frozenset[str]:
    """The monitors that made these minutes. `names` are the quantities of the stack; without a minute, their own."""
    own, stood_in, minutes = frozenset(names), set[str](), [*rates]
    for rate in minutes:
        stood_in |= rate.backups
    always = {name for name in stood_in if all(name in rate.backups for rate in minutes)}
    return (own - always) | {backup_name(name) for name in stood_in}


def stated_ratas(remarks: Iterable[object], start_ms: int) -> list[RataFactor]:
    """The factors that the remarks of an hour name, as they were applied; of one stack or of several."""
    found = []
    for remark in remarks:
        text = remark[remark.find(f"{BY_RATA}:") :] if isinstance(remark, str) and BY_RATA in remark else ""
        if (said := _STATED.fullmatch(text)) is not None:
            factor = Decimal(said[2])
            found.append(
                RataFactor(
                    monitor=said[1],
                    factor=factor,
                    capped=factor,
                    ended_ms=start_ms,
                    since_ms=start_ms,
                    test=said[3],
                )
            )
    return found


def factor_of(monitor: str, tests: KnownTests, start_ms: int) -> RataFactor | None:
    """The test that gives the factor of a monitor in an hour; None before the first."""
    # 75.20(d): a like-kind replacement analyser reports with the factor of the system it stands in for.
    return tests.rata(monitor, start_ms) or tests.rata(monitor.removeprefix(f"{BACKUP}."), start_ms)


def _applied(test: RataFactor, settings: EmissionSettings) -> Decimal:
    return test.capped if settings.low_emitter_cap else test.factor
