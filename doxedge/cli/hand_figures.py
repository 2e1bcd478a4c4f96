"""The verifier's own figures: a CSV with the start of an hour and the whole grams that he found by hand."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path
from typing import Final

from doxedge.cli.ask_node import EPOCH
from doxedge.cli.outcome import Exit, Failure
from doxedge.quantity import HOUR_MS, MAX_AMOUNT_G

HAND_COLUMNS: Final = ("start", "nox_g")
FILE_BYTES_MAX: Final = 64 * 1024
_DIGITS_MAX: Final = 15


def read_hand(path: Path) -> dict[int, int]:
    """start_ms to whole grams. Raises Failure that names the line."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise Failure(Exit.LOCAL_IO, f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise Failure(Exit.USAGE, f"{path} is not UTF-8 text: {error}") from error
    if len(data) > FILE_BYTES_MAX:
        raise Failure(Exit.USAGE, f"{path} is longer than {FILE_BYTES_MAX} bytes")
    try:
        return parse_hand(text)
    except ValueError as error:
        raise Failure(Exit.USAGE, f"{path}, {error}") from error


def parse_hand(text: str) -> dict[int, int]:
    """start_ms to whole grams. Raises ValueError that names the line."""
    found: dict[int, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        try:
            row = next(csv.reader([line], strict=True), [])
            if not any(cell.strip() for cell in row):
                continue
            if number == 1:
                _require_header(row)
            else:
                _add_figure(found, row)
        except (ValueError, csv.Error) as error:
            raise ValueError(f"line {number}: {error}") from error
    return found


def _add_figure(found: dict[int, int], row: list[str]) -> None:
    start_ms, nox_g = _figure(row)
    if start_ms in found:
        raise ValueError(f"hour {row[0].strip()} stands there twice")
    found[start_ms] = nox_g


def _require_header(row: list[str]) -> None:
    if tuple(cell.strip() for cell in row) != HAND_COLUMNS:
        raise ValueError(f"the first line is {','.join(HAND_COLUMNS)}")


def _figure(row: list[str]) -> tuple[int, int]:
    if len(row) != len(HAND_COLUMNS):
        raise ValueError(f"{len(row)} cells, {','.join(HAND_COLUMNS)} are wanted; grams have no separators")
    start, grams = (cell.strip() for cell in row)
    if not grams:
        raise ValueError(f"hour {start} is not filled in")
    if not (grams.isascii() and grams.isdigit() and len(grams) <= _DIGITS_MAX and int(grams) <= MAX_AMOUNT_G):
        raise ValueError(f"`{grams}` is no number of whole grams")
    return start_of_hour(start), int(grams)


def start_of_hour(text: str) -> int:
    """`2026-01-31T13:00`, UTC, in milliseconds. Raises ValueError for what is no start of an hour."""
    try:
        given = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"`{text}` is no time; write 2026-01-31T13:00, UTC") from None
    moment = given.replace(tzinfo=dt.UTC) if given.tzinfo is None else given
    at_ms = (moment - EPOCH) // dt.timedelta(milliseconds=1)
    if at_ms < 0 or at_ms % HOUR_MS:
        raise ValueError(f"`{text}` is no start of an hour")
    return at_ms
