"""An instrument that speaks a text dialect on a pty, well or badly, and what it says when it is well."""

from __future__ import annotations

import asyncio
import os
import struct
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from doxedge.analysers.dialects import ak, bayern_hessen, codec, eco_physics, horiba, serinus_advanced
from doxedge.analysers.question import Phrase
from doxedge.fieldbus.serial_link import SerialLink, SerialSettings

HORIBA_DATA = f"00,20260101120000,01R31  57.62,02R31  25.58,03R31  83.2,{'0' * 16},{'0' * 32},{'0' * 32}"
"""As an APNA-370 says it."""

PHRASES = {
    "ak": Phrase(0, "ak", "AKON K0"),
    "bayern_hessen": Phrase(0, "bayern_hessen", "DA"),
    "bayern_hessen_cr": Phrase(0, "bayern_hessen_cr", "DA"),
    "clink": Phrase(42, "clink", "nox"),
    "serinus_advanced": Phrase(1, "serinus_advanced", "50 51 52"),
    "horiba": Phrase(1, "horiba", "R001"),
    "eco_physics": Phrase(1, "eco_physics", "RD0"),
}
"""One question of each dialect."""


def clink_sum(line: bytes) -> bytes:
    """Format 01: the line with its sum."""
    body = line + b"\n"
    return body + f"sum {sum(body) & 0xFFFF:04x}\r".encode("ascii")


ANSWERS = {
    "ak": ak.encode(ak.AkReply("AKON", 0, "57.62 83.2")),
    "bayern_hessen": bayern_hessen.encode("MD01 000 +5762+01 04 02 000 000000"),
    "bayern_hessen_cr": bayern_hessen.encode("MD01 000 +5762+01 04 02 000 000000", bayern_hessen.Ending.CR),
    "clink": b"nox 83.2 ppb\r",
    "serinus_advanced": serinus_advanced.encode(
        serinus_advanced.SerinusFrame(
            1,
            1,
            b"".join(bytes([p]) + struct.pack(">f", v) for p, v in ((50, 57.5), (51, 83.25), (52, 25.75))),
        )
    ),
    "horiba": horiba.encode(horiba.HoribaFrame(1, 1, "R001", HORIBA_DATA)),
    "eco_physics": eco_physics.encode(eco_physics.EcoFrame(1, "57.62,83.2,0,0,25.58")),
}
"""What a sound instrument says to it."""

OTHERS = {
    "ak": ak.encode(ak.AkReply("ASTZ", 0, "SREM")),
    "bayern_hessen": bayern_hessen.encode("OK 000"),
    "bayern_hessen_cr": bayern_hessen.encode("OK 000", bayern_hessen.Ending.CR),
    "clink": b"no2 83.2 ppb\r",
    "serinus_advanced": serinus_advanced.encode(
        serinus_advanced.SerinusFrame(1, 1, bytes([50]) + struct.pack(">f", 57.5))
    ),
    "horiba": horiba.encode(horiba.HoribaFrame(1, 1, "R037", "57.62")),
    "eco_physics": eco_physics.encode(eco_physics.EcoFrame(2, "57.62,83.2,0,0,25.58")),
}
"""A sound frame that answers another question, or comes from another instrument."""

REFUSALS = {
    "ak": (ak.encode(ak.AkReply("AKON", 0, "BS")), "busy"),
    "clink": (b"nox bad cmd\r", "bad cmd"),
    "serinus_advanced": (
        serinus_advanced.encode(serinus_advanced.SerinusFrame(1, 0, bytes([5]))),
        "busy",
    ),
}
"""What an instrument says that will not, and the word for it."""


@dataclass(slots=True)
class TextInstrument:
    """Calls `behave` with the bytes of each question; `say` puts bytes on the line."""

    behave: Callable[[TextInstrument, bytes], None]
    heard: list[bytes] = field(default_factory=list)
    say: Callable[[bytes], None] = lambda data: None
    question: bytes = b""
    _inbox: bytearray = field(default_factory=bytearray)

    def hear(self, data: bytes) -> None:
        self._inbox += data
        while len(self._inbox) >= len(self.question):
            self.heard.append(bytes(self._inbox[: len(self.question)]))
            del self._inbox[: len(self.question)]
            self.behave(self, self.heard[-1])


@asynccontextmanager
async def text_instrument(
    phrase: Phrase, behave: Callable[[TextInstrument, bytes], None]
) -> AsyncIterator[tuple[TextInstrument, SerialLink]]:
    """The instrument on the far end of a pty, and a link on the near end."""
    far, near = os.openpty()
    tty.setraw(far)
    tty.setraw(near)
    os.set_blocking(far, False)
    instrument = TextInstrument(behave, question=codec.encode(phrase))
    loop = asyncio.get_running_loop()

    def say(data: bytes) -> None:
        with suppress(OSError):
            os.write(far, data)

    def listen() -> None:
        with suppress(OSError):
            instrument.hear(os.read(far, 4_096))

    instrument.say = say
    loop.add_reader(far, listen)
    link = SerialLink(SerialSettings(os.ttyname(near), baud=115_200))
    try:
        yield instrument, link
    finally:
        link.close()
        loop.remove_reader(far)
        os.close(far)
        os.close(near)
