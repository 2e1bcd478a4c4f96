"""How the demo commissions a device: the regulator walks the road that a verifier walks, in one process."""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import TYPE_CHECKING, Any

from doxedge.cli.ask_node import Asked
from doxedge.cli.demo_cast import Cast
from doxedge.cli.demo_site import Stage
from doxedge.cli.gateway_commission import commission_body, prepared
from doxedge.cli.outcome import Exit, Failure

if TYPE_CHECKING:
    from doxedge.gateway.plant import PlannedUnit
    from doxedge.gateway.settings import GatewaySettings

PATIENCE_S = 30.0
"""The gateway fetches the proof of its first hour a moment after the hour is final."""


async def commission_body_of(stage: Stage, cast: Cast, unit: str, party: str, channel: bytes) -> list[Any]:
    """The body of `device.commission`: the first hour, made again from its samples and compared with the ledger's."""
    start_ms, nox_g = cast.first_hours[unit]
    settings, planned = await asyncio.to_thread(_planned, stage, party, unit)
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await asyncio.to_thread(
                _checked, stage, party, settings, planned, channel, {start_ms: nox_g}
            )
        except Failure as failure:
            if failure.code is not Exit.REFUSED or time.monotonic() > deadline_s:
                raise
        await asyncio.sleep(0.5)


def _planned(stage: Stage, party: str, unit: str) -> tuple[GatewaySettings, PlannedUnit]:
    from doxedge.fieldbus.clock import from_environment
    from doxedge.gateway.plant import plan_units
    from doxedge.gateway.settings import load_settings

    config = stage.folder / f"{party}-gateway.toml"
    settings = load_settings(config)
    units = plan_units(settings, source=str(config), clock=from_environment(stage.environment))
    return settings, next(one for one in units if one.table.name == unit)


def _checked(
    stage: Stage,
    party: str,
    settings: GatewaySettings,
    planned: PlannedUnit,
    channel: bytes,
    hand: dict[int, int],
) -> list[Any]:
    """What `gateway commission prepare` and `sign` do. Raises Failure."""
    from doxedge.evidence.check import NotProved
    from doxedge.gateway.commission_check import check_commission
    from doxedge.gateway.commission_plan import plan_of

    asked = Asked(argparse.Namespace(node=f"unix:{stage.socket(party)}", token_file=None))
    try:
        data = prepared(settings, planned, asked, count=len(hand), wanted=[*hand])
    finally:
        asked.close()
    try:
        return commission_body(check_commission(data, plan=plan_of, channel=channel, hand=hand))
    except NotProved as refusal:
        raise Failure(
            Exit.UNVERIFIED, f"the first hour of {planned.table.name} does not hold: {refusal}"
        ) from refusal
