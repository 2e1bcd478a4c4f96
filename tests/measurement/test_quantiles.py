"""The tables are those of their distributions."""

import math

import pytest

from doxedge.measurement.quantiles import MAX_SAMPLES, k_v, t_95


def student_below(t: float, freedom: int) -> float:
    """By Simpson's rule."""
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    steps = 2000
    width = t / steps
    total: float = sum(
        (1 if k in (0, steps) else 4 if k % 2 else 2)
        * (1 + (k * width) ** 2 / freedom) ** (-(freedom + 1) / 2)
        for k in range(steps + 1)
    )
    return 0.5 + scale * total * width / 3


def chi_square_below(x: float, freedom: int) -> float:
    """By the series of the incomplete gamma function."""
    half = freedom / 2
    term = total = 1 / half
    for k in range(1, 400):
        term *= (x / 2) / (half + k)
        total += term
    return total * math.exp(-x / 2 + half * math.log(x / 2) - math.lgamma(half))


@pytest.mark.parametrize("samples", range(2, MAX_SAMPLES + 2))
def test_t_is_the_95_percent_point_of_student(samples: int) -> None:
    freedom = min(samples, MAX_SAMPLES) - 1
    t = float(t_95(samples))
    assert student_below(t - 0.00051, freedom) < 0.95 < student_below(t + 0.00051, freedom)


@pytest.mark.parametrize("samples", range(2, MAX_SAMPLES + 1))
def test_k_v_is_the_median_of_a_sample_deviation(samples: int) -> None:
    freedom = samples - 1
    low, high = (freedom * (float(k_v(samples)) + off) ** 2 for off in (-0.000051, 0.000051))
    assert chi_square_below(low, freedom) < 0.5 < chi_square_below(high, freedom)


def test_more_samples_than_the_tables_have_are_judged_as_thirty_and_one_has_no_spread() -> None:
    assert (t_95(200), k_v(200)) == (t_95(30), k_v(30))
    for table in (t_95, k_v):
        with pytest.raises(ValueError, match="no spread"):
            table(1)
