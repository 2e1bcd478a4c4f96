"""`doxedge audit vectors`: hold the product's formulas and frames against vectors that somebody else has computed."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, DecimalException
from typing import Any, Final

from doxedge.analysers.dialects.framing import FrameError
from doxedge.cli.audit_input import add_verb, print_json, printable, read_json
from doxedge.cli.outcome import Exit, Failure
from doxedge.cli.vector_check import (
    Failed,
    Mismatch,
    VectorError,
    expect,
    expect_close,
    expects_only,
    mapping,
    number,
    numbers_in,
    sequence,
    shown,
    text,
    whole,
)
from doxedge.cli.vector_frames import check_frame
from doxedge.measurement.conversion import Basis, reported
from doxedge.measurement.part75 import BY_CODE, Equation
from doxedge.measurement.standardisation import (
    Standard,
    at_reference_oxygen,
    dry_mg_per_m3,
    kg_per_h,
    kg_per_mwh,
    normal_dry_m3_per_h,
)
from doxedge.measurement.validity import NOT_OPERATING, CalibrationCheck, judge_hour
from doxedge.quantity import HOUR_MS, MINUTE_MS
from doxedge.quantity import whole as rounded

EPILOG: Final = """\
The file is JSON with any of the keys part75 (equations of Part 75 and Method 19), eu_standardisation,
hour_validity_60_13_h2 and protocol_frames (modbus_rtu, bayern_hessen, serinus_advanced, horiba_apna, ak, hj212). Every
vector is computed anew; any other key that holds objects is a failure, since nothing here checks them. Unrounded values
must agree to nine digits (vectors are often made in binary floating point), rounded values, verdicts, clauses, lengths
and check sums exactly; frames are decoded and encoded back.

Exit codes: 0 every vector holds, 2 usage, 6 a vector does not hold or the file is of another kind, 7 it is unreadable.
"""

DOUBLE: Final = Decimal("1e-9")

VECTOR_INPUTS: Final = {
    "C_ppm_dry": "ppm_dry",
    "C_ppm_wet": "ppm_wet",
    "Fd": "fd",
    "Fc": "fc",
    "Fw": "fw",
    "O2_pct_dry": "o2_dry",
    "O2_pct_wet": "o2_wet",
    "O2_cap_pct": "o2_cap",
    "CO2_pct_dry": "co2_dry",
    "CO2_pct_wet": "co2_wet",
    "H2O_pct": "moisture",
    "Bwa": "bwa",
    "Q_scfh_wet": "flow_scfh",
    "NOXR_lb_mmBtu": "rate",
    "HI_mmBtu_h": "heat_input",
    "H_pct": "hydrogen",
    "C_pct": "carbon",
    "S_pct": "sulphur",
    "N_pct": "nitrogen",
    "O_pct": "oxygen",
    "GCV_Btu_lb": "gcv_btu_per_lb",
}
"""What the vectors call the symbols of `measurement/part75.py`."""


def add_vectors(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The verb."""
    add_verb(
        verbs,
        "vectors",
        audit_vectors,
        summary="hold formulas, hour validity and protocol frames against test vectors",
        example="doxedge audit vectors vectors_formulas_protocols.json",
        description="Hold formulas, standardisation, hour validity and protocol frames against test vectors.",
        epilog=EPILOG,
        file="FILE.json",
    )


def audit_vectors(options: argparse.Namespace) -> int:
    """Print what holds and what does not."""
    content = read_json(options.file)
    passed, failures = run(content, options.file.name)
    if options.output == "json":
        told = [{"name": f.name, "expected": f.expected, "got": f.got} for f in failures]
        print_json({"passed": passed, "failed": len(failures), "failures": told})
    else:
        print(f"{passed} vectors hold, {len(failures)} do not")
        for failed in failures:
            print(printable(f"{failed.name}: expected {failed.expected}, got {failed.got}"))
    return Exit.UNVERIFIED if failures else Exit.OK


