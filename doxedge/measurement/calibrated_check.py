"""Hold the calibration functions that a signed hour names against the QAL2 on record, each computed from its file.

The mass of the hour follows from its raw samples and these functions; here stand only the functions.
"""

from collections.abc import Iterable, Sequence

from doxedge.measurement.calibrated import CALIBRATED, UNCALIBRATED, stated, stated_functions
from doxedge.measurement.recipe_check import Recomputed
from doxedge.measurement.tests_in_force import KnownTests


def check_functions(
    remarks: Sequence[object], *, start_ms: int, tests: KnownTests
) -> tuple[Recomputed, str] | None:
    """The verdict on one measured hour, and what was found; None where it says nothing of functions."""
    said = [word for word in remarks if isinstance(word, str)]
    named = [word for word in said if word.startswith(f"{CALIBRATED}:")]
    bare = [word.partition(":")[2] for word in said if word.startswith(f"{UNCALIBRATED}:")]
    if not named and not bare:
        return None
    wrong = next(iter(_wrong(named, bare, start_ms, tests)), None)
    if wrong is not None:
        return Recomputed.DIFFERS, wrong
    monitors = [one.monitor for one in stated_functions(named, start_ms)]
    told = [f"calibrated by the QAL2 of {', '.join(monitors)}"] if monitors else []
    told += [f"{', '.join(bare)} as read, before the first QAL2"] if bare else []
    return Recomputed.PROVED, "; ".join(told)


def _wrong(named: Sequence[str], bare: Sequence[str], start_ms: int, tests: KnownTests) -> Iterable[str]:
    functions = stated_functions(named, start_ms)
    if len(functions) != len(named):
        yield "what the hour says of its calibration functions cannot be read"
    for one in functions:
        held = tests.function(one.monitor, start_ms)
        if held is None or held.test != one.test:
            yield f"the QAL2 of {one.monitor} that the hour names ({one.test[:16]}) was not in force"
        elif stated(held) != stated(one):
            yield f"the file of the QAL2 of {one.monitor} gives another function"
    for monitor in bare:
        if (held := tests.function(monitor, start_ms)) is not None:
            yield f"{monitor} counts as read, and the QAL2 {held.test[:16]} was in force"
