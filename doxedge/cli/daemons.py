"""What the commands that run until they are stopped have in common: signals, log lines, exit codes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from doxedge.analysers.configuration import ConfigError
from doxedge.cli.heap import give_back_forever
from doxedge.cli.outcome import Exit, Failure
from doxedge.signing.algorithms import UnfitLibrary
from doxedge.store.errors import StoreError


def configure_logging(level: str) -> None:
    """One line per event on stderr; the journal adds time and unit, a terminal gets the time here."""
    timed = "%(asctime)s " if sys.stderr.isatty() else ""
    logging.basicConfig(
        level=level.upper(),
        stream=sys.stderr,
        format=timed + "%(levelname)s %(name)s: %(message)s",
        force=True,
    )


async def run_until_signal(
    daemon: Coroutine[Any, Any, None], *, on_hang_up: Callable[[], None] | None = None
) -> int:
    """Run `daemon` until it ends, or until SIGTERM or SIGINT asks it to; then let it finish its cleaning up.

    `on_hang_up` is called at SIGHUP, which otherwise ends the process.

    Raises Failure for a wrong configuration or installation (exit code 2) and for a disk that cannot be used (7).
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(daemon, name="daemon")
    tidying = loop.create_task(give_back_forever(), name="memory")
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    if on_hang_up is not None:
        loop.add_signal_handler(signal.SIGHUP, on_hang_up)
    try:
        await task
    except asyncio.CancelledError:
        return Exit.OK
    except BaseExceptionGroup as group:
        raise _first_known(group) from group
    except (ConfigError, UnfitLibrary, StoreError) as error:
        raise _as_failure(error) from error
    finally:
        tidying.cancel()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with contextlib.suppress(ValueError, RuntimeError):
                loop.remove_signal_handler(number)
    return Exit.OK


def _first_known(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The operator's or the disk's fault inside a task group, as a Failure; anything else is a bug and stays one."""
    known = group.subgroup((ConfigError, UnfitLibrary, StoreError))
    while known is not None:
        first = known.exceptions[0]
        if isinstance(first, BaseExceptionGroup):
            known = first
            continue
        return _as_failure(first)
    return group


def _as_failure(error: BaseException) -> Failure:
    return Failure(Exit.LOCAL_IO if isinstance(error, StoreError) else Exit.USAGE, str(error))
