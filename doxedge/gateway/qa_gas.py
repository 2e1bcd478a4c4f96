"""The gas of a unit's instruments: which are told to take some, and which may be on it although no check goes on."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

from doxedge.gateway.qa_check import Check
from doxedge.gateway.qa_ports import Command
from doxedge.measurement.calibration_run import Gas

log = logging.getLogger(__name__)

MEASURE = "measure"
"""The command that puts an instrument back to stack gas."""
COMMANDS = {Gas.ZERO: "zero", Gas.UPSCALE: "span"}


class GasLines:
    """Of the instruments whose gas the gateway switches, and of those that switch it themselves."""

    def __init__(self, command: Command) -> None:
        """`command` tells an instrument what to do."""
        self.left_on: set[str] = set()
        """Devices whose last check is over and whose flags are still on."""
        self._to_put_back: set[str] = set()
        """Devices that a run before this one may have left on gas."""
        self._command = command

    async def ask_for(self, check: Check, gas: Gas) -> None:
        """Tell the instrument which gas is wanted; one that does not obey ends the check."""
        check.asked = gas  # Before it is told: whoever is interrupted here has to put it back.
        wrong = await self._tell(check.device, COMMANDS[gas])
        if wrong is not None:
            check.refused = True
            check.run.end(f"the instrument does not take the command for {gas} gas: {wrong}")

    async def end(self, check: Check) -> None:
        """The check is over: the instrument that was told to take gas is put back to stack gas."""
        if not check.driven or check.asked is None:
            return
        wrong = await self._tell(check.device, MEASURE)
        if wrong is None:
            check.asked = None
        else:
            log.error(
                "%s may still be on gas: it does not take the command to measure: %s", check.device, wrong
            )

    async def put_back(self, checks: Iterable[Check]) -> None:
        """The instruments of these checks are put back to stack gas, as well as it goes."""
        for check in checks:
            if check.driven and check.asked is not None:
                await self._tell(check.device, MEASURE)

    def was_left(self, device: str) -> None:
        """A run before this one ended while the device was on gas."""
        # The gas that still flows is of the check that was aborted, and begins no other.
        self.left_on.add(device)
        self._to_put_back.add(device)

    async def put_back_left(self, under_way: Collection[str]) -> None:
        """Devices that were left on gas are put back, but those `under_way` with another check."""
        for device in [*self._to_put_back]:
            if device in under_way or await self._tell(device, MEASURE) is None:
                self._to_put_back.discard(device)

    async def _tell(self, device: str, command: str) -> str | None:
        wrong = await self._command(device, command)
        log.info("%s was told: %s%s", device, command, f": {wrong}" if wrong else "")
        return wrong
