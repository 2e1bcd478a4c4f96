"""What all simulated instruments share, whatever they speak: the plant they see, the time, and their faults."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, Final

from doxedge.fieldbus.clock import Clock
from simulators.disturbances import disturbed, sensitivity
from simulators.faults import Fault, FaultKind, WireFaults
from simulators.stack import Plant, StackState

LATE_MS_BY_DEFAULT: Final = 1_500


class SimulatedDevice(ABC):
    """One instrument before one plant."""

    profile: str = ""
    """Name of the map that reads it."""
    usual_unit_id: ClassVar[int] = 1
    """Its number on a line when nobody gave it another."""

    def __init__(
        self,
        plant: Plant,
        clock: Clock,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        unit_id: int | None = None,
        faults: Iterable[Fault] = (),
        serial: bool = False,
    ) -> None:
        self.plant = plant
        self.clock = clock
        self.host = host
        self.port = port
        self.unit_id = self.usual_unit_id if unit_id is None else unit_id
        self.faults = list(faults)
        """May be changed while it runs."""
        self.serial = serial
        self.serial_port = ""
        """The end of the cable for whoever asks, while it runs as serial."""
        self._wire = WireFaults("rtu" if serial else "tcp")

    @property
    def settings(self) -> dict[str, str]:
        """What the site has to tell the gateway about this instrument."""
        return {}

    @abstractmethod
    async def start(self) -> int:
        """Listen; the port, which is a free one when it was 0, or 0 for a serial one."""

    @abstractmethod
    async def stop(self) -> None:
        """No longer."""

    def active(self, kind: FaultKind) -> Fault | None:
        """The fault of that kind that is on now."""
        if not self.faults:
            return None
        now_ms = self.clock.now_ms()
        return next((fault for fault in self.faults if fault.kind is kind and fault.is_on(now_ms)), None)

    @property
    def sensitivity(self) -> float:
        """By how much it reads too much of a gas from a bottle."""
        return sensitivity(self.clock.now_ms(), self.faults)

    def observed(self) -> tuple[StackState, int]:
        """What the instrument sees: the plant now, or when the instrument got stuck; with its disturbances."""
        stuck = self.active(FaultKind.STUCK) or self.active(FaultKind.HELD)
        at_ms = self.clock.now_ms() if stuck is None else stuck.from_ms
        on = [fault for fault in self.faults if fault.is_on(at_ms)]
        return disturbed(self.plant.state, at_ms, on, seed=self.unit_id), at_ms
