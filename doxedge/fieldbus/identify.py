"""Is this the instrument that the map describes? Asked before its first value, and again after every outage."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, runtime_checkable

from doxedge.analysers.driver import Driver
from doxedge.analysers.question import DeviceException, Outcome, Request, Unanswered
from doxedge.fieldbus.modbus_pdu import exception_text
from doxedge.measurement.sample import Reason

QUESTIONS_MAX: Final = 64
"""More than any search in this product needs; a driver that goes on asking is at fault."""

Ask = Callable[[Sequence[Request]], Awaitable[list[Outcome]]]
"""Asks some questions and brings one outcome for each; the first failure of the line ends the asking."""


@runtime_checkable
class SearchingDriver(Driver, Protocol):
    """A driver whose registers have no fixed place. The search is a function of the outcomes so far."""

    def search(self, told: Sequence[Outcome]) -> Request | Driver | str:
        """The next question; the driver of the device that was found; or why it is not there."""
        ...


async def identify(driver: Driver, ask: Ask) -> Driver | Unanswered:
    """The driver to read the device with, or why nothing may be read from it.

    A line failure keeps its own reason. A device that contradicts the map is a device fault, in words for the operator.
    """
    if isinstance(driver, SearchingDriver):
        return await _search(driver, ask)
    checks = driver.identity_requests()
    found = await ask(checks)
    failure = line_failure(found)
    if failure is not None:
        return failure
    contradiction = driver.check_identity(found)
    if contradiction is None:
        return driver
    return Unanswered(checks[0], Reason.DEVICE_FAULT, contradiction)


async def _search(driver: SearchingDriver, ask: Ask) -> Driver | Unanswered:
    told: list[Outcome] = []
    for _ in range(QUESTIONS_MAX):
        step = driver.search(told)
        if isinstance(step, str):
            return Unanswered(told[-1].request, Reason.DEVICE_FAULT, step)
        if not isinstance(step, Request):
            return step
        told += await ask([step])
        failure = line_failure(told)
        if failure is not None:
            return failure
    return Unanswered(told[-1].request, Reason.DEVICE_FAULT, f"not found after {QUESTIONS_MAX} questions")


def line_failure(outcomes: Sequence[Outcome]) -> Unanswered | None:
    """The first outcome that means `the device is not there`; an ordinary exception means that it is."""
    for outcome in outcomes:
        if isinstance(outcome, Unanswered):
            return outcome
        if isinstance(outcome, DeviceException) and outcome.means_silence:
            return Unanswered(outcome.request, Reason.COMMS, exception_text(outcome.code))
    return None
