"""What persons say by hand reaches a real gateway process: its door has a question for each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.plant_box import process
from tests.cli.test_gateway_reload import is_there
from tests.cli.test_gateway_status import PATIENCE_S, doxedge, write_settings
from tests.gateway.waiting import until
from tests.integration.simulated_site import simulated_site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


async def test_a_running_gateway_answers_for_meters_and_hours_by_hand(tmp_path: Path) -> None:
    document = tmp_path / "protocol.pdf"
    document.write_bytes(b"a protocol")
    said = ("--name", "A. Person", "--reason", "test", "--document", str(document))
    async with simulated_site() as site:
        config = write_settings(site, tmp_path)
        where = ("--config", str(config))
        run = ("doxedge", "gateway", "run", *where)
        async with process(*run, environment=site.environment, log=tmp_path / "gateway.log"):
            await until(lambda: is_there(config), within_s=PATIENCE_S, what="the gateway answers")
            code, out, error = await doxedge("enter", "list", *where)
            assert (code, out.strip()) == (0, "nothing was entered by hand"), error
            hour = ("--unit", "alpha-1", "--hour", "2020-01-01T00:00", "--nox-g", "5")
            code, _, error = await doxedge("enter", "propose", *hour, *said, *where)
            assert code == 1
            assert "nothing signed of the hour 2020-01-01 00:00:00 UTC" in error
            code, _, error = await doxedge("enter", "confirm", "1", "--name", "B. Person", *where)
            assert (code, "there is no entry 1" in error) == (2, True)
            meter = ("--unit", "alpha-1", "--at", "2020-01-01", "--old-wh", "5", "--new-wh", "0")
            code, _, error = await doxedge("exchange-meter", *meter, *said, *where)
            assert (code, "is closed" in error) == (1, True)
