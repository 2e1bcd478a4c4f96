"""What a signed hour says of itself: nothing that a reader must know is left out."""

from __future__ import annotations

from typing import Any

import pytest

from doxedge.gateway.bodies import Provenance, hour_body
from doxedge.gateway.clock_state import ClockReading
from doxedge.ledger import bodies
from doxedge.measurement.emission import HourRecord
from doxedge.quantity import HOUR_MS, Grams, WattHours

RECIPE = 18


def body(**changed: Any) -> list[Any]:
    fields: dict[str, Any] = {
        "unit": "alpha-1", "start_ms": HOUR_MS, "rule_set": "us60", "operating_percent": 100, "nox_g": Grams(700),
        "energy_wh": WattHours(5), "quality": "valid", "clause": "60.13(h)(2)(i)", "method_code": "01",
        "minutes_valid": 60, "samples": 720,
    }  # fmt: skip
    made_by = Provenance(bytes(32), bytes(32), bytes(16), "doxedge test")
    hour = HourRecord(**{**fields, **changed})
    return hour_body(
        hour, samples=720, samples_root=bytes(32), provenance=made_by, clock=ClockReading("synchronised", 0)
    )


@pytest.mark.parametrize(
    ("quality", "remarks", "recipe"),
    [
        ("metered", (), None),
        ("metered", ("moisture_percent:default",), ["moisture_percent:default"]),
        ("carried", (), ["energy_wh:carried"]),
        ("incomplete", (), ["energy_wh:incomplete"]),
        ("disputed", ("moisture_percent:default",), ["energy_wh:disputed", "moisture_percent:default"]),
        ("unmetered", (), ["energy_wh:unmetered"]),
    ],
)
def test_an_hour_says_what_its_mass_and_its_energy_rest_on(
    quality: str, remarks: tuple[str, ...], recipe: list[str] | None
) -> None:
    found = body(energy_quality=quality, remarks=remarks)
    assert found[RECIPE] == recipe
    assert bodies.hour_facts(found).recipe == recipe