def run(content: Any, file_name: str) -> tuple[int, list[Failed]]:
    """How many vectors hold, and those that do not. Raises Failure when there is no vector at all."""
    passed = 0
    failures: list[Failed] = []
    try:
        cases = list(_cases(mapping(content, "the file")))
    except VectorError as error:
        raise Failure(Exit.UNVERIFIED, f"{file_name}: {printable(str(error))}") from error
    if not cases:
        known = ", ".join((*SECTIONS, "protocol_frames"))
        raise Failure(Exit.UNVERIFIED, f"{file_name}: no vectors; looked for the keys {known}")
    for name, check, vector in cases:
        try:
            check(mapping(vector, "a vector"))
        except Mismatch as mismatch:
            failures.append(Failed(name, mismatch.expected, mismatch.got))
        except FrameError as error:
            failures.append(Failed(name, "a frame of the protocol", shown(error)))
        except DecimalException as error:
            failures.append(Failed(name, _expected(vector), f"no number ({type(error).__name__})"))
        except (VectorError, ArithmeticError) as error:
            failures.append(Failed(name, _expected(vector), shown(error) or type(error).__name__))
        else:
            passed += 1
    return passed, failures


def _cases(content: Mapping[str, Any]) -> Iterator[tuple[str, Callable[[Mapping[str, Any]], None], Any]]:
    for section, check in SECTIONS.items():
        for place, vector in enumerate(sequence(content.get(section, []), section)):
            yield _name(section, place, vector), check, vector
    for key, value in content.items():
        if key not in (*SECTIONS, "protocol_frames") and _holds_vectors(value):
            yield shown(key), _unknown, {}
    for protocol, vectors in mapping(content.get("protocol_frames", {}), "protocol_frames").items():
        for place, vector in enumerate(sequence(vectors, protocol)):
            yield _name(protocol, place, vector), _frame_check(protocol), vector


