"""What the demo shows while it runs: a live table on a terminal, plain lines where its output is piped."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Final, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

STEPS: Final = 10
"""Lines of a run of the demo: what its progress bar counts."""


class DemoView:
    """Says what happens. Words go to stderr when stdout is kept for JSON."""

    def __init__(self, *, json_output: bool, steps: int = STEPS) -> None:
        """A live table only where somebody can see it."""
        self._stream = sys.stderr if json_output else sys.stdout
        self._console = Console(file=self._stream)
        self._started_s = time.monotonic()
        self._rows: dict[str, str] = {}
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=self._console
        )
        self._task = self._progress.add_task("starting", total=steps)
        self._live = Live(console=self._console, refresh_per_second=4, transient=True)
        self._is_live = self._console.is_terminal and not json_output

    def __enter__(self) -> Self:
        """Begin to draw."""
        if self._is_live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the terminal as it was."""
        if self._is_live:
            self._live.stop()

    def step(self, text: str) -> None:
        """A step of the story is done."""
        self._progress.update(self._task, advance=1, description=text)
        if self._is_live:
            self._live.console.print(text, highlight=False)
            self._draw()
        else:
            print(text, file=self._stream, flush=True)

    def heights(self, rows: Mapping[str, str]) -> None:
        """The live table: a line for each channel or unit."""
        self._rows = dict(rows)
        self._draw()

    @property
    def elapsed_s(self) -> float:
        """Real seconds since the start."""
        return time.monotonic() - self._started_s

    def _draw(self) -> None:
        if not self._is_live:
            return
        table = Table(show_header=False, box=None)
        for name, text in self._rows.items():
            table.add_row(name, text)
        self._live.update(Group(table, self._progress))
