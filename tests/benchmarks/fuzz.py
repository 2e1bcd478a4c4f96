"""A million inputs for every decoder: any bytes give a value or the decoder's own error, never a crash or a hang.

    python -m tests.benchmarks.fuzz                        every decoder, guided by coverage where atheris is installed
    python -m tests.benchmarks.fuzz --target canonical     one of them
    python -m tests.benchmarks.fuzz --list                 their names
    python -m tests.benchmarks.fuzz --runs 5000 --engine mutation
    python -m tests.benchmarks.fuzz --resume FILE          keep a record, and skip what it says is done with this code

Each decoder runs in a process of its own. `atheris` (pip install -e ".[fuzz]") grows inputs that reach new code;
without it seeds are mutated at random, with the seed printed. An input that breaks a decoder is written to
`fuzz-<name>.bin` in the folder named by --keep. Exit 0 when nothing broke, 6 otherwise.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib.util
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.benchmarks.fuzz_record import BadRecord, Record, code_digest

if TYPE_CHECKING:
    from tests.benchmarks.fuzz_target import Target

HANG_S: Final = 20
"""No decoder takes milliseconds; so long without the next thousand inputs is a hang."""
CHECK_EVERY: Final = 1_000
COUNT_EVERY: Final = 20_000
TELL_EVERY_S: Final = 30
SAID_CHARACTERS_MAX: Final = 2_000
RSS_MB_MAX: Final = 2_048
NOT_GUIDED: Final = ("doxedge.evidence.frames", "doxedge.evidence.answer_file")
"""Modules that atheris 2.3 miscompiles: with its probes in them, a variable that was assigned is not there."""
TROUBLE: Final = (
    b"\xff" * 8, b"\x00" * 8, b"\x1b" + b"\xff" * 8, b"\x9f", b"\x5f", b"\xd8\x1d", b"\xf9\x7e\x00", b"-",
)  # fmt: skip
"""Lengths and numbers at their ends, open arrays, tags, a NaN, a sign."""


def main(argv: Sequence[str] | None = None) -> int:
    """See the module."""
    options = _options(argv)
    if options.child:
        return _child(options)
    names = [options.target] if options.target else _names()
    if options.list:
        print("\n".join(names))
        return 0
    results = {}
    record, code = options.resume, code_digest()
    for place, name in enumerate(names):
        where = f"[{place + 1}/{len(names)}] {name}"
        result = record and record.done(name, engine=options.engine, runs=options.runs, code=code)
        if result:
            _tell(f"{where}: done before, with {result['runs']} inputs")
        else:
            _tell(where)
            result = _run(name, where, options)
            if record:
                record.add(name, result, engine=options.engine, code=code)
        results[name] = result
        if options.output == "table":
            print(f"{name:28}{result}", flush=True)
    broken = [name for name, result in results.items() if not result["sound"]]
    if options.output == "json":
        json.dump({"engine": options.engine, "targets": results, "broken": broken}, sys.stdout, indent=1)
        print()
    return 6 if broken else 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    guided = importlib.util.find_spec("atheris") is not None
    parser.add_argument(
        "--runs", type=int, default=1_000_000, help="inputs for each decoder (default 1000000)"
    )
    parser.add_argument("--target", default=None, help="only this decoder")
    parser.add_argument(
        "--engine", choices=("atheris", "mutation"), default="atheris" if guided else "mutation"
    )
    parser.add_argument(
        "--seed", type=int, default=None, help="of the random mutations (default: of the time)"
    )
    parser.add_argument(
        "--keep", type=Path, default=Path(tempfile.gettempdir()), help="where a breaking input goes"
    )
    parser.add_argument(
        "--resume", type=lambda name: Record(Path(name)), metavar="FILE", default=None,
        help="a record of the decoders that are done: it is made, added to, and what it holds for this code is skipped",
    )  # fmt: skip
    parser.add_argument("--output", choices=("table", "json"), default="table")
    parser.add_argument("--list", action="store_true", help="the names of the decoders")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.runs < 1:
        parser.error("--runs is at least 1")
    if options.engine == "atheris" and not guided:
        parser.error('atheris is not installed: pip install -e ".[fuzz]", or --engine mutation')
    if options.target is not None and not options.child and options.target not in _names():
        parser.error(f"there is no decoder {options.target!r}; --list names them")
    try:
        options.keep.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--keep: {error}")
    if options.resume is not None:
        try:
            options.resume.done("", engine="", runs=0, code="")
        except (BadRecord, OSError) as error:
            parser.error(f"--resume: {error}")
    if options.seed is None:
        options.seed = time.time_ns() % 2**31
    return options


def _names() -> list[str]:
    from tests.benchmarks.fuzz_targets import targets

    return list(targets())


def _run(name: str, where: str, options: argparse.Namespace) -> dict[str, Any]:
    started_s = time.monotonic()
    said, runs, told_s = "", 0, 0.0
    with subprocess.Popen(
        [
            sys.executable, "-m", "tests.benchmarks.fuzz", "--child", "--target", name, "--runs", str(options.runs),
            "--engine", options.engine, "--seed", str(options.seed), "--keep", str(options.keep),
        ],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    ) as child:  # fmt: skip
        assert child.stdout is not None
        for line in child.stdout:
            said = (said + line)[-SAID_CHARACTERS_MAX:]
            if counted := re.match(r"#(\d+)\s", line):
                seconds = time.monotonic() - started_s
                if seconds >= told_s + TELL_EVERY_S:
                    _tell(f"{where}: {counted[1]} of {options.runs} inputs in {seconds:.0f} s")
                    told_s = seconds
            if counted := re.search(r"Done (\d+) runs", line):
                runs = int(counted[1])
    sound = child.returncode == 0 and runs >= options.runs
    result: dict[str, Any] = {
        "sound": sound, "runs": runs, "seed": options.seed, "seconds": round(time.monotonic() - started_s, 1),
    }  # fmt: skip
    if not sound:
        result["said"] = said
    return result


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _child(options: argparse.Namespace) -> int:
    if options.engine == "atheris":
        return _guided(options)
    from tests.benchmarks.fuzz_targets import targets

    target = targets()[options.target]
    try:
        _mutate(target, options)
    finally:
        faulthandler.cancel_dump_traceback_later()
    print(f"Done {options.runs} runs")
    return 0


def _mutate(target: Target, options: argparse.Namespace) -> None:
    dice = random.Random(options.seed)
    seeds = [*target.seeds, b""]
    for number in range(options.runs):
        if number % CHECK_EVERY == 0:
            faulthandler.dump_traceback_later(HANG_S, exit=True, file=2)
        if number and number % COUNT_EVERY == 0:
            print(f"#{number} inputs", flush=True)
        data = mutated(dice.choice(seeds), dice)[: target.bytes_max]
        try:
            target.run(data)
        except target.may_raise:
            continue
        except BaseException:
            file = options.keep / f"fuzz-{options.target.replace(' ', '-')}.bin"
            file.write_bytes(data)
            print(f"input {number} of seed {options.seed} broke it; kept as {file}", file=sys.stderr)
            raise


def mutated(data: bytes, dice: random.Random) -> bytes:
    """One to eight small changes: flips, other bytes, cuts, copies, and numbers that are known for trouble."""
    changed = bytearray(data)
    for _ in range(dice.randint(1, 8)):
        place = dice.randrange(len(changed) + 1)
        match dice.randrange(6):
            case 0 if changed:
                changed[min(place, len(changed) - 1)] ^= 1 << dice.randrange(8)
            case 1:
                changed[place:place] = dice.randbytes(dice.randint(1, 4))
            case 2:
                del changed[place : place + dice.randint(1, 16)]
            case 3:
                source = dice.randrange(len(changed) + 1)
                changed[place:place] = changed[source : source + dice.randint(1, 64)]
            case 4:
                changed[place : place + 1] = dice.choice(TROUBLE)
            case _:
                changed[place : place + 1] = bytes([dice.randrange(256)])
    return bytes(changed)


def _guided(options: argparse.Namespace) -> int:
    """Coverage-guided; libFuzzer ends the process itself."""
    import atheris

    with atheris.instrument_imports(include=["doxedge"], exclude=[*NOT_GUIDED]):
        from tests.benchmarks.fuzz_targets import targets

        target = targets()[options.target]

    def one_input(data: bytes) -> None:
        try:
            target.run(data)
        except target.may_raise:
            return

    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(target.seeds):
            (Path(folder) / f"seed-{number}").write_bytes(seed)
        artifact = f"{options.keep}/fuzz-{options.target.replace(' ', '-')}-"
        flags = [
            f"-runs={options.runs}", f"-max_len={target.bytes_max}", f"-timeout={HANG_S}", f"-seed={options.seed}",
            f"-rss_limit_mb={RSS_MB_MAX}", f"-artifact_prefix={artifact}", "-print_final_stats=1", folder,
        ]  # fmt: skip
        atheris.Setup([sys.argv[0], *flags], one_input)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
