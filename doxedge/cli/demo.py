"""`doxedge demo`: a regulator, two companies, two channels and simulated stacks on this machine."""

from __future__ import annotations

import argparse
import asyncio
import errno
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

from doxedge.cli.command_line import whole_number
from doxedge.cli.outcome import Exit, Failure

SPEED: Final = 720
"""Plant seconds in a real one: an hour takes five."""
LONGEST_SOCKET: Final = "regulator.sock"


def add_parser(nouns: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `demo`."""
    parser = nouns.add_parser(
        "demo",
        help="a regulator, two companies, two channels and simulated stacks on this machine",
        description="Starts real nodes, gateways, a broker and simulated analysers as processes of their own, in "
        "compressed plant time: issues a vintage, commissions, measures, signs, commits, gossips, refuses what must "
        "be refused, kills a node and lets it catch up, and proves one hour with an evidence file.",
        epilog="With --replay the hours of a real unit's file (EPA hourly layout) take the place of the stacks.",
        examples=(
            "doxedge demo",
            "doxedge demo --replay 703_2BLR_2007.csv --output json",
        ),
    )
    parser.add_argument("--output", default="table", choices=("table", "json"))
    parser.add_argument(
        "--broker", default="embedded", metavar="BROKER", help="embedded (default), mosquitto, or HOST:PORT"
    )
    parser.add_argument(
        "--replay", type=Path, default=None, metavar="FILE.csv", help="sign and commit a real year"
    )
    parser.add_argument(
        "--dir", type=Path, default=None, metavar="DIR", help="keep everything here, for a look"
    )
    parser.add_argument(
        "--speed",
        type=whole_number(what="whole number"),
        default=SPEED,
        help=f"plant seconds in a real one (default {SPEED})",
    )
    parser.set_defaults(func=run)


def run(options: argparse.Namespace) -> int:
    """Play one of the two stories and print what came of it."""
    from doxedge.cli.demo_replay import replay
    from doxedge.cli.demo_site import Stage
    from doxedge.cli.demo_story import tell
    from doxedge.cli.demo_view import REPLAY_STEPS, STORY_STEPS, DemoView

    if not 60 <= options.speed <= 3_600:
        raise Failure(Exit.USAGE, "--speed is between 60 and 3600")
    _end_like_ctrl_c(signal.SIGTERM, signal.SIGHUP)
    folder = _folder(options.dir)
    stage = Stage(folder, options.speed)
    try:
        steps = STORY_STEPS if options.replay is None else REPLAY_STEPS
        with DemoView(json_output=options.output == "json", steps=steps) as view:
            if options.replay is not None:
                result = asyncio.run(replay(stage, view, options.broker, options.replay))
            else:
                result = asyncio.run(tell(stage, view, options.broker))
        if options.dir is None:
            result["evidence"]["file"] = str(_keep_evidence(folder))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        text = f"{error.filename or folder} cannot be written: {error.strerror}; give a folder with room with --dir"
        raise Failure(Exit.LOCAL_IO, text) from error
    finally:
        _leave_in_peace()
        stage.stop(*list(stage.processes))
        if options.dir is None:
            shutil.rmtree(folder, ignore_errors=True)
    if options.output == "json":
        json.dump(result, sys.stdout, indent=1)
        sys.stdout.write("\n")
    sound = result["lost"] == 0 and result["doubled"] == 0 and result["evidence"]["verdict"] == "proved"
    return Exit.OK if sound else Exit.UNVERIFIED


def _end_like_ctrl_c(*signals: signal.Signals) -> None:
    """A request to end, or a closed terminal, ends the story and its processes; what is ignored (nohup) stays so."""

    def interrupt(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    # A shell starts background jobs with SIGINT ignored, and the others would then be passed on to nobody.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for each in signals:
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, interrupt)


def _leave_in_peace() -> None:
    """Whoever is impatient and presses Ctrl-C again must not stop the stopping: it takes some seconds at most."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)


def _keep_evidence(folder: Path) -> Path:
    """The evidence file outlives the demo's folder, so that it can be checked by hand."""
    handle, name = tempfile.mkstemp(prefix="doxedge-evidence-", suffix=".cbor")
    os.close(handle)
    shutil.copyfile(folder / "evidence.cbor", name)
    return Path(name)


def _folder(wanted: Path | None) -> Path:
    """A fresh folder, in which a socket can lie."""
    from doxedge.backends.http_client import SOCKET_PATH_BYTES_MAX

    try:
        if wanted is None:
            folder = Path(tempfile.mkdtemp(prefix="doxedge-demo-"))
        else:
            folder = wanted.absolute()
            if folder.exists() and any(folder.iterdir()):
                raise Failure(Exit.USAGE, f"{wanted} is not empty: the demo begins with a fresh folder")
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        where = wanted or tempfile.gettempdir()
        text = f"{where} cannot be used: {error.strerror or error}; give another folder with --dir"
        raise Failure(Exit.LOCAL_IO, text) from error
    if len(os.fsencode(folder / LONGEST_SOCKET)) > SOCKET_PATH_BYTES_MAX:
        text = f"the path {folder} is too long for a socket in it; give a shorter one with --dir"
        if not any(folder.iterdir()):
            folder.rmdir()
        raise Failure(Exit.USAGE, text)
    return folder
