"""EPA's equations: the worked examples, and each against its plainest form in whole fractions."""

from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement import part75
from doxedge.measurement.conversion import reported
from doxedge.measurement.part75 import BY_CODE, EQUATIONS, DiluentCapNeeded


def D(text: str | int) -> Decimal:  # noqa: N802
    return Decimal(text)


@pytest.mark.parametrize(
    ("code", "given_values", "expected"),
    [
        ("F-5", {"ppm_dry": "100", "fd": "9780", "o2_dry": "6.0"}, "0.164"),
        ("F-6", {"ppm_wet": "100", "fc": "1800", "co2_wet": "12.0"}, "0.179"),
        ("19-3", {"ppm_wet": "120", "fd": "8710", "moisture": "18", "o2_wet": "3.0"}, "0.184"),
        ("19-9", {"ppm_dry": "110", "fc": "1840", "moisture": "12", "co2_wet": "11.5"}, "0.185"),
        ("19-5", {"ppm_dry": "110", "fd": "9780", "o2_wet": "5.5", "moisture": "8"}, "0.180"),
        ("F-26A", {"ppm_wet": "150", "flow_scfh": "45000000"}, "806.0"),
        ("F-26B", {"ppm_dry": "150", "flow_scfh": "45000000", "moisture": "8.5"}, "737.4"),
        ("F-15", {"flow_scfh": "45000000", "fc": "1800", "co2_wet": "11.8"}, "2950.0"),
        ("F-18", {"flow_scfh": "45000000", "moisture": "8", "fd": "9780", "o2_dry": "6"}, "3017.9"),
        ("F-24A", {"rate": "0.134", "heat_input": "5240.7"}, "702.3"),
        ("F-14A", {"fc": "1800", "fd": "9780", "o2_dry": "6"}, "13.1"),
        ("F-31", {"o2_dry": "6.0", "o2_wet": "5.4"}, "10.0"),
    ],
)
def test_the_worked_examples_are_met(code: str, given_values: dict[str, str], expected: str) -> None:
    equation = BY_CODE[code]
    value = equation.compute(**{name: D(text) for name, text in given_values.items()})
    assert str(reported(value, places=equation.places)) == expected


F = Fraction
AIR = F(209, 10)
K = F(1194, 10**10)
TWINS: dict[str, Callable[..., Fraction]] = {
    "19-1": lambda ppm_dry, fd, o2_dry: K * ppm_dry * fd * AIR / (AIR - o2_dry),
    "19-2": lambda ppm_wet, fw, o2_wet, bwa: K * ppm_wet * fw * AIR / (AIR * (1 - bwa) - o2_wet),
    "19-3": lambda ppm_wet, fd, o2_wet, moisture: (
        K * ppm_wet * fd * AIR / (AIR * (100 - moisture) / 100 - o2_wet)
    ),
    "19-3D": lambda ppm_wet, fd, o2_cap, moisture: (
        K * ppm_wet * fd * AIR / ((100 - moisture) / 100 * (AIR - o2_cap))
    ),
    "19-4": lambda ppm_wet, fd, o2_dry, moisture: (
        K * ppm_wet * fd / ((100 - moisture) / 100) * AIR / (AIR - o2_dry)
    ),
    "19-5": lambda ppm_dry, fd, o2_wet, moisture: (
        AIR * K * ppm_dry * fd / (AIR - o2_wet / ((100 - moisture) / 100))
    ),
    "19-6": lambda ppm_dry, fc, co2_dry: K * ppm_dry * fc * 100 / co2_dry,
    "19-7": lambda ppm_wet, fc, co2_wet: K * ppm_wet * fc * 100 / co2_wet,
    "19-8": lambda ppm_wet, fc, co2_dry, moisture: (
        K * ppm_wet / ((100 - moisture) / 100) * fc * 100 / co2_dry
    ),
    "19-9": lambda ppm_dry, fc, co2_wet, moisture: (
        K * ppm_dry * ((100 - moisture) / 100) * fc * 100 / co2_wet
    ),
    "F-15": lambda flow_scfh, fc, co2_wet: flow_scfh / fc * co2_wet / 100,
    "F-16": lambda flow_scfh, fc, co2_dry, moisture: (
        flow_scfh * (100 - moisture) / (100 * fc) * co2_dry / 100
    ),
    "F-17": lambda flow_scfh, fd, o2_wet, moisture: (
        flow_scfh / fd * (F(209, 1000) * (100 - moisture) - o2_wet) / AIR
    ),
    "F-18": lambda flow_scfh, fd, o2_dry, moisture: (
        flow_scfh * (100 - moisture) / (100 * fd) * (AIR - o2_dry) / AIR
    ),
    "F-24A": lambda rate, heat_input: rate * heat_input,
    "F-26A": lambda ppm_wet, flow_scfh: K * ppm_wet * flow_scfh,
    "F-26B": lambda ppm_dry, flow_scfh, moisture: K * ppm_dry * flow_scfh * (100 - moisture) / 100,
    "F-31": lambda o2_dry, o2_wet: 100 * (o2_dry - o2_wet) / o2_dry,
    "F-14A": lambda fc, fd, o2_dry: 100 * fc / fd * (AIR - o2_dry) / AIR,
    "F-14B": lambda fc, fd, o2_wet, moisture: 100 / AIR * fc / fd * (AIR * (100 - moisture) / 100 - o2_wet),
    "F-7A": lambda hydrogen, carbon, sulphur, nitrogen, oxygen, gcv_btu_per_lb: (
        10**4 * (364 * hydrogen + 153 * carbon + 57 * sulphur + 14 * nitrogen - 46 * oxygen) / gcv_btu_per_lb
    ),
    "F-7B": lambda carbon, gcv_btu_per_lb: 321_000 * carbon / gcv_btu_per_lb,
}
RANGES: dict[str, tuple[int | str, int | str, int]] = {
    "ppm_dry": (0, 2000, 1),
    "ppm_wet": (0, 2000, 1),
    "fd": (8000, 12000, 0),
    "fw": (9000, 13000, 0),
    "fc": (900, 3000, 0),
    "o2_dry": ("0.1", 19, 1),
    "o2_wet": ("0.1", 8, 1),
    "o2_cap": (14, 19, 1),
    "co2_dry": ("0.5", 20, 1),
    "co2_wet": ("0.5", 20, 1),
    "moisture": (0, 30, 1),
    "bwa": (0, "0.05", 3),
    "flow_scfh": (1000, 10**9, 0),
    "rate": (0, 5, 3),
    "heat_input": (0, 20000, 1),
    "hydrogen": (1, 25, 2),
    "carbon": (30, 90, 2),
    "sulphur": (0, 6, 2),
    "nitrogen": (0, 3, 2),
    "oxygen": (0, 20, 2),
    "gcv_btu_per_lb": (4000, 24000, 0),
}


