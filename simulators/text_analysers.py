"""Gas analysers that speak: C-Link, AK, Bayern-Hessen, Serinus Advanced and Horiba, each as its real one does."""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from doxedge.analysers.dialects import ak, bayern_hessen, clink, eco_physics, horiba, serinus_advanced
from simulators.faults import FaultKind
from simulators.gas_analysers import Gas
from simulators.text_instrument import TextInstrument

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override


class Simulated42iClink(TextInstrument):
    """Thermo 42i on C-Link: one question for each gas, the unit in every answer."""

    profile = "thermo_42i_clink"
    dialect = "clink"
    usual_unit_id = 42
    unit: str = "ppb"
    ORDERS: Final[Mapping[str, str]] = {
        "set sample": "measure",
        "set zero": "zero",
        "set span": "span",
        "set mode remote": "",
        "set mode local": "",
    }

    @override
    def answer(self, question: Any) -> bytes | None:
        if question.instrument != (self.unit_id or None):
            return None
        said = self._said(question.text)
        return f"{question.text} {said}".encode("ascii") + bytes([clink.CR])

    @override
    def refusal(self, question: Any) -> bytes | None:
        return f"{question.text} {clink.UNKNOWN}".encode("ascii") + bytes([clink.CR])

    def _said(self, command: str) -> str:
        if command in self.ORDERS:
            self.order(self.ORDERS[command] or self.mode)
            return "ok"
        gas = self.gas()
        values: dict[str, float] = {"nox": gas.nox_ppm, "no": gas.no_ppm, "no2": gas.no2_ppm}
        if command in values:
            if self.active(FaultKind.NAN):
                return f"------ {self.unit}"
            value = values[command] if self.is_measuring() else 0.0
            return f"{value:.5f} ppm" if self.unit == "ppm" else f"{1_000 * value:.2f} {self.unit}"
        lit = "off" if self.active(FaultKind.DEVICE_FAULT) else "on"
        model = "49i" if self.active(FaultKind.WRONG_IDENTITY) else "42i"
        others = {
            "gas mode": {"measure": "sample"}.get(self.mode, self.mode),
            "mode": "remote" if self.is_measuring() else "service",
            "ozonator": lit,
            "pmt status": "on",
            "conv temp": "324.6 deg C",
            "pres": "203.5 mmHg",
            "flow": "0.610 l/m",
            "program no": f"iSeries {model} 01.00.01.074",
        }
        return others.get(command, clink.UNKNOWN)


class _AkAnalyser(TextInstrument):
    """One component in ppm, the state by the words of the control commands."""

    dialect = "ak"
    usual_unit_id = 0
    channel: ClassVar[int] = 0
    ORDERS: Final[Mapping[str, str]] = {"SMGA": "measure", "SNGA": "zero", "SEGA": "span"}
    _remote: bool = False

    @property
    @override
    def settings(self) -> dict[str, str]:
        return {"gas_unit": "ppm", "component": "nox"}

    @override
    def answer(self, question: Any) -> bytes | None:
        if not isinstance(question, ak.AkRequest):
            return None
        said = self._told(question.code)
        if said is None:
            said = self._said(question.code) if question.channel == self.channel else "NA"
        if said is None:
            return ak.encode(ak.AkReply("????", self._errors))
        return ak.encode(ak.AkReply(question.code, self._errors, said))

    @override
    def refusal(self, question: Any) -> bytes | None:
        return ak.encode(ak.AkReply(question.code, self._errors, "BS"))

    def _told(self, code: str) -> str | None:
        """What it says to an order, which it takes in remote mode only; None for a question."""
        if code in ("SREM", "SMAN"):
            self._remote = code == "SREM"
            return ""
        if code not in self.ORDERS:
            return None
        if not self._remote:
            return "OF"
        self.order(self.ORDERS[code])
        return ""

    @property
    def _errors(self) -> int:
        return 1 if self.active(FaultKind.DEVICE_FAULT) else 0

    def _said(self, code: str) -> str | None:
        gas = self.gas()
        nox, no = (gas.nox_ppm, gas.no_ppm) if self.is_measuring() else (0.0, 0.0)
        invalid = "#" if self.active(FaultKind.NAN) else ""
        state = {"zero": "SNGA", "span": "SEGA"}.get(self.mode, "SMGA")
        return {
            "AKON": f"{invalid}{nox:.4f} {no:.4f} {self.clock.now_ms() // 100 % 10**8}",
            "ASTZ": f"SREM {state if self.is_measuring() else 'STBY'}",
            "ASTF": "1" if self._errors else "0",
        }.get(code)


