"""Relative accuracy tests: figures against a twin, verdicts against the table of limits."""

import math
import statistics
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.parameters import Kind
from doxedge.measurement.rata import Figures, Run, figures, overall, t_value

RATE, PPM, GAS, H2O, FLOW = Kind.RATE, Kind.CONCENTRATION, Kind.DILUENT, Kind.MOISTURE, Kind.FLOW


def level(
    kind: Kind, monitor: str, reference: str, *, spread: str = "0", n: int = 9, rejected: int = 0
) -> Figures:
    """Nine runs with one difference, more or less `spread` in turns."""
    swing = Decimal(spread)
    runs = [
        Run(Decimal(monitor), Decimal(reference) + (swing if k % 3 == 0 else -swing if k % 3 == 1 else 0))
        for k in range(n)
    ]
    found = figures(kind, runs, rejected=rejected)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("kind", "monitor", "reference", "spread", "accuracy", "verdict", "frequency"),
    [
        (RATE, "0.400", "0.430", "0", "6.98", "PASSED", "4QTRS"),
        (RATE, "0.400", "0.4326", "0", "7.54", "PASSED", "4QTRS"),
        (RATE, "0.400", "0.4327", "0", "7.56", "PASSED", "2QTRS"),
        (RATE, "0.185", "0.200", "0", "7.50", "PASSED", "4QTRS"),
        (RATE, "0.1850", "0.2003", "0", "7.64", "PASSAPS", "4QTRS"),
        (RATE, "0.1854", "0.2006", "0", "7.58", "PASSED", "2QTRS"),
        (RATE, "0.1001", "0.1156", "0", "13.41", "PASSAPS", "2QTRS"),
        (RATE, "0.100", "0.1154", "0", "13.34", "PASSAPS", "4QTRS"),
        (RATE, "0.100", "0.1156", "0", "13.49", "PASSAPS", "2QTRS"),
        (RATE, "0.100", "0.1204", "0", "16.94", "PASSAPS", "2QTRS"),
        (RATE, "0.100", "0.1206", "0", "17.08", "FAILED", None),
        (RATE, "0.205", "0.210", "0.05", "18.23", "FAILED", None),
        (PPM, "100", "112", "0", "10.71", "PASSAPS", "4QTRS"),
        (PPM, "100", "112.1", "0", "10.79", "PASSAPS", "2QTRS"),
        (PPM, "100", "115.04", "0", "13.07", "PASSAPS", "2QTRS"),
        (PPM, "100", "115.05", "0", "13.08", "FAILED", None),
        (PPM, "230", "250.04", "0", "8.01", "PASSED", "2QTRS"),
        (PPM, "240", "252", "0.2", "4.81", "PASSED", "4QTRS"),
        (PPM, "220", "251", "0", "12.35", "FAILED", None),
        (GAS, "6.0", "6.7", "0", "10.45", "PASSAPS", "4QTRS"),
        (GAS, "6.0", "6.75", "0", "11.11", "PASSAPS", "2QTRS"),
        (GAS, "6.0", "7.05", "0", "14.89", "FAILED", None),
        (GAS, "8.0", "8.78", "0", "8.88", "PASSED", "2QTRS"),
        (H2O, "6.0", "7.0", "0", "14.29", "PASSAPS", "4QTRS"),
        (H2O, "6.0", "7.5", "0", "20.00", "PASSAPS", "2QTRS"),
        (H2O, "6.0", "7.6", "0", "21.05", "FAILED", None),
        (FLOW, "1000000", "1080000", "0", "7.41", "PASSED", "4QTRS"),
        (FLOW, "1000000", "1110000", "0", "9.91", "PASSED", "2QTRS"),
        (FLOW, "1000000", "1120000", "0", "10.71", "FAILED", None),
    ],
)
def test_a_level_is_judged_in_epas_order_with_epas_places(
    kind: Kind,
    monitor: str,
    reference: str,
    spread: str,
    accuracy: str,
    verdict: str,
    frequency: str | None,
) -> None:
    found = level(kind, monitor, reference, spread=spread)
    assert str(found.relative_accuracy) == accuracy
    assert (found.verdict, found.frequency) == (verdict, frequency)


@pytest.mark.parametrize(
    ("kind", "monitor", "reference", "spread", "factor", "capped"),
    [
        (RATE, "0.008", "0.009", "0", "1.125", "1.111"),
        (RATE, "0.008", "0.007", "0", "1.000", "1.000"),
        (RATE, "0.400", "0.450", "0", "1.125", "1.125"),
        (RATE, "0.200", "0.2004", "0", "1.002", "1.002"),
        (RATE, "0.200", "0.202", "0.1", "1.000", "1.000"),
        (PPM, "200", "250", "0", "1.250", "1.111"),
        (PPM, "201", "250.1", "0", "1.244", "1.244"),
        (PPM, "2000", "2001", "0", "1.001", "1.001"),
        (FLOW, "1000", "1001.5", "0", "1.002", "1.002"),
        (GAS, "10", "12", "0", "1.000", "1.000"),
        (H2O, "10", "12", "0", "1.000", "1.000"),
    ],
)
def test_a_low_monitor_gets_a_factor_and_a_small_emitter_may_cap_it(
    kind: Kind, monitor: str, reference: str, spread: str, factor: str, capped: str
) -> None:
    found = level(kind, monitor, reference, spread=spread)
    assert (str(found.bias_factor), str(found.capped_bias_factor)) == (factor, capped)


