"""Every instrument that can be a unit's analyser, flow or power meter gets the polls that an hour needs."""

from __future__ import annotations

import pytest

from simulators.catalogue import ROLES, instrument_for
from simulators.plant import PlantSettings, SimulatedPlant
from tests.conformance.record_exchanges import StandingClock
from tests.integration.simulated_site import PERIOD_MS, periods

OTHERS = {"siemens_ga700", "sick_flowsic500"}
"""NO alone, and fuel gas: no hour of a stack is made of that alone."""


@pytest.mark.parametrize(
    "profile", [profile for profiles in ROLES.values() for profile in profiles if profile not in OTHERS]
)
def test_each_instrument_of_a_scenario_is_polled_for_what_an_hour_needs(profile: str) -> None:
    simulated = instrument_for(profile, SimulatedPlant(PlantSettings()), StandingClock())
    found = periods({"profile": profile, "settings": simulated.settings})
    assert PERIOD_MS in found.values()
    assert set(found.values()) <= {0, PERIOD_MS}
    if profile == "schneider_iem3000":
        assert found == {"power": PERIOD_MS, "energy": PERIOD_MS}
