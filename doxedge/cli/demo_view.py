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

STORY_STEPS: Final = 9
REPLAY_STEPS: Final = 4
"""Lines of the two stories: what the progress bar counts."""


class DemoView:
    """Says what happens. Words go to stderr when stdout is kept for JSON."""

    def __init__(self, *, json_output: bool, steps: int) -> None:
        """A live table only where somebody can see it."""
        self._stream = sys.stderr if json_output else sys.stdout
        self._console = Console(file=self._stream)
        self._started_s = time.monotonic()
        self._rows: dict[str, str] = {}
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=self._console
        )
        self._task = self._progress.add_task(f"step 0 of {steps}", total=steps)
        self._done, self._steps = 0, steps
        self._live = Live(console=self._console, refresh_per_second=4, transient=True)
        self.is_live = self._console.is_terminal and not json_output
        """Whether anybody sees the table."""

    def __enter__(self) -> Self:
        """Begin to draw."""
        if self.is_live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the terminal as it was."""
        if self.is_live:
            self._live.stop()

    def step(self, text: str) -> None:
        """A step of the story is done."""
        self._done += 1
        description = f"step {self._done} of {self._steps}"
        self._progress.update(self._task, completed=self._done, description=description)
        if self.is_live:
            self._live.console.print(text, highlight=False)
            self._draw()
        else:
            print(text, file=self._stream, flush=True)

    def table(self, rows: Mapping[str, str]) -> None:
        """The live table: a line for each channel and unit."""
        self._rows = dict(rows)
        self._draw()

    @property
    def elapsed_s(self) -> float:
        """Real seconds since the start."""
        return time.monotonic() - self._started_s

    def _draw(self) -> None:
        if not self.is_live:
            return
        table = Table(show_header=False, box=None)
        for name, text in self._rows.items():
            table.add_row(name, text)
        self._live.update(Group(table, self._progress))
