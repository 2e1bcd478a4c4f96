"""Standard output and error as they are found: closed, full, or of a terminal that does not know all signs."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
from pathlib import Path
from typing import Final

STAND_INS: Final = {"–": "-", "…": "...", "≥": ">=", "≤": "<="}
"""What stands for a sign of ours where it cannot be shown. Any other is told as JSON tells it."""
_HANDLER: Final = "doxedge.stand-ins"


def prepare() -> None:
    """Make both streams such that writing text never fails for what the text says."""
    codecs.register_error(_HANDLER, _stand_in)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # Closed by whoever started us. Its number must not go to a file, which a library's words would end up in.
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - never closed
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def shows_all_signs() -> bool:
    """Whether standard output takes any text as it is."""
    return (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")


def is_full() -> bool:
    """Whether what waits for standard output cannot be written."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        return True
    return False


def is_buffered() -> bool:
    """Whether what could not be written waits for another try (not with PYTHONUNBUFFERED)."""
    return isinstance(getattr(sys.stdout, "buffer", None), io.BufferedIOBase)


def let_go_of_stdout() -> None:
    """Point it elsewhere, or the interpreter complains at exit about what it still holds."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(STAND_INS.get(sign) or _as_json(sign) for sign in signs), error.end


def _as_json(sign: str) -> str:
    """`\\u00e9`; two of them for a sign beyond 16 bits."""
    data = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[place : place + 2].hex()}" for place in range(0, len(data), 2))
