"""Tables of two distributions, as the standards print them: no iteration, the same last digit on every machine.

t(0.95) of Student, one-sided, and k_v = sqrt(chi2(0.5; N - 1) / (N - 1)) of EN 14181, Annex I.
"""

from decimal import Decimal
from typing import Final

_T_95: Final = (
    "6.314 2.920 2.353 2.132 2.015 1.943 1.895 1.860 1.833 1.812 1.796 1.782 1.771 1.761 1.753 "
    "1.746 1.740 1.734 1.729 1.725 1.721 1.717 1.714 1.711 1.708 1.706 1.703 1.701 1.699 1.697"
)
_K_V: Final = (
    "0.6745 0.8326 0.8881 0.9161 0.9329 0.9441 0.9521 0.9581 0.9628 0.9665 0.9696 0.9721 0.9743 0.9761 "
    "0.9777 0.9791 0.9803 0.9814 0.9824 0.9833 0.9841 0.9848 0.9855 0.9861 0.9866 0.9872 0.9876 0.9881 0.9885"
)
T_95: Final = tuple(Decimal(text) for text in _T_95.split())
K_V: Final = tuple(Decimal(text) for text in _K_V.split())

MAX_SAMPLES: Final = 30
"""Both tables end here; more samples are judged as thirty."""


def t_95(samples: int) -> Decimal:
    """One-sided 95 % of Student's t with one degree of freedom less. Raises ValueError below two samples."""
    if samples < 2:
        raise ValueError(f"{samples} samples have no spread")
    return T_95[min(samples, MAX_SAMPLES) - 2]


def k_v(samples: int) -> Decimal:
    """The test value of the variability test. Raises ValueError below two samples."""
    if samples < 2:
        raise ValueError(f"{samples} samples have no spread")
    return K_V[min(samples, MAX_SAMPLES) - 2]
