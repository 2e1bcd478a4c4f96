"""The processes of a day: simulators, a node and a gateway, whose lines are stamped with plant time."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doxedge.fieldbus.clock import VARIABLE, CompressedClock
from tests.day.findings import MEASURES, LogLine, Span
from tests.integration.simulated_site import REPOSITORY

START_S_MAX = 60.0
STOP_S_MAX = 60.0
LINE_BYTES_MAX = 1024 * 1024


def environment(clock_text: str) -> dict[str, str]:
    """For all children: the plant's clock, and nothing that would speak to our own service manager."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("NOTIFY_", "WATCHDOG_"))}
    return {**kept, VARIABLE: clock_text}


@dataclass
class Daemon:
    """`doxedge NOUN run`: started, killed and started again."""

    noun: str
    folder: Path
    clock: CompressedClock
    clock_text: str
    runs: int = 0
    kills: int = 0
    lines: list[LogLine] = field(default_factory=list)
    downs: list[Span] = field(default_factory=list)
    """From a kill until the next process measures; where that is still to come, see `killed_ms`."""
    killed_ms: int | None = None
    process: asyncio.subprocess.Process | None = None
    _reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """A new process."""
        self.runs += 1
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "doxedge", self.noun, "run", "--config", str(self.folder / f"{self.noun}.toml"),
            stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, limit=LINE_BYTES_MAX,
            cwd=REPOSITORY, env=environment(self.clock_text),
        )  # fmt: skip
        self._reading = asyncio.create_task(self._read(self.process, self.runs), name=f"log of {self.noun}")

    async def kill(self) -> None:
        """As a power cut does."""
        assert self.process is not None
        self.require_alive()
        self.process.kill()
        await self._end()
        self.kills += 1
        self.killed_ms = self.clock.now_ms()

    async def stop(self) -> int:
        """As systemd does; the exit code."""
        if self.process is None:
            return 0
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            async with asyncio.timeout(STOP_S_MAX):
                return await self._end()
        except TimeoutError:
            self.process.kill()
            return await self._end()

    def require_alive(self) -> None:
        """RuntimeError with the last lines when it ended by itself."""
        if self.process is not None and self.process.returncode is not None:
            last = "\n".join(line.text for line in self.lines[-20:])
            raise RuntimeError(f"the {self.noun} ended by itself with {self.process.returncode}:\n{last}")

    async def _end(self) -> int:
        assert self.process is not None
        code = await self.process.wait()
        if self._reading is not None:
            await self._reading
        return code

    async def _read(self, process: asyncio.subprocess.Process, run: int) -> None:
        assert process.stderr is not None
        with (self.folder / f"{self.noun}.log").open("a", encoding="utf-8") as file:
            while data := await process.stderr.readline():
                line = LogLine(self.clock.now_ms(), run, data.decode(errors="replace").rstrip("\n"))
                self.lines.append(line)
                file.write(f"{line.at_ms} {line.run} {line.text}\n")
                file.flush()
                if self.killed_ms is not None and MEASURES.search(line.text):
                    self.downs.append(Span(self.killed_ms, line.at_ms))
                    self.killed_ms = None


@dataclass
class Simulators:
    """`python -m simulators scenario`; it ends with us."""

    process: asyncio.subprocess.Process
    ready: dict[str, Any]

    @classmethod
    async def start(cls, scenario: Path, clock_text: str, *, log: Path) -> Simulators:
        """The instruments of the scenario, when they listen."""
        with log.open("ab") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "simulators", "scenario", str(scenario), "--output", "json",
                "--until-stdin-closes",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=file,
                cwd=REPOSITORY, env=environment(clock_text),
            )  # fmt: skip
        assert process.stdout is not None
        async with asyncio.timeout(START_S_MAX):
            line = await process.stdout.readline()
        if not line:
            raise RuntimeError(f"the simulators did not start; their log is {log}")
        return cls(process, json.loads(line))

    async def told(self) -> list[dict[str, Any]]:
        """What they injected, line by line, until they end."""
        assert self.process.stdout is not None
        return [json.loads(line) async for line in self.process.stdout]

    async def stop(self) -> None:
        """Close their stdin."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(STOP_S_MAX):
            await self.process.wait()
