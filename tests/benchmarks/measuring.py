"""How the benchmarks measure: CPU instead of the clock on the wall, medians of rounds, one JSON on the way out.

CPU time of a process is what a busy machine disturbs least; a ratio of two figures of one run is disturbed less still.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class CpuMeter:
    """CPU seconds of all threads of this process, booked under names, one figure a round."""

    rounds: dict[str, list[float]] = field(default_factory=dict)
    _open: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def book(self, name: str) -> Iterator[None]:
        """What runs inside counts under `name` in this round; several times add up."""
        begun_s = time.process_time()
        try:
            yield
        finally:
            self._open[name] = self._open.get(name, 0.0) + time.process_time() - begun_s

    def move(self, name: str, *, minus: str) -> None:
        """What was booked under `name` includes `minus`, which was booked on its own as well."""
        self._open[name] -= self._open[minus]

    def end_round(self) -> None:
        """Close the round: its sums are one value each."""
        for name, seconds in self._open.items():
            self.rounds.setdefault(name, []).append(seconds)
        self._open.clear()

    def median_us(self, name: str, *, count: int) -> float:
        """Median over the rounds, in microseconds for one of `count` things."""
        return statistics.median(self.rounds[name]) / count * 1e6


def parser(about: str) -> argparse.ArgumentParser:
    """The options that all benchmarks have."""
    program = f"python -m tests.benchmarks.{Path(sys.argv[0]).stem}"
    made = argparse.ArgumentParser(prog=program, description=about)
    made.add_argument("--output", choices=["text", "json"], default="text", help="text is indented JSON")
    made.add_argument("--quick", action="store_true", help="a small run, to see that it runs at all")
    return made


def report(result: dict[str, Any], *, output: str) -> None:
    """Print what came of it."""
    json.dump(result, sys.stdout, indent=None if output == "json" else 2)
    sys.stdout.write("\n")


def rounded(value: float) -> float:
    """Three significant digits: more would pretend."""
    return float(f"{value:.3g}")


def median_of(rounds: Sequence[float]) -> float:
    """The median, rounded for print."""
    return rounded(statistics.median(rounds))


def say(text: str) -> None:
    """Progress, beside the JSON."""
    print(text, file=sys.stderr, flush=True)
