"""How every audit reads its file and says what came of it: bounded reads, exit codes, safe text, plain tables."""

from __future__ import annotations

import argparse
import gzip
import io
import json
import sys
import unicodedata
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar, cast

from doxedge.cli.outcome import Exit, Failure
from doxedge.measurement.table_file import MAX_LINE_CHARACTERS, TableError

R = TypeVar("R")

MAX_JSON_BYTES: Final = 16 * 1024 * 1024
"""Some hundred thousand vectors; more is another file, or an attack on memory."""

STANDARD_INPUT: Final = Path("-")
GZIP: Final = b"\x1f\x8b"


def add_verb(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    func: Callable[[argparse.Namespace], int],
    *,
    summary: str,
    description: str,
    epilog: str,
    example: str,
    file: str = "FILE.csv",
) -> argparse.ArgumentParser:
    """A verb with one file and `--output`; where JSON was asked for, a refusal is JSON too."""
    verb = verbs.add_parser(
        name,
        help=summary,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        examples=(example,),
    )
    verb.add_argument("file", metavar=file, type=Path, help="may be packed by gzip; - is standard input")
    verb.add_argument("--output", choices=("table", "json"), default="table")
    verb.set_defaults(func=lambda options: _told(func, options))
    return verb


def _told(func: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    """Run it. What is refused is refused before anything was printed."""
    try:
        return func(options)
    except Failure as failure:
        if options.output == "json":
            print_json({"verdict": "refused", "exit": int(failure.code), "reason": str(failure)})
        raise


def read_table(path: Path, parse: Callable[[Iterator[str]], R]) -> R:
    """What `parse` makes of the lines of a file. Failure 6 when it is not in the layout, 7 when it cannot be read."""
    with _opened(path) as binary:
        file = io.TextIOWrapper(binary, encoding="utf-8", newline="\n")
        try:
            # Bounded reads: a file that is one endless line must not fill the memory before it is refused.
            return parse(iter(lambda: file.readline(MAX_LINE_CHARACTERS + 1), ""))
        except TableError as error:
            raise Failure(Exit.UNVERIFIED, f"{path}: {printable(str(error))}") from error
        finally:
            file.detach()


def read_json(path: Path) -> Any:
    """The content of a JSON file, its numbers as exact decimals. Failure 6 or 7 as above."""
    with _opened(path) as binary:
        data = binary.read(MAX_JSON_BYTES + 1)
        if len(data) > MAX_JSON_BYTES:
            raise Failure(Exit.UNVERIFIED, f"{path}: larger than {MAX_JSON_BYTES} bytes")
        try:
            text = data.decode("utf-8-sig")
            return json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_number)
        except UnicodeDecodeError:
            raise
        except json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            raise Failure(Exit.UNVERIFIED, f"{path}: {where}: not JSON: {error.msg}") from error
        except (ValueError, ArithmeticError, RecursionError) as error:
            raise Failure(Exit.UNVERIFIED, f"{path}: not JSON of ours: {printable(str(error))}") from error


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file or of standard input, unpacked as far as they are read. Failure 6 or 7 as above."""
    try:
        with _standard_input() if path == STANDARD_INPUT else path.open("rb") as file:
            if file.peek(len(GZIP))[: len(GZIP)] == GZIP:
                with gzip.GzipFile(fileobj=file) as unpacked:
                    yield cast("BinaryIO", unpacked)
            else:
                yield file
    except UnicodeDecodeError as error:
        raise Failure(Exit.UNVERIFIED, f"{path}: not a text file in UTF-8 ({error.reason})") from error
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise Failure(Exit.UNVERIFIED, f"{path}: packed by gzip, and damaged: {error}") from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _standard_input() -> nullcontext[io.BufferedReader]:
    """Is not closed: it is not ours."""
    return nullcontext(cast("io.BufferedReader", sys.stdin.buffer))


def print_json(value: object) -> None:
    """For scripts."""
    print(json.dumps(value, indent=2))


def print_rows(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    """For people: aligned columns, two spaces apart; `-` where there is nothing."""
    table = [list(columns), *([cell(row[name]) for name in columns] for row in rows)]
    widths = [max(len(line[place]) for line in table) for place in range(len(columns))]
    for line in table:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def cell(value: object) -> str:
    """One value in a table."""
    return "-" if value is None else printable(str(value))


def printable(text: str) -> str:
    """What a file says must not steer the terminal."""
    return "".join("?" if unicodedata.category(sign).startswith("C") else sign for sign in text)


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def _unreadable(path: Path, error: OSError) -> Failure:
    return Failure(Exit.LOCAL_IO, f"{path}: {error.strerror or error}; check the path and its rights")