class SimulatedNga2000(_AkAnalyser):
    """Emerson NGA 2000, its channel 1."""

    profile = "emerson_nga2000_ak"
    channel = 1

    @property
    @override
    def settings(self) -> dict[str, str]:
        return {**super().settings, "channel": "1"}


class SimulatedCai700(_AkAnalyser):
    """CAI 700 CLD."""

    profile = "cai_700_ak"


class SimulatedServopro(_AkAnalyser):
    """Servomex SERVOPRO NOx."""

    profile = "servomex_servopro_ak"


class SimulatedBayernHessen(TextInstrument):
    """A Serinus 40 in its Bayern-Hessen protocol: NO and NOx in ppb, four digits each."""

    profile = "generic_bayern_hessen"
    dialect = "bayern_hessen"
    usual_unit_id = 0
    CHANNELS: Final = (97, 98)
    _VOLUMETRIC: Final = 1 << 6
    ORDERS: Final[Mapping[str, str]] = {
        bayern_hessen.command(97, "M"): "measure",
        bayern_hessen.command(97, "N"): "zero",
        bayern_hessen.command(97, "K"): "span",
    }

    @property
    @override
    def settings(self) -> dict[str, str]:
        no, nox = map(str, self.CHANNELS)
        end = "cr" if self.dialect.endswith("_cr") else "bcc"
        return {
            "frame_end": end, "no_channel": no, "second_channel": nox, "second_gas": "nox", "gas_unit": "ppb",
        }  # fmt: skip

    @override
    def answer(self, question: Any) -> bytes | None:
        if question in self.ORDERS:
            self.order(self.ORDERS[question])
            return None
        if question not in ("DA", *(bayern_hessen.query(channel) for channel in self.CHANNELS)):
            return None
        gas, live = self.gas(), self.is_measuring()
        status = (
            self._VOLUMETRIC | {"zero": 1 << 2, "span": 1 << 3}.get(self.mode, 0) | (0 if live else 1 << 1)
        )
        error = 1 if self.active(FaultKind.DEVICE_FAULT) else 0
        said = [
            f"{channel:03d} {_four_digits(1_000 * value if live else 0.0)} {status:02X} {error:02X} 000 000000"
            for channel, value in zip(self.CHANNELS, (gas.no_ppm, gas.nox_ppm), strict=True)
            if question in ("DA", bayern_hessen.query(channel))
        ]
        ending = bayern_hessen.Ending.CR if self.dialect.endswith("_cr") else bayern_hessen.Ending.BCC
        return bayern_hessen.encode(f"MD{len(said):02d} {' '.join(said)} ", ending)


class SimulatedCld88p(TextInstrument):
    """Eco Physics CLD 88 p in ppb. It says what is in its cell, and not whether that is test gas."""

    profile = "eco_physics_88p"
    dialect = "eco_physics"
    usual_unit_id = 1

    @property
    @override
    def settings(self) -> dict[str, str]:
        return {"gas_unit": "ppb", "test_gas": "off_line"}

    @override
    def answer(self, question: Any) -> bytes | None:
        if question.instrument != self.unit_id or question.text != "RD0":
            return None
        gas = self.gas()
        values = [gas.no_ppm, gas.nox_ppm, 0.0, 0.0, gas.no2_ppm]
        said = [f"{1_000 * value:.2f}" for value in values]
        if self.active(FaultKind.NAN) or not self.is_measuring():
            said[0] = said[1] = said[4] = "-----"
        return eco_physics.encode(eco_physics.EcoFrame(self.unit_id, ",".join(said)))