def _holds_vectors(value: Any) -> bool:
    """Whether a key that no check knows has objects in it, and is not only words about the file."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(
        isinstance(item, dict) or (isinstance(item, list) and any(isinstance(one, dict) for one in item))
        for item in inside
    )


def _unknown(_: Mapping[str, Any]) -> None:
    known = ", ".join((*SECTIONS, "protocol_frames"))
    raise VectorError(f"no check knows this key; the keys are {known}")


def _frame_check(protocol: str) -> Callable[[Mapping[str, Any]], None]:
    return lambda vector: check_frame(protocol, vector)


def _name(section: str, place: int, vector: Any) -> str:
    """`part75[2] 19-2`: where it stands in the file, counted from 0, and what its author calls it."""
    told = vector if isinstance(vector, dict) else {}
    label = next((told[key] for key in ("formula", "name", "desc") if isinstance(told.get(key), str)), "")
    return shown(f"{section}[{place}] {label}".rstrip())


def _expected(vector: Any) -> str:
    told = vector if isinstance(vector, dict) else {}
    return shown(next((told[key] for key in ("expected", "valid", "decode") if key in told), "a vector"))


def _formula(vector: Mapping[str, Any]) -> None:
    expects_only(vector, "expected", "expected_unrounded")
    code = text(vector.get("formula"), "formula")
    equation = _equation(code)
    given = {
        VECTOR_INPUTS.get(name, name): number(value, name)
        for name, value in mapping(vector.get("inputs"), "inputs").items()
    }
    lacking = [name for name in equation.inputs if name not in given and name not in equation.optional]
    foreign = [name for name in given if name not in equation.inputs]
    if lacking or foreign:
        raise VectorError(f"{code} needs {', '.join(equation.inputs)}; given are {', '.join(given)}")
    value = equation.compute(**given)
    if "expected_unrounded" in vector:
        expect_close(number(vector["expected_unrounded"], "expected_unrounded"), value, DOUBLE)
    places = whole(vector["decimals"], "decimals") if "decimals" in vector else equation.places
    if not -12 <= places <= 12:
        raise VectorError(f"{places} decimals are more than the arithmetic here is for")
    expect(number(vector.get("expected"), "expected"), reported(value, places=places))


def _equation(code: str) -> Equation:
    """`19-1_F-5` names one equation twice; both names must mean the same."""
    known = [BY_CODE.get(part) for part in code.split("_")]
    first = known[0]
    if first is None or any(equation is not first for equation in known):
        raise VectorError(f"no equation is called {code!r}")
    return first


def _standardisation(vector: Mapping[str, Any]) -> None:
    expects_only(vector, "expected")
    given = mapping(vector.get("inputs"), "inputs")
    constants = mapping(vector.get("const", {}), "const")
    usual = Standard()

    def constant(name: str, default: Decimal) -> Decimal:
        return number(constants[name], name) if name in constants else default

    def value(name: str) -> Decimal:
        return number(given.get(name), name)

    standard = Standard(
        mg_per_ppm=constant("mg_per_ppm", usual.mg_per_ppm),
        zero_k=constant("T0_K", usual.zero_k),
        pressure_kpa=constant("p0_kPa", usual.pressure_kpa),
        o2_air=constant("O2_air", usual.o2_air),
        max_oxygen_factor=Decimal(1_000_000),  # the vector is about the formula, not about a rule's bound
    )
    basis = text(given.get("analyser_basis"), "analyser_basis")
    if basis not in list(Basis):
        raise VectorError(f"analyser_basis must be one of {', '.join(Basis)}")
    computed: dict[str, Callable[[], Decimal]] = {
        "mg_Nm3_dry_actualO2": lambda: dry_mg_per_m3(
            value("NOx_ppm"), Basis(basis), value("H2O_pct_vol"), standard
        ),
        "mg_Nm3_dry_refO2": lambda: at_reference_oxygen(
            computed["mg_Nm3_dry_actualO2"](),
            o2_dry=value("O2_pct_dry"),
            o2_reference=value("O2_ref_pct"),
            standard=standard,
        ),
        "Q_Nm3h_dry": lambda: normal_dry_m3_per_h(
            value("Q_actual_wet_m3h"),
            temperature_c=value("stack_T_C"),
            pressure_kpa=value("stack_p_kPa"),
            moisture_percent=value("H2O_pct_vol"),
            standard=standard,
        ),
        "kg_h": lambda: kg_per_h(computed["mg_Nm3_dry_actualO2"](), computed["Q_Nm3h_dry"]()),
        "kg_MWh": lambda: kg_per_mwh(computed["kg_h"](), value("gross_MW")),
    }
    expected = mapping(vector.get("expected"), "expected")
    if not expected:
        raise VectorError("expected is empty")
    for name, wanted in expected.items():
        if name not in computed:
            raise VectorError(f"expected names {name!r}; known are {', '.join(computed)}")
        expect_close(number(wanted, name), computed[name](), DOUBLE)


def _hour(vector: Mapping[str, Any]) -> None:
    expects_only(vector)
    spans = sequence(vector.get("op"), "op")
    pairs = [spans] if spans and not isinstance(spans[0], list) else spans
    operating = [tuple(_at(minute) for minute in numbers_in(pair, "op")) for pair in pairs]
    if not all(len(span) == 2 for span in operating):
        raise VectorError("op must be pairs of minutes: begin and end")
    checks = [
        CalibrationCheck(_at(minute), passed)
        for key, passed in (("cal_fail", False), ("cal_pass", True))
        if vector.get(key) is not None
        for minute in numbers_in(vector[key], key)
    ]
    qa = vector.get("qa", False)
    if not isinstance(qa, bool):
        raise VectorError("qa must be true or false")
    verdict = judge_hour(
        0,
        operating=[(span[0], span[1]) for span in operating],
        points_ms=[_at(minute) for minute in numbers_in(sequence(vector.get("points"), "points"), "points")],
        qa=qa,
        checks=checks,
    )
    if "valid" not in vector:
        raise VectorError("valid is missing")
    expect(vector["valid"], verdict.valid)
    if "rule" in vector:
        rule = text(vector["rule"], "rule")
        expect(rule if rule == NOT_OPERATING else f"60.13(h)(2){rule}", verdict.clause)


def _at(minute: Decimal) -> int:
    """A minute of the hour in ms."""
    if not 0 <= minute <= HOUR_MS // MINUTE_MS:
        raise VectorError(f"minute {minute} is not in the hour")
    return rounded(minute * MINUTE_MS)


SECTIONS: Final[Mapping[str, Callable[[Mapping[str, Any]], None]]] = {
    "part75": _formula,
    "eu_standardisation": _standardisation,
    "hour_validity_60_13_h2": _hour,
}
