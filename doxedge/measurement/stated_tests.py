"""What hours say of the tests they rest on, each for itself: to compute them again without those tests."""

from collections.abc import Iterable, Sequence

from doxedge.measurement.bias_in_force import stated_ratas
from doxedge.measurement.calibrated import stated_functions
from doxedge.measurement.tests_in_force import QalFunction, RataFactor


class StatedTests:
    """Of some hours; a `KnownTests`."""

    def __init__(self, hours: Iterable[tuple[int, Sequence[object]]]) -> None:
        """(beginning, remarks) of each hour."""
        self._ratas: dict[tuple[str, int], RataFactor] = {}
        self._functions: dict[tuple[str, int], QalFunction] = {}
        for start_ms, remarks in hours:
            self._ratas |= {(one.monitor, start_ms): one for one in stated_ratas(remarks, start_ms)}
            self._functions |= {(one.monitor, start_ms): one for one in stated_functions(remarks, start_ms)}

    def rata(self, monitor: str, start_ms: int) -> RataFactor | None:
        """The factor that an hour names."""
        return self._ratas.get((monitor, start_ms))

    def function(self, monitor: str, start_ms: int) -> QalFunction | None:
        """The function that an hour names."""
        return self._functions.get((monitor, start_ms))
