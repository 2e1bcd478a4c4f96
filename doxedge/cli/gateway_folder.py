"""How a command finds a gateway on this machine: the folder of its stores, and the socket at which it answers."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from doxedge.analysers.configuration import ConfigError
from doxedge.cli.ask_node import JOIN_THE_GROUP
from doxedge.cli.outcome import Exit, Failure
from doxedge.cli.streams import shows_all_signs
from doxedge.gateway.accounts import owner_of, run_as

if TYPE_CHECKING:
    from rich.console import RenderableType

    from doxedge.store.errors import StoreError

DEFAULT_CONFIG: Final = Path("/etc/doxedge/gateway.toml")
ANSWER_S_MAX: Final = 10.0
ANSWER_BYTES_MAX: Final = 8 * 1024 * 1024
_RULE_AND_PADDING: Final = 3
"""Of a column of a table: the rule before it, and a blank on both sides."""
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def add_place(parser: argparse.ArgumentParser, *, outputs: Sequence[str] = ("table", "json")) -> None:
    """The flags that say which gateway is meant, and in which form the answer is wanted."""
    parser.add_argument(
        "--config",
        type=Path,
        default=DEFAULT_CONFIG,
        metavar="FILE",
        help=f"the gateway's file, which names its state folder; default: {DEFAULT_CONFIG}",
    )
    parser.add_argument(
        "--state",
        type=Path,
        metavar="DIR",
        help="the state folder itself, for whoever may not read the file: /var/lib/doxedge for the service",
    )
    parser.add_argument("--output", default="table", choices=outputs, help="default: table")


def folder_of(options: argparse.Namespace) -> Path:
    """Where the gateway's stores lie. Raises Failure (2) for a file that does not say it."""
    from doxedge.gateway.settings import find_state_dir

    if options.state is not None:
        return Path(options.state) / "gateway"
    try:
        return find_state_dir(options.config) / "gateway"
    except ConfigError as error:
        raise Failure(Exit.USAGE, f"{error}; or name the state folder with --state") from error


def ask(folder: Path, question: Mapping[str, object], *, changes: bool = False) -> dict[str, Any]:
    """The running gateway's answer.

    Raises Failure: 3 when nobody answers, 4 when we may not ask, 5 when a question that `changes` something had no
    answer in time.
    """
    from doxedge.gateway.operator_door import SOCKET_NAME

    path = folder / SOCKET_NAME
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(ANSWER_S_MAX)
            line.connect(str(path))
            line.sendall(json.dumps(question, ensure_ascii=False).encode() + b"\n")
            with line.makefile("rb") as answers:
                answer = json.loads(answers.readline(ANSWER_BYTES_MAX))
    except PermissionError as error:
        raise Failure(Exit.UNAUTHORISED, f"{path}: {error.strerror}; {JOIN_THE_GROUP}") from error
    except TimeoutError as error:
        code = Exit.TIMEOUT if changes else Exit.UNREACHABLE
        text = f"the gateway did not answer within {ANSWER_S_MAX:.0f} s; look before you repeat"
        raise Failure(code, text) from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        text = f"no gateway answers at {path}: {why}; is it running? (systemctl status doxedge)"
        raise Failure(Exit.UNREACHABLE, text) from error
    if not isinstance(answer, dict):
        raise Failure(Exit.UNREACHABLE, f"what answers at {path} is no gateway")
    return answer


def unreadable(error: StoreError, *, use: str = "") -> Failure:
    """A file of the gateway's that cannot be read from beside it. `use` says what it is needed for."""
    from doxedge.store.errors import Kind

    told = f"{error}; {use}" if use else str(error)
    if error.kind is Kind.ABSENT:
        text = f"{told}: no gateway has run here yet, or name its place with --config or --state"
        return Failure(Exit.LOCAL_IO, text)
    if error.kind is Kind.PERMISSION and (owner := owner_of(error.path)) not in (None, os.geteuid()):
        return Failure(Exit.UNAUTHORISED, f"{told}; it belongs to the service: {run_as(owner or 0)}")
    return Failure(Exit.LOCAL_IO, told)


@dataclass(frozen=True, slots=True)
class Section:
    """A table with its title, for a terminal or a pipe."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    nothing: str
    """What is said when there is no row."""

    def lines(self) -> list[str]:
        """Aligned columns, two spaces apart."""
        if not self.rows:
            return [self.nothing]
        table = [[*self.columns], *([printable(cell) for cell in row] for row in self.rows)]
        widths = [max(len(row[place]) for row in table) for place in range(len(self.columns))]
        return [
            "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in table
        ]


def print_section(section: Section) -> None:
    """As a table on a terminal, as plain lines in a pipe."""
    if sys.stdout.isatty() and section.rows:
        from rich.console import Console

        console = Console()
        console.print(rich_section(section, width=console.width))
    else:
        print("\n".join(section.lines()))


def rich_section(section: Section, *, width: int) -> RenderableType:
    """The section for a terminal of so many columns; where no table fits that has its words whole, row by row."""
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    widths = _widths(section, width)
    if widths is not None:
        table = Table(title=escape(section.title), title_justify="left")
        for name, columns in zip(section.columns, widths, strict=True):
            table.add_column(escape(name), width=columns)
        for row in section.rows:
            table.add_row(*(escape(printable(cell)) for cell in row))
        return table
    lines: list[RenderableType] = [Text(section.title, style="italic")]
    for row in section.rows:
        card = Table.grid(padding=(0, 2))
        card.add_column(no_wrap=True, style="bold")
        card.add_column(overflow="fold")
        for name, cell in zip(section.columns, row, strict=True):
            if cell:
                card.add_row(escape(name), escape(printable(cell)))
        lines += [card, Text()]
    return Group(*lines)


def _widths(section: Section, width: int) -> list[int] | None:
    """How wide the columns of a table are, so that no word is broken; None where they cannot be."""
    from rich.cells import cell_len

    cells = [
        [name, *(printable(row[place]) for row in section.rows)] for place, name in enumerate(section.columns)
    ]
    widths = [max(cell_len(word) for cell in column for word in cell.split() or [""]) for column in cells]
    spare = width - sum(widths) - _RULE_AND_PADDING * len(cells) - 1
    if spare < 0:
        return None
    wanted = [
        max(cell_len(cell) for cell in column) - least for column, least in zip(cells, widths, strict=True)
    ]
    order = sorted(range(len(cells)), key=wanted.__getitem__)
    for done, place in enumerate(order):  # whoever wants little gets it all, and the others share the rest
        given = min(wanted[place], spare // (len(order) - done))
        widths[place] += given
        spare -= given
    return widths


def print_json(value: object) -> None:
    """One document on stdout."""
    json.dump(value, sys.stdout, indent=1, ensure_ascii=not shows_all_signs())
    sys.stdout.write("\n")


def printable(text: str) -> str:
    """Without what a terminal would obey: some of it comes from instruments."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def utc(at_ms: int | None) -> str:
    """To the second, UTC; a dash for never, the bare number where no calendar reaches."""
    if at_ms is None:
        return "–"
    try:
        return (_EPOCH + dt.timedelta(milliseconds=at_ms)).strftime("%Y-%m-%d %H:%M:%S")
    except OverflowError:
        return f"{at_ms} ms"


def length(ms: int) -> str:
    """A length of time in the two largest units that it has: `3 d 4 h`, `7 min 5 s`."""
    parts = []
    for name, size_ms in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000)):
        count, ms = divmod(ms, size_ms)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"