class SimulatedSerinus(TextInstrument):
    """Ecotech Serinus 40 in its Advanced protocol, NOx as its second gas, in ppm."""

    profile = "ecotech_serinus40_advanced"
    dialect = "serinus_advanced"
    usual_unit_id = 0
    MODES: Final[Mapping[str, float]] = {"measure": 0.0, "zero": 1.0, "span": 2.0}
    """As it is read, which is not as it is set."""

    @property
    @override
    def settings(self) -> dict[str, str]:
        return {"gas_unit": "ppm", "nox_at": "p51"}

    @override
    def answer(self, question: Any) -> bytes | None:
        if question.instrument != self.unit_id:
            return None
        if question.command == serinus_advanced.SET:
            return self._set(question)
        if question.command != serinus_advanced.READ:
            return None
        values = self._values(self.gas())
        if not all(parameter in values for parameter in question.message):
            return self._refused(2)
        message = b"".join(bytes([p]) + struct.pack(">f", values[p]) for p in question.message)
        frame = serinus_advanced.SerinusFrame(self.unit_id, serinus_advanced.READ, message)
        return serinus_advanced.encode(frame)

    @override
    def refusal(self, question: Any) -> bytes | None:
        return self._refused(5)

    def _set(self, question: Any) -> bytes:
        """An order for the mode; no other parameter is set here."""
        for mode in serinus_advanced.MODES:
            if question == serinus_advanced.mode_request(self.unit_id, mode):
                self.order(mode)
                return serinus_advanced.encode(question)
        return self._refused(2)

    def _refused(self, code: int) -> bytes:
        frame = serinus_advanced.SerinusFrame(self.unit_id, serinus_advanced.REFUSED, bytes([code]))
        return serinus_advanced.encode(frame)

    def _values(self, gas: Gas) -> dict[int, float]:
        is_good = self.is_measuring() and not self.active(FaultKind.NAN)
        kept: Callable[[float], float] = lambda value: value if is_good else math.nan  # noqa: E731 - one line, three uses
        return {
            50: kept(gas.no_ppm),
            51: kept(gas.nox_ppm),
            52: kept(gas.no2_ppm),
            serinus_advanced.MODE: self.MODES[self.mode],
        }


class SimulatedApna370(TextInstrument):
    """Horiba APNA-370 over UDP, in ppb, its rows of digits as another export of the maker's has them."""

    profile = "horiba_apna370"
    dialect = "horiba"
    network = "udp"
    SPAN_DIGIT: Final = 4
    ZERO_DIGIT: Final = 5
    FLOW_DIGIT: Final = 13
    LINES: Final[Mapping[str, str]] = {"0": "measure", "1": "zero", "2": "span"}
    _ROW: Final = 32

    @property
    @override
    def settings(self) -> dict[str, str]:
        return {"gas_unit": "ppb", "zero_digit": str(self.ZERO_DIGIT), "span_digit": str(self.SPAN_DIGIT)}

    @override
    def answer(self, question: Any) -> bytes | None:
        if question.receiver != self.unit_id:
            return None
        if question.command == horiba.CHANGE_LINE and question.data in self.LINES:
            self.order(self.LINES[question.data])
            # What a real one answers behind the code is in no source.
            return horiba.encode(
                horiba.HoribaFrame(self.unit_id, self.unit_id, horiba.CHANGE_LINE, horiba.RIGHT)
            )
        if question.command != "R001" or question.data:
            return None
        gas, live = self.gas(), self.is_measuring()
        values = [
            f"{number:02d}R31 {'------' if self.active(FaultKind.NAN) else f'{1_000 * value if live else 0.0:.1f}'}"
            for number, value in enumerate((gas.no_ppm, gas.no2_ppm, gas.nox_ppm), start=1)
        ]
        operation = {"zero": self.ZERO_DIGIT, "span": self.SPAN_DIGIT}.get(self.mode)
        at_fault = not live or self.active(FaultKind.DEVICE_FAULT) is not None
        rows = [
            _row(16, operation),
            _row(self._ROW, None),
            _row(self._ROW, self.FLOW_DIGIT if at_fault else None),
        ]
        data = ",".join(["00", "20260101120000", *values, *rows])
        return horiba.encode(horiba.HoribaFrame(self.unit_id, self.unit_id, "R001", data))


def _row(digits: int, on: int | None) -> str:
    return "".join("1" if place == on else "0" for place in range(digits))


def _four_digits(value: float) -> str:
    """`+nnnn+ee` for n.nnn times ten to the ee."""
    mantissa, exponent = f"{value:+.3e}".split("e")
    return f"{mantissa.replace('.', '')}{int(exponent):+03d}"
