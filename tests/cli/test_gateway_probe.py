"""`doxedge gateway probe` and `record` against simulated instruments on real sockets and a real pseudo terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from doxedge.analysers.catalogue import parse_map
from doxedge.analysers.profile_build import parse_profile
from doxedge.cli.main import main
from doxedge.fieldbus.clock import VARIABLE
from doxedge.fieldbus.recording import contradictions, recorded_settings

ROOT = Path(__file__).resolve().parents[2]
KG = ["--set", "word_order=ABCD", "--set", "gas_unit=kg"]
MAPS = ROOT / "firmware_configs" / "analysers"
NOON_MS = 1_767_268_800_000
"""2026-01-01 12:00 UTC."""


@contextmanager
def instrument(*words: str) -> Iterator[dict[str, Any]]:
    """A simulated instrument in a process of its own, on a stack at noon: at night its plant stands still."""
    clock_text = f"{time.time_ns() // 1_000_000},{NOON_MS},1"
    with subprocess.Popen(
        [sys.executable, "-m", "simulators", "instrument", "--until-stdin-closes", *words],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, VARIABLE: clock_text},
    ) as process:
        try:
            assert process.stdout is not None
            ready: dict[str, Any] = json.loads(process.stdout.readline())
            yield ready
        finally:
            process.kill()


def flags(ready: Mapping[str, Any], **instead: str) -> list[str]:
    """What the ready line says to try, after `doxedge`."""
    words = str(ready["try"]).split()[3:]
    for name, value in instead.items():
        place = next(index for index, word in enumerate(words) if word.startswith(f"{name}="))
        words[place] = f"{name}={value}"
    return [*words, "--timeout-ms", "60000"]


def probe(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = main(["gateway", "probe", *words, "--output", "json"])
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, report


def values(report: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {value["quantity"]: value for group in report["groups"] for value in group["values"]}


@pytest.mark.parametrize(
    "profile", ["teledyne_t200", "thermo_42i", "siemens_ga700", "sunspec_meter_203", "suto_s430"]
)
def test_what_the_ready_line_says_to_try_works(profile: str, capsys: pytest.CaptureFixture[str]) -> None:
    serial = ["--serial"] if profile == "suto_s430" else []
    with instrument("--profile", profile, *serial) as ready:
        code, report = probe(flags(ready), capsys)
        assert (code, report["tried_settings"]) == (0, [])
        assert all(value["value"] is not None for value in values(report).values())
        assert all(read["ms"] >= 0 and read["result"] for read in report["reads"])
        assert main(["gateway", "probe", *flags(ready)]) == 0
        text = capsys.readouterr().out
        assert report["maker"] in text
        assert all(quantity in text for quantity in values(report))
        assert all(doubt in text for doubt in report["doubts"])


@pytest.mark.parametrize(
    ("profile", "extra"),
    [
        ("thermo_42i_clink", ["--serial"]), ("thermo_42i_clink", []), ("horiba_apna370", []),
        ("generic_bayern_hessen", []), ("ecotech_serinus40_advanced", []), ("cai_700_ak", ["--serial"]),
    ],
)  # fmt: skip
def test_an_instrument_that_speaks_can_be_tried_and_recorded(
    profile: str, extra: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with instrument("--profile", profile, "--always-on", *extra) as ready:
        code, report = probe(flags(ready), capsys)
        assert (code, report["tried_settings"]) == (0, [])
        assert all(value["value"] is not None for value in values(report).values())
        assert all(read["asked"] and read["said"] for read in report["reads"])
        assert main(["gateway", "probe", *flags(ready)]) == 0
        text = capsys.readouterr().out
        assert all(quantity in text for quantity in values(report))
        assert report["reads"][-1]["asked"] in text
        file = tmp_path / "r.json"
        words = [*flags(ready), "--file", str(file), "--note", "a simulator"]
        assert main(["gateway", "record", *words]) == 0
        document = json.loads(file.read_text(encoding="utf-8"))
        profile_text = (MAPS / f"{profile}.toml").read_text(encoding="utf-8")
        read_again = parse_map(profile_text, source=profile, settings=recorded_settings(document))
        assert contradictions(document, read_again) == []
        wrong = {**document, "unit_id": 9}
        assert bool(contradictions(wrong, read_again)) is (
            profile not in ("generic_bayern_hessen", "cai_700_ak")
        )
        assert contradictions({**document, "framing": "tcp"}, read_again) != []


def test_another_instrument_that_speaks_is_told_by_its_identity(capsys: pytest.CaptureFixture[str]) -> None:
    with instrument("--profile", "thermo_42i_clink", "--fault", "wrong_identity") as ready:
        code, report = probe(flags(ready), capsys)
        assert code == 6
        assert "without '42i'" in report["identity"]["detail"]
        assert main(["gateway", "probe", *flags(ready), "--unit-id", "200"]) == 2
        assert "0 to 127" in capsys.readouterr().err


def test_all_orders_are_shown_and_the_plausible_one_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    with instrument("--profile", "sick_marsic300") as ready:
        words = [word for word in flags(ready) if "=" not in word and word != "--set"]
        code, report = probe(words, capsys)
        assert code == 0
        assert report["tried_settings"] == ["word_order", "gas_unit"]
        (group,) = report["groups"]
        assert group["floats"] == 5
        assert group["plausible_orders"]["n"]["ABCD"] == 5
        # Chance makes single values plausible, never all of them; but see the twin.
        everywhere = [
            (place, order, count)
            for place, orders in group["plausible_orders"].items()
            for order, count in orders.items()
        ]
        assert {(place, order) for place, order, count in everywhere if count == 5} <= {
            ("n", "ABCD"),
            ("n-1", "CDAB"),
        }
        assert main(["gateway", "probe", *words]) == 0
        assert "tried, not given: choose with --set" in capsys.readouterr().out


def test_the_twin_that_shares_the_high_word_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """ABCD at n and CDAB at n-1 differ from the third digit on only: both look right, one of them is wrong."""
    with instrument("--profile", "sick_marsic300") as ready:
        code, report = probe(flags(ready), capsys)
        assert code == 0
        readings = values(report)["o2_percent"]["readings"]
        right, twin = readings["n"]["ABCD"], readings["n-1"]["CDAB"]
        assert twin["mark"] == "*"
        assert float(twin["value"]) == pytest.approx(float(right["value"]), rel=1 / 64)
        assert main(["gateway", "probe", *flags(ready)]) == 0
        assert "share their high word" in capsys.readouterr().out


def test_the_address_before_is_shown_too(capsys: pytest.CaptureFixture[str]) -> None:
    """A list that counts from one is the commonest mistake there is."""
    with instrument("--profile", "thermo_42i") as ready:
        code, report = probe(flags(ready, first_register="on_wire_1"), capsys)
        assert code == 6, "the identity is contradicted, and the probe goes on"
        assert report["identity"]["result"] == "contradicted"
        assert report["identity"]["detail"].startswith("internal temperature")
        found = values(report)["internal_temperature_c"]["readings"]
        assert float(found["n-1"]["ABCD"]["value"]) == pytest.approx(29.37)
        assert found["n-1"]["ABCD"]["mark"] == "*"
        assert found["n"]["ABCD"]["mark"] != "*"


def test_quality_registers_are_shown_with_what_they_hold(capsys: pytest.CaptureFixture[str]) -> None:
    with instrument("--profile", "siemens_ga700") as ready:
        code, report = probe(flags(ready, measuring_state="9"), capsys)
        assert code == 0
        no = values(report)["no_ppb"]
        assert (no["value"], no["failure"]) == (None, "device_fault")
        assert [(one["address"], one["holds"], one["good"]) for one in no["quality"]] == [
            (16, 0, [0]),
            (256, 3, [9]),
        ]


def test_an_exception_is_shown_and_no_failure_of_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    with instrument("--profile", "teledyne_t200", "--fault", "exception=2") as ready:
        code, report = probe(flags(ready), capsys)
        assert code == 0
        assert {read["result"] for read in report["reads"]} == {"exception 2 (illegal data address)"}
        assert {value["failure"] for value in values(report).values()} == {"exception"}


def test_a_device_without_the_block_ends_the_probe_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    with instrument("--profile", "sunspec_meter_213", "--fault", "wrong_identity") as ready:
        code, report = probe(flags(ready), capsys)
        assert (code, report["groups"]) == (6, [])
        assert "the marker `SunS` is at none of" in report["identity"]["detail"]


@pytest.mark.parametrize("verb", ["probe", "record"])
@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["--profile", "no_such_map", "--host", "127.0.0.1"], 2, "there is no such profile; there are: "),
        (["--profile", "configured_moisture", "--set", "moisture_percent=9"], 2, "nobody to be asked"),
        (["--profile", "teledyne_t200"], 2, "give its address, `host` or `serial`"),
        (["--profile", "teledyne_t200", "--host", "h", "--serial", "/dev/null"], 2, "not both"),
        (["--profile", "teledyne_t200", "--host", "h", "--port", "0"], 2, "--port: "),
        (["--profile", "teledyne_t200", "--host", "h", "--set", "word"], 2, "'word' is not NAME=VALUE"),
        (["--profile", "teledyne_t200", "--host", "h", "--set", "a=1"], 2, "no setting 'a' here"),
        (["--profile", "sick_marsic300", "--host", "h", *KG], 2, "is not one of ppm, mg"),
        (
            ["--profile", "teledyne_t200", "--serial", "/dev/null", "--unit-id", "255"],
            2,
            "not within 1 to 247",
        ),
        (["--profile", "teledyne_t200", "--serial", "/no/such/port"], 7, "cannot be opened: No such file"),
        (
            ["--profile", "teledyne_t200", "--serial", "/no/such/port"],
            7,
            "is the adapter there (ls /dev/serial",
        ),
        (
            ["--profile", "teledyne_t200", "--host", "127.0.0.1", "--port", "1"],
            3,
            "reached: Connection refused",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(
    verb: str, words: list[str], code: int, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--file", str(tmp_path / "x.json"), "--note", "n"] if verb == "record" else []
    assert main(["gateway", verb, *words, *more]) == code
    assert complaint in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("serial", [False, True])
def test_a_silent_device_ends_with_advice(serial: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with instrument("--profile", "teledyne_t200", "--fault", "silence", *["--serial"] * serial) as ready:
        words = [*str(ready["try"]).split()[3:], "--timeout-ms", "100"]
        assert main(["gateway", "probe", *words]) == 7
    assert "look at unit id, speed and parity" in capsys.readouterr().err


def recorded(words: list[str], file: Path, situation: str, *more: str) -> int:
    what = ["--file", str(file), "--situation", situation, "--note", f"display of {situation}", *more]
    return main(["gateway", "record", *words, *what])


@pytest.mark.parametrize("profile", ["sunspec_meter_203", "suto_s430", "thermo_42i"])
def test_a_recording_agrees_with_its_map_and_is_added_to(
    profile: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "r.json"
    serial = ["--serial"] if profile == "suto_s430" else []
    with instrument("--profile", profile, *serial) as ready:
        assert recorded(flags(ready), file, "measuring") == 0
        assert "read back and in agreement with the map" in capsys.readouterr().out
        assert recorded(flags(ready), file, "again") == 2, "a file is not overwritten"
        assert "add to it with --append" in capsys.readouterr().err
        assert recorded(flags(ready), file, "again", "--append", "--output", "json") == 0
        summary = json.loads(capsys.readouterr().out)
    document = json.loads(file.read_text())
    assert summary == {
        "file": str(file),
        "polls": len(document["polls"]),
        "profile_hash": document["profile_hash"],
    }
    assert document["origin"] == "instrument"
    assert [line.partition(" ")[2] for line in document["note"].splitlines()] == [
        "measuring: display of measuring",
        "again: display of again",
    ]
    assert {poll["situation"] for poll in document["polls"]} == {"measuring", "again"}
    text = (MAPS / f"{profile}.toml").read_text()
    profile_now = parse_profile(text, source=profile, settings=recorded_settings(document))
    assert contradictions(document, profile_now) == []


def test_only_one_instrument_and_one_map_are_in_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "r.json"
    with instrument("--profile", "sick_marsic300") as ready:
        assert recorded(flags(ready), file, "measuring") == 0
        before = file.read_bytes()
        assert recorded(flags(ready, gas_unit="ppm"), file, "other", "--append") == 2
        assert "write a file of its own" in capsys.readouterr().err
        assert file.read_bytes() == before
        file.write_text("{}")
        assert recorded(flags(ready), file, "other", "--append") == 2
        assert "it has no polls" in capsys.readouterr().err


def test_what_the_site_has_not_said_is_not_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with instrument("--profile", "sick_marsic300") as ready:
        words = [word for word in flags(ready) if "=" not in word and word != "--set"]
        assert recorded(words, tmp_path / "r.json", "measuring") == 2
    assert "the site must say one of ABCD, CDAB, BADC, DCBA" in capsys.readouterr().err


def test_another_instrument_is_not_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with instrument("--profile", "siemens_ga700", "--fault", "wrong_identity") as ready:
        assert recorded(flags(ready), tmp_path / "r.json", "measuring") == 6
    assert "this is not the instrument of the map: gas code: 7 is NO" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_recording_wants_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "--profile",
        "teledyne_t200",
        "--host",
        "127.0.0.1",
        "--file",
        str(tmp_path / "r"),
        "--note",
        " ",
    ]
    assert main(["gateway", "record", *words]) == 2
    assert "--note" in capsys.readouterr().err


def test_a_disk_that_takes_nothing_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with instrument("--profile", "janitza_umg") as ready:
        assert recorded(flags(ready), tmp_path / "no" / "r.json", "measuring") == 7
    assert "cannot be written" in capsys.readouterr().err