@pytest.mark.parametrize("equation", EQUATIONS, ids=lambda equation: equation.codes[0])
@given(data=st.data())
def test_an_equation_is_its_plain_form_to_thirty_digits(
    equation: part75.Equation, data: st.DataObject
) -> None:
    drawn = {
        name: data.draw(st.decimals(low, high, places=places), label=name)
        for name, (low, high, places) in ((name, RANGES[name]) for name in equation.inputs)
    }
    plain = TWINS[equation.codes[0]](**{name: Fraction(value) for name, value in drawn.items()})
    value = Fraction(equation.compute(**drawn))
    assert abs(value - plain) <= abs(plain) / 10**30


def test_every_equation_has_a_twin_and_every_code_one_equation() -> None:
    assert {equation.codes[0] for equation in EQUATIONS} == set(TWINS)
    assert len(BY_CODE) == sum(len(equation.codes) for equation in EQUATIONS)


@pytest.mark.parametrize(
    ("code", "given_values"),
    [
        ("19-1", {"ppm_dry": "1", "fd": "9780", "o2_dry": "20.9"}),
        ("19-1", {"ppm_dry": "1", "fd": "9780", "o2_dry": "21"}),
        ("19-3", {"ppm_wet": "1", "fd": "9780", "o2_wet": "19", "moisture": "10"}),
        ("19-5", {"ppm_dry": "1", "fd": "9780", "o2_wet": "20", "moisture": "10"}),
        ("19-6", {"ppm_dry": "1", "fc": "1800", "co2_dry": "0"}),
        ("19-8", {"ppm_wet": "1", "fc": "1800", "co2_dry": "-0.1", "moisture": "10"}),
    ],
)
def test_nothing_but_air_asks_for_the_diluent_cap(code: str, given_values: dict[str, str]) -> None:
    with pytest.raises(DiluentCapNeeded, match="method code 14"):
        BY_CODE[code].compute(**{name: D(text) for name, text in given_values.items()})


def test_the_capped_form_of_19_3_is_19_3_at_the_cap() -> None:
    capped = part75.rate_19_3d(ppm_wet=D("400"), fd=D("9780"), o2_cap=D("14.0"), moisture=D("10"))
    at_cap = part75.rate_19_4(ppm_wet=D("400"), fd=D("9780"), o2_dry=D("14.0"), moisture=D("10"))
    assert capped == at_cap


def test_the_default_moisture_of_air_is_that_of_method_19() -> None:
    usual = part75.rate_19_2(ppm_wet=D("100"), fw=D("10610"), o2_wet=D("5"))
    assert usual == part75.rate_19_2(ppm_wet=D("100"), fw=D("10610"), o2_wet=D("5"), bwa=D("0.027"))


def test_f_factors_from_a_fuel_analysis_lie_where_epa_expects_them() -> None:
    fd = part75.fd_f7a(
        hydrogen=D("5.0"), carbon=D("70"), sulphur=D("2"), nitrogen=D("1.3"), oxygen=D("8"),
        gcv_btu_per_lb=D("12500"),
    )  # fmt: skip
    fc = part75.fc_f7b(carbon=D("70"), gcv_btu_per_lb=D("12500"))
    # (3.64*5 + 1.53*70 + 0.57*2 + 0.14*1.3 - 0.46*8) = 122.942; /12500 * 1e6
    assert fd == D("9835.36")
    assert fc == D("1797.6")


def test_a_mixture_weighs_its_fuels_by_their_heat() -> None:
    factors = {"coal": D("9780"), "gas": D("8710")}
    assert part75.mixed_f8(factors, {"coal": D(3), "gas": D(1)}) == D("9512.5")
    assert part75.mixed_f8(factors, {"gas": D("0.1")}) == D("8710")
    with pytest.raises(ValueError, match="no F factor for oil"):
        part75.mixed_f8(factors, {"oil": D(1)})
    with pytest.raises(DiluentCapNeeded):
        part75.mixed_f8(factors, {"gas": D(0)})


def test_a_callers_decimal_context_changes_nothing() -> None:
    usual = part75.rate_19_1(ppm_dry=D("257.4"), fd=D("9780"), o2_dry=D("13.4"))
    with localcontext(prec=3):
        assert part75.rate_19_1(ppm_dry=D("257.4"), fd=D("9780"), o2_dry=D("13.4")) == usual
