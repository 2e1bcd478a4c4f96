"""How a command ends: the exit codes, and the one exception that carries one."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command. 5 matters: the outcome is unknown, so look before you repeat."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    UNAUTHORISED = 4
    TIMEOUT = 5
    UNVERIFIED = 6
    LOCAL_IO = 7
    INTERRUPTED = 130


class Failure(Exception):
    """A command cannot go on. The text says what is wrong and what to do; the code goes to the shell."""

    def __init__(self, code: Exit, text: str) -> None:
        """Keep the code beside the text."""
        super().__init__(text)
        self.code = code
