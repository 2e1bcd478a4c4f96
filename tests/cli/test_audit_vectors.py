"""`doxedge audit vectors`: what holds is counted, what does not is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from doxedge.analysers.dialects.modbus_rtu import RtuFrame, encode
from doxedge.cli.main import main

GOOD: dict[str, Any] = {
    "comment": "anything",
    "part75": [
        {
            "formula": "19-1_F-5",
            "inputs": {"C_ppm_dry": 100, "Fd": 9780, "O2_pct_dry": 6.0},
            "expected_unrounded": 0.16379596510067113,
            "expected": 0.164,
            "decimals": 3,
        },
        {"formula": "F-24A", "inputs": {"NOXR_lb_mmBtu": 0.134, "HI_mmBtu_h": 5240.7}, "expected": 702.3},
    ],
    "eu_standardisation": [
        {
            "inputs": {
                "NOx_ppm": 200,
                "analyser_basis": "dry",
                "O2_pct_dry": 5,
                "O2_ref_pct": 6,
                "H2O_pct_vol": 12,
            },
            "expected": {"mg_Nm3_dry_refO2": 384.375},
        }
    ],
    "hour_validity_60_13_h2": [
        {"name": "full", "op": [0, 60], "points": [7, 22, 37, 52], "qa": False, "valid": True, "rule": "(i)"},
        {"name": "two spells", "op": [[0, 5], [50, 60]], "points": [3], "valid": False, "rule": "(ii)"},
        {"name": "off", "op": [], "points": [], "valid": None, "rule": "not operating"},
    ],
    "protocol_frames": {
        "modbus_rtu": [
            {"desc": "exception", "response_hex": "018402c2c1"},
            {"desc": "swapped", "registers": [31457, 16998], "decode": 57.62},
            {
                "desc": "asked",
                "request_hex": "01034a52000273c2",
                "response_hex": "0103044c5bcd88c986",
                "decode_W": 57620000.0,
            },
        ],
        "bayern_hessen": [{"desc": "all", "text": "DA", "frame_hex": "024441033034"}],
        "serinus_advanced": [{"desc": "reply", "frame_hex": "02010103053242666666" + "1304"}],
        "horiba_apna": [{"desc": "read", "frame_hex": "013031303130305230303102363003"}],
        "ak": [{"desc": "reply", "frame_hex": "0220414b4f4e20302035372e363203", "decode": 57.62}],
        "hj212": [{"desc": "own", "payload": "ST=91", "length": "0005"}],
    },
}


def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: object) -> tuple[int, dict[str, Any]]:
    path = tmp_path / "vectors.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    code = main(["audit", "vectors", str(path), "--output", "json"])
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, result


def test_vectors_that_hold_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, capsys, GOOD) == (0, {"passed": 14, "failed": 0, "failures": []})


def changed(path: str, value: object) -> dict[str, Any]:
    """GOOD with one leaf replaced; `part75.0.expected` names it."""
    content: dict[str, Any] = json.loads(json.dumps(GOOD))
    *way, last = path.split(".")
    place: Any = content
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place[step]
    if isinstance(place, list):
        place[int(last)] = value
    elif value is None and last != "valid":
        del place[last]
    else:
        place[last] = value
    return content


@pytest.mark.parametrize(
    ("path", "value", "name", "got"),
    [
        ("part75.0.expected", 0.165, "part75[0] 19-1_F-5", "0.164"),
        ("part75.0.expected_unrounded", 0.1637956, "part75[0]", "0.16379596"),
        ("part75.0.inputs.Fd", 9781, "part75[0]", "0.1638"),
        ("part75.0.inputs.O2_pct_dry", 20.9, "part75[0]", "diluent cap"),
        ("part75.0.inputs.Fd", None, "part75[0]", "needs ppm_dry, fd, o2_dry"),
        ("part75.0.inputs.Fd", "9780", "part75[0]", "Fd must be a number"),
        ("part75.0.formula", "19-1_F-6", "part75[0] 19-1_F-6", "no equation is called '19-1_F-6'"),
        ("part75.0.formula", "99-9", "part75[0] 99-9", "no equation"),
        ("part75.1.expected", None, "part75[1] F-24A", "expected must be a number"),
        ("eu_standardisation.0.expected.mg_Nm3_dry_refO2", 384.376, "eu_standardisation[0]", "384.375"),
        ("eu_standardisation.0.expected.kg_h", 1, "eu_standardisation[0]", "must be a number"),
        ("eu_standardisation.0.expected.tons", 1, "eu_standardisation[0]", "known are"),
        ("eu_standardisation.0.inputs.analyser_basis", "moist", "eu_standardisation[0]", "wet, dry"),
        ("hour_validity_60_13_h2.0.valid", False, "hour_validity_60_13_h2[0] full", "True"),
        ("hour_validity_60_13_h2.0.rule", "(ii)", "hour_validity_60_13_h2[0] full", "60.13(h)(2)(i)"),
        ("hour_validity_60_13_h2.0.points", [7, 22, 37], "hour_validity_60_13_h2[0]", "False"),
        ("hour_validity_60_13_h2.0.points", [61], "hour_validity_60_13_h2[0]", "not in the hour"),
        ("hour_validity_60_13_h2.0.op", [1], "hour_validity_60_13_h2[0]", "pairs of minutes"),
        ("protocol_frames.modbus_rtu.0.response_hex", "018402c2c0", "modbus_rtu[0] exception", "check sum"),
        ("protocol_frames.modbus_rtu.0.response_hex", "xx", "modbus_rtu[0]", "hexadecimal"),
        ("protocol_frames.modbus_rtu.0.response_hex", None, "modbus_rtu[0]", "neither"),
        ("protocol_frames.modbus_rtu.1.decode", 57.63, "modbus_rtu[1] swapped", "57.619"),
        ("protocol_frames.modbus_rtu.2.decode_W", [1, 2], "modbus_rtu[2]", "4"),
        ("protocol_frames.modbus_rtu.2.request_hex", "0104001e000c9009", "modbus_rtu[2]", "3"),
        ("protocol_frames.bayern_hessen.0.text", "DB", "bayern_hessen[0] all", "DA"),
        ("protocol_frames.bayern_hessen.0.frame_hex", "024441033035", "bayern_hessen[0]", "must end with"),
        (
            "protocol_frames.serinus_advanced.0.frame_hex",
            "020101030532426666661404",
            "serinus",
            "check sum",
        ),
        ("protocol_frames.horiba_apna.0.frame_hex", "013031303130305230303102363103", "horiba", "check sum"),
        ("protocol_frames.ak.0.decode", 57.63, "ak[0] reply", "57.62"),
        ("protocol_frames.ak.0.frame_hex", "0220414b4f4e2030", "ak[0]", "a frame is"),
        ("protocol_frames.hj212.0.length", "0006", "hj212[0] own", "0005"),
        ("protocol_frames.morse", [{"desc": "sos"}], "morse[0] sos", "no dialect is called 'morse'"),
        ("part75.0", "19-1", "part75[0]", "must be an object"),
    ],
)
def test_a_vector_that_does_not_hold_is_named_with_what_came_instead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str, value: object, name: str, got: str
) -> None:
    code, result = run(tmp_path, capsys, changed(path, value))
    assert (code, result["failed"]) == (6, 1)
    (failure,) = result["failures"]
    assert failure["name"].startswith(name)
    assert got in failure["got"]
    assert failure["expected"]
    assert result["passed"] + result["failed"] >= 14


@pytest.mark.parametrize(
    "section",
    [[{"formula": "F-24A"}], {"inputs": {}}, {"modbus_tcp": [{"desc": "read"}]}],
    ids=["vectors", "one vector", "vectors by name"],
)
def test_a_section_that_no_check_knows_is_named_and_does_not_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], section: object
) -> None:
    code, result = run(tmp_path, capsys, {**GOOD, "part60": section})
    assert (code, result["passed"], result["failed"]) == (6, 14, 1)
    (failure,) = result["failures"]
    assert failure["name"] == "part60"
    assert "no check knows this key" in failure["got"]
    code, result = run(tmp_path, capsys, {"part60": section})
    assert (code, result["passed"], result["failed"]) == (6, 0, 1)


@pytest.mark.parametrize(
    ("place", "key"),
    [
        ("part75.0", "expected_lb_h"),
        ("eu_standardisation.0", "expected_unrounded"),
        ("hour_validity_60_13_h2.0", "expected"),
        ("protocol_frames.serinus_advanced.0", "decode_ppm"),
        ("protocol_frames.bayern_hessen.0", "expected"),
        ("protocol_frames.ak.0", "decode_ppm"),
    ],
)
def test_an_expectation_that_no_check_knows_does_not_pass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str, key: str
) -> None:
    code, result = run(tmp_path, capsys, changed(f"{place}.{key}", 1))
    assert (code, result["failed"]) == (6, 1)
    assert result["failures"][0]["got"] == f"no check knows the key {key!r}"


def test_words_about_a_file_are_no_vectors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = {"licence": "none", "authors": ["a", "b"], "made": {"year": 2026, "with": ["Decimal"]}, "n": 3}
    assert run(tmp_path, capsys, {**GOOD, **words})[0] == 0


def test_factors_of_a_fuel_are_computed_from_its_analysis(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    coal = {"H_pct": 5, "C_pct": 70, "S_pct": 1, "N_pct": 1.5, "O_pct": 8, "GCV_Btu_lb": 12500}
    vectors = [
        {"formula": "F-7A", "inputs": coal, "expected_unrounded": 9792.0, "expected": 9792.0, "decimals": 1},
        {"formula": "F-7B", "inputs": {"C_pct": 70, "GCV_Btu_lb": 12500}, "expected": 1797.6},
    ]
    assert run(tmp_path, capsys, {"part75": vectors}) == (0, {"passed": 2, "failed": 0, "failures": []})


WRITE = RtuFrame(1, bytes.fromhex("050014ff00"))
COUNTER = RtuFrame(1, bytes.fromhex("030800000000075bcd15"))


@pytest.mark.parametrize(
    ("vector", "got"),
    [
        ({"request_hex": encode(WRITE).hex(), "response_hex": encode(WRITE).hex()}, None),
        ({"request_hex": encode(RtuFrame(1, bytes.fromhex("0500"))).hex()}, "is no write"),
        ({"response_hex": encode(COUNTER).hex(), "decode_Wh": 123456789}, None),
        ({"response_hex": encode(COUNTER).hex(), "decode_Wh": 123456789.5}, "E-316"),
        ({"response_hex": encode(COUNTER).hex(), "decode": [0, 0, 1883, 52501]}, None),
        ({"response_hex": encode(COUNTER).hex(), "decode": [0, 123456789], "type": "u32"}, None),
        ({"response_hex": encode(COUNTER).hex(), "decode": [0, 123456789], "type": "f64"}, "4 bytes"),
        ({"response_hex": encode(COUNTER).hex(), "decode": [0, 123456789], "type": "f16"}, "type must be"),
        ({"response_hex": encode(COUNTER).hex(), "decode": [1, 2, 3]}, "8 bytes"),
        ({"registers": [16998, 31457], "decode": 57.62, "order": "ABCD"}, None),
        ({"registers": [16998, 31457], "decode": 57.62, "desc": "a float, high word first (ABCD)"}, None),
        ({"registers": [16998, 31457], "decode": 57.62}, ""),
        ({"registers": [16998, 31457], "decode": 57.62, "order": "DCAB"}, "order must be"),
        ({"registers": [16998, 70000], "decode": 57.62}, "0 to 65535"),
        ({"response_hex": encode(COUNTER).hex(), "decode": 1e300}, ""),
    ],
)
def test_registers_are_what_their_type_and_order_make_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], vector: dict[str, Any], got: str | None
) -> None:
    code, result = run(tmp_path, capsys, {"protocol_frames": {"modbus_rtu": [vector]}})
    assert (code, result["failed"]) == ((0, 0) if got is None else (6, 1))
    assert got is None or got in result["failures"][0]["got"]


def test_the_table_names_failures_in_a_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "vectors.json"
    path.write_text(json.dumps(changed("part75.1.expected", 1)), encoding="utf-8")
    assert main(["audit", "vectors", str(path)]) == 6
    out = capsys.readouterr().out.splitlines()
    assert out == ["13 vectors hold, 1 do not", "part75[1] F-24A: expected 1, got 702.3"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "line 1, column 1: not JSON"),
        ('{"part75": [\n  {"a": 1,}]}', "line 2, column"),
        ('{"part75": NaN}', "NaN is not a number"),
        ("[]", "the file must be an object"),
        ("{}", "no vectors; looked for the keys part75"),
        ('{"part75": 3}', "part75 must be a list"),
        ("[" * 100_000, "not JSON"),
        ('{"part75": [{"formula": "F-24A", "inputs": {"x": 1e99999999999999999999}}]}', "not JSON of ours"),
    ],
    ids=["empty", "comma", "NaN", "list", "nothing", "number", "deep", "huge"],
)
def test_what_is_no_file_of_vectors_is_refused_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, reason: str
) -> None:
    path = tmp_path / "vectors.json"
    path.write_text(content, encoding="utf-8")
    assert main(["audit", "vectors", str(path), "--output", "json"]) == 6
    captured = capsys.readouterr()
    assert json.loads(captured.out)["verdict"] == "refused"
    assert reason in captured.err


def test_numbers_beyond_all_measure_are_a_failure_and_no_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "vectors.json"
    huge = (
        '{"formula": "F-24A", "inputs": {"NOXR_lb_mmBtu": 1e999999, "HI_mmBtu_h": 1e999999}, "expected": 1}'
    )
    path.write_text(f'{{"part75": [{huge}]}}', encoding="utf-8")
    assert main(["audit", "vectors", str(path), "--output", "json"]) == 6
    assert json.loads(capsys.readouterr().out)["failed"] == 1


def test_a_file_that_cannot_be_read_gives_exit_code_7(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "vectors", str(tmp_path / "absent.json")]) == 7
    assert "absent.json" in capsys.readouterr().err


def test_a_number_beyond_all_measure_is_a_failure_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "vectors.json"
    inputs = '{"C_ppm_wet": 1e999999999, "Q_scfh_wet": 45e6}'
    path.write_text(f'{{"part75": [{{"formula": "F-26A", "inputs": {inputs}, "expected": 806.0}}]}}')
    assert main(["audit", "vectors", str(path), "--output", "json"]) == 6
    (failure,) = json.loads(capsys.readouterr().out)["failures"]
    assert failure["got"] == "no number (Overflow)"
