"""`doxedge gateway calibrate` and `qa` before a real gateway and a simulated analyser; the record read beside it."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from doxedge.cli.main import main
from doxedge.store.hours import HourStore
from doxedge.store.qa import QaStore
from doxedge.store.qa_rows import QaDraft, QaKind
from tests.cli.plant_box import REPOSITORY, process
from tests.cli.test_gateway_status import PATIENCE_S, doxedge
from tests.gateway.calibrations import calibration_text
from tests.gateway.key_files import write_key
from tests.gateway.test_qa_due import Q4_MS, past
from tests.gateway.waiting import until
from tests.integration.simulated_site import simulated_site
from tests.measurement.qa_layouts import LINEARITY, RATA, linearity, runs

WHO = ("--unit", "alpha-1", "--quantity", "nox_ppb", "--name", "A. Person", "--reason", "quarterly")


async def recorded(folder: Path) -> None:
    (folder / "gateway").mkdir()
    async with await QaStore.open(folder / "gateway" / "qa.db", now_ms=0) as store:

        def draft(about: QaKind, begun: int | None = None, **body: object) -> QaDraft:
            return QaDraft(
                kind=about, unit="alpha-1", quantity="nox_ppb", at_ms=60_000, body=body, begun=begun
            )

        test: dict[str, Any] = {
            "kind": "linearity",
            "verdict": "PASSED",
            "day": "2026-01-01",
            "name": "A",
            "told": "errors",
        }

        (begun,) = await store.append([draft(QaKind.BEGUN, gases=["zero"], origin="schedule", by="")])
        gas = {"gas": "zero", "error": "0.1", "verdict": "PASSED"}
        await store.append(
            [
                draft(QaKind.CHECK, begun.number, end="partial", gases=[gas], why=""),
                draft(QaKind.HOUR, standing="in control"),
                draft(QaKind.STANDING, standing="out of control: failed", why="\x1b[2Jcleared"),
                draft(QaKind.TEST, **test, text="a,b\n1,2"),
                draft(QaKind.CHART, gas="zero", reading="0.123456789012345", reference="0", findings=[]),
            ]
        )


def test_the_record_is_read_without_a_gateway(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(recorded(tmp_path))
    where = ("--state", str(tmp_path))
    assert main(["gateway", "qa", "list", *where]) == 0
    shown = capsys.readouterr().out
    for words in (
        "partial, zero 0.1 (PASSED)",
        "linearity PASSED on 2026-01-01, by A",
        "zero 0.1234567890 for 0: quiet",
    ):
        assert words in shown
    assert "\x1b" not in shown
    assert "hour" not in shown
    assert main(["gateway", "qa", "list", *where, "--kind", "hour", "--output", "json"]) == 0
    assert [one["kind"] for one in json.loads(capsys.readouterr().out)["entries"]] == ["hour"]
    assert main(["gateway", "qa", "show", "5", *where]) == 0
    assert "a,b\n1,2" in capsys.readouterr().out
    for wrong in (["show", "99"], ["list", "--last", "0"]):
        assert main(["gateway", "qa", *wrong, *where]) == 2
    assert main(["gateway", "qa", "list", "--state", str(tmp_path / "nowhere")]) == 7


async def entered(folder: Path, *, ran: int) -> None:
    """A linearity check of summer 2025, and an autumn of which every hour is known."""
    (folder / "gateway").mkdir()
    body = {"kind": "linearity", "day": "2025-08-01", "passed": True, "good_until": "2025-12-31"}
    more = {"good_until_by": "rules", "figures": [{}]}
    draft = QaDraft(kind=QaKind.TEST, unit="alpha-1", quantity="nox_ppb", at_ms=0, body={**body, **more})
    async with await QaStore.open(folder / "gateway" / "qa.db", now_ms=0) as store:
        await store.append([draft])
    async with await HourStore.open(folder / "gateway" / "hours.db", now_ms=0) as hours:
        await past(hours, Q4_MS, ran=ran)


@pytest.mark.parametrize(
    ("ran", "today", "last", "code"),
    [
        (0, "2026-01-01", "2026-03-31", 0),
        (0, "2025-12-31", "2025-12-31", 0),
        (168, "2026-01-01", "2025-12-31", 0),  # in grace
        (168, "2026-01-08", "2025-12-31", 1),  # a week of which nobody knows
    ],
)
def test_until_when_tests_are_good_is_told_without_a_gateway(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ran: int, today: str, last: str, code: int
) -> None:
    asyncio.run(entered(tmp_path, ran=ran))
    due = ("gateway", "qa", "due", "--state", str(tmp_path), "--today", today)
    assert main([*due]) == code
    shown = capsys.readouterr().out
    assert ("linearity" in shown, last in shown) == (True, True)
    assert main([*due, "--output", "json", "--unit", "alpha-1"]) == code
    (told,) = json.loads(capsys.readouterr().out)["tests"]
    assert (told["quantity"], told["overdue"], last in told["told"]) == ("nox_ppb", bool(code), True)
    assert main([*due, "--unit", "beta-2"]) == 0
    assert "no test that passed" in capsys.readouterr().out


def test_as_of_a_day_the_tests_that_came_later_say_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(entered(tmp_path, ran=0))
    due = ("gateway", "qa", "due", "--state", str(tmp_path), "--today")
    for today, is_told in (("2025-08-01", False), ("2025-08-02", True)):
        assert main([*due, today]) == 0
        assert ("linearity" in capsys.readouterr().out) is is_told


def test_what_is_no_day_or_no_folder_is_refused(tmp_path: Path) -> None:
    assert main(["gateway", "qa", "due", "--state", str(tmp_path)]) == 7
    asyncio.run(entered(tmp_path, ran=0))
    assert main(["gateway", "qa", "due", "--state", str(tmp_path), "--today", "soon"]) == 2
    (tmp_path / "gateway" / "hours.db").unlink()
    assert main(["gateway", "qa", "due", "--state", str(tmp_path)]) == 7


def test_a_file_that_is_none_or_too_long_is_not_handed_in(tmp_path: Path) -> None:
    where = ("--date", "2026-01-01", "--state", str(tmp_path))
    assert main(["gateway", "qa", "enter", "rata", str(tmp_path / "none.csv"), *WHO, *where]) == 7
    long = tmp_path / "long.csv"
    long.write_text("a," * 20_001, encoding="utf-8")
    assert main(["gateway", "qa", "enter", "rata", str(long), *WHO, *where]) == 2
    long.write_text("a,b\n", encoding="utf-8")
    assert main(["gateway", "qa", "enter", "rata", str(long), *WHO, *where]) == 3  # nobody runs there


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_an_operator_calibrates_and_hands_in_a_test(tmp_path: Path) -> None:
    async with simulated_site() as site:
        text = site.settings(
            tmp_path / "state",
            key=write_key(tmp_path / "device.pem", "alpha device"),
            channel=b"c" * 32,
            source=b"s" * 16,
        )
        config, where = tmp_path / "gateway.toml", ("--config", str(tmp_path / "gateway.toml"))
        lines = 'settle_s = 120\nread_s = 120\ncontrol = "commands"'
        text = text.replace("[[unit]]\n", '[[unit]]\nbias_source = "rata"\n', 1)
        config.write_text(text + calibration_text(lines=lines), encoding="utf-8")
        log = tmp_path / "gateway.log"
        async with process("doxedge", "gateway", "run", *where, environment=site.environment, log=log):

            async def begun() -> bool:
                code, _, _ = await doxedge("calibrate", "--unit", "alpha-1", "--no-wait", *where)
                return code == 0

            await until(begun, within_s=PATIENCE_S, what="a gateway that takes the question")

            async def standing() -> str:
                code, out, _ = await doxedge("status", *where, "--output", "json")
                assert code == 0
                return str(json.loads(out)["units"][0]["monitors"][0]["standing"])

            async def is_good() -> bool:
                return await standing() == "in control"

            await until(is_good, within_s=PATIENCE_S, what="the check that was not waited for")
            code, out, _ = await doxedge("calibrate", "--unit", "alpha-1", *where, "--output", "json")
            told: dict[str, Any] = json.loads(out)
            assert (code, told["checks"][0]["results"][0]["end"]) == (0, "passed")
            code, table, _ = await doxedge("status", *where)
            assert (code, "Calibration" in table, "in control" in table) == (0, True, True)
            code, _, error = await doxedge("calibrate", "--unit", "beta-2", *where)
            assert (code, "beta-2" in error) == (2, True)

            file = tmp_path / "linearity.csv"
            file.write_text(LINEARITY + linearity("430"), encoding="utf-8")
            enter = ("qa", "enter", "linearity", str(file), *WHO, "--date", "2025-12-30", *where)
            code, out, _ = await doxedge(*enter)
            assert (code, "linearity FAILED" in out, "out of control: linearity failed" in out) == (
                1,
                True,
                True,
            )
            file.write_text(RATA + runs(off=28), encoding="utf-8")
            rata = ("qa", "enter", "rata", str(file), *WHO, "--date", "2025-12-30", *where)
            code, out, _ = await doxedge(*rata, "--ended", "2025-12-30T16:40")
            assert code == 0
            assert "rata PASSED, good until 2026-06-30 at least, in force from 2025-12-30T17:00Z" in out
            code, _, error = await doxedge(*rata, "--ended", "2025-12-31T16:40")
            assert (code, "not on 2025-12-30" in error) == (2, True)
            code, _, error = await doxedge(*rata, "--measured-in", "ppm")
            assert (code, "measured_in" in error) == (2, True)
            code, out, _ = await doxedge("qa", "due", "--today", "2026-01-02", *where)
            assert (code, "rata" in out, "is good until 2026-06-30" in out) == (0, True, True)
            file.write_text("nonsense\n1\n", encoding="utf-8")
            code, _, error = await doxedge(*enter)
            assert (code, "linearity.csv: line 1" in error) == (6, True)
            code, out, _ = await doxedge("qa", "event", *WHO, *where)
            assert (code, "on record as" in out) == (0, True)
        code, out, _ = await doxedge("qa", "list", "--kind", "test", *where, "--output", "json")
        assert (code, [one["body"]["kind"] for one in json.loads(out)["entries"]]) == (
            0,
            ["linearity", "rata", "event"],
        )


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_gateway_that_is_killed_in_a_check_puts_the_analyser_back_at_its_next_start(
    tmp_path: Path,
) -> None:
    async with simulated_site() as site:
        text = site.settings(
            tmp_path / "state",
            key=write_key(tmp_path / "device.pem", "alpha device"),
            channel=b"c" * 32,
            source=b"s" * 16,
        )
        config, where = tmp_path / "gateway.toml", ("--config", str(tmp_path / "gateway.toml"))
        # Long enough for the kill to fall into it: an hour of plant time is five seconds.
        lines = 'settle_s = 3_600\nread_s = 3_600\ncontrol = "commands"'
        config.write_text(text + calibration_text(lines=lines), encoding="utf-8")

        async def unit() -> dict[str, Any]:
            code, out, _ = await doxedge("status", *where, "--output", "json")
            return {} if code else dict(json.loads(out)["units"][0])

        async def nox() -> str:
            values = {one["quantity"]: one["reason"] for one in (await unit()).get("values", [])}
            return str(values.get("nox_ppb"))

        command = (sys.executable, "-m", "doxedge", "gateway", "run", *where)
        first = await asyncio.create_subprocess_exec(
            *command, cwd=REPOSITORY, env=site.environment, stderr=asyncio.subprocess.DEVNULL
        )

        async def begun() -> bool:
            code, _, _ = await doxedge("calibrate", "--unit", "alpha-1", "--no-wait", *where)
            return code == 0

        async def is_on_zero_gas() -> bool:
            return await nox() == "zero"

        try:
            await until(begun, within_s=PATIENCE_S, what="a gateway that takes the question")
            await until(is_on_zero_gas, within_s=PATIENCE_S, what="zero gas")
        finally:
            first.kill()
            await first.wait()
        log = tmp_path / "gateway.log"
        async with process("doxedge", "gateway", "run", *where, environment=site.environment, log=log):

            async def is_back() -> bool:
                return await nox() == "out_of_control"

            await until(is_back, within_s=PATIENCE_S, what="stack gas, which does not count yet")
            (monitor,) = (await unit())["monitors"]
            assert monitor["standing"] == "out of control: aborted"