def test_the_worked_example_of_a_real_test_is_met() -> None:
    monitor = ["0.209", "0.203", "0.199", "0.217", "0.216", "0.209", "0.208", "0.207", "0.215"]
    reference = ["0.201", "0.196", "0.201", "0.220", "0.215", "0.215", "0.217", "0.216", "0.224"]
    runs = [Run(Decimal(a), Decimal(b)) for a, b in zip(monitor, reference, strict=True)]
    found = figures(RATE, runs)
    assert found is not None
    assert [round(value, 5) for value in (found.mean_difference, found.deviation, found.confidence)] == [
        Decimal("0.00244"),
        Decimal("0.00664"),
        Decimal("0.00510"),
    ]
    assert (str(found.relative_accuracy), found.verdict) == ("3.56", "PASSED")


VALUES = st.decimals("0.1", 500, places=2)


@given(st.lists(st.tuples(VALUES, VALUES), min_size=9, max_size=40))
def test_the_figures_are_those_of_a_twin_in_fractions(pairs: list[tuple[Decimal, Decimal]]) -> None:
    found = figures(PPM, [Run(a, b) for a, b in pairs])
    assert found is not None
    differences = [Fraction(b) - Fraction(a) for a, b in pairs]
    deviation = math.sqrt(statistics.variance(differences)) if len(set(differences)) > 1 else 0.0
    d = float(sum(differences) / len(differences))
    confidence = float(found.t_value) * deviation / math.sqrt(len(pairs))
    mean = float(sum(Fraction(b) for _, b in pairs) / len(pairs))
    accuracy = min(100 * (abs(d) + confidence) / mean, 999.99)
    assert float(found.deviation) == pytest.approx(deviation, rel=1e-9, abs=1e-9)
    assert float(found.mean_difference) == pytest.approx(d, rel=1e-9, abs=1e-9)
    assert float(found.relative_accuracy) == pytest.approx(accuracy, abs=0.0051)
    assert found.bias_factor >= 1
    assert found.capped_bias_factor <= found.bias_factor


@given(st.integers(9, 40))
def test_equal_differences_have_no_spread_at_all(n: int) -> None:
    found = level(RATE, "0.333", "0.334", n=n)
    assert (found.deviation, found.confidence) == (Decimal(0), Decimal(0))


@pytest.mark.parametrize(
    ("n", "rejected"), [(8, 0), (0, 0), (9, 4)], ids=["too few", "none", "too many rejected"]
)
def test_too_few_runs_or_too_many_rejected_are_no_test(n: int, rejected: int) -> None:
    assert figures(RATE, [Run(Decimal(1), Decimal(1))] * n, rejected=rejected) is None


def test_nothing_measured_is_no_test() -> None:
    assert figures(RATE, [Run(Decimal(1), Decimal(0))] * 9) is None
    assert figures(RATE, [Run(Decimal(0), Decimal(1))] * 9) is None
    assert figures(RATE, [Run(Decimal(1), Decimal(1))] * 9, rejected=3) is not None


def student_cdf(t: float, freedom: int) -> float:
    """By Simpson's rule: the dumb twin of a table."""
    scale = math.exp(
        math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - 0.5 * math.log(freedom * math.pi)
    )
    steps = 2000
    width = t / steps
    total: float = sum(
        (1 if k in (0, steps) else 4 if k % 2 else 2)
        * (1 + (k * width) ** 2 / freedom) ** (-(freedom + 1) / 2)
        for k in range(steps + 1)
    )
    return 0.5 + scale * total * width / 3


@pytest.mark.parametrize("runs", range(2, 32))
def test_the_table_of_t_is_the_distribution_of_student(runs: int) -> None:
    t = float(t_value(runs))
    assert student_cdf(t - 0.00051, runs - 1) < 0.975 < student_cdf(t + 0.00051, runs - 1)


def test_beyond_the_table_epas_engine_takes_one() -> None:
    assert [str(t_value(n)) for n in (9, 10, 11, 12, 31, 32, 90)] == [
        "2.306", "2.262", "2.228", "2.201", "2.042", "1.000", "1.000",
    ]  # fmt: skip


def test_a_test_is_as_good_as_its_worst_level() -> None:
    four, two = level(FLOW, "100", "101"), level(FLOW, "100", "109.9")
    failed, alternative = level(FLOW, "100", "200"), level(RATE, "0.008", "0.009")
    assert overall([four, four]) == ("PASSED", "4QTRS")
    assert overall([four, two]) == ("PASSED", "2QTRS")
    assert overall([alternative, two]) == ("PASSAPS", "2QTRS")
    assert overall([four, failed]) == ("FAILED", None)
    assert overall([four, None]) == ("INVALID", None)
    assert overall([]) == ("INVALID", None)
