"""The alarms of a gateway: what each means, how soon somebody should act, and which the regulator is told.

Delays and bands without a source are design defaults. The two clock tolerances are those by which a reading is judged
(MCERTS and German practice; measurement design, 7).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from doxedge.measurement.alarms import AlarmRule, Band, Priority
from doxedge.quantity import HOUR_MS, MINUTE_MS

MEBIBYTE: Final = 1024 * 1024

CLOCK_WARNING_MS: Final = Band(Decimal(1_000), Decimal(800))
CLOCK_BAD_MS: Final = Band(Decimal(5_000), Decimal(4_000))
DISK_FREE_MB_MIN: Final = 256
"""Four times the room that the samples leave to the outbox (store.samples): there is time to act."""
DISK_FREE_MB_BACK: Final = 320
OUTBOX_PERCENT: Final = Band(Decimal(90), Decimal(85))
"""Of its budget in use. The last tenth of the usual plant's 35 days is three of them: time to allow more."""
QUEUE_AGE_MS: Final = Band(Decimal(2 * HOUR_MS), Decimal(HOUR_MS))
"""An hour is proved final seconds after it closes; two of them that wait are no accident of timing."""
INVALID_MINUTES: Final = Band(Decimal(20), Decimal(0))
"""A third of the interval (measurement design, 7); over only when the next hour goes well (`alarm_sightings`)."""
STEADY_MS: Final = 5 * MINUTE_MS
"""What the regulator is told of must be well for so long before it is over: an instrument that comes and goes every
few seconds is one outage, and not a thousand events on a ledger."""
FLOW_PERCENT_OF_SPAN: Final = Band(Decimal(5), Decimal(2))
"""Of a unit that is off: less is the zero of the instrument."""
NOX_PERCENT_OF_SPAN: Final = FLOW_PERCENT_OF_SPAN
"""Likewise; twice what a daily check lets pass is not asked for, since what smoulders is an emission."""
NOX_OFF_PPB: Final = Band(Decimal(20_000), Decimal(10_000))
"""The same where the span is not known."""
AIR_PERCENT: Final = Band(Decimal("20.5"), Decimal("20.0"))
"""Oxygen in the stack of a unit that runs. A turbine that idles has 19 % (40 CFR 75, Appendix F, 3.3.4.1)."""
FALLING_PERCENT: Final = Decimal(1)
"""Availability above a threshold: about 88 hours of a year."""

_RULES: Final = (
    AlarmRule(
        code="device.away",
        meaning="an instrument does not answer",
        priority=Priority.HIGH,
        clear_after_ms=STEADY_MS,  # Raised at once: the line itself waits for two failed polls.
        signed=True,
    ),
    AlarmRule(
        code="line.stalled",
        meaning="a line delivers nothing, not even that its instruments are away",
        priority=Priority.HIGH,
    ),
    AlarmRule(
        code="hour.invalid",
        meaning="more than a third of the running hour has no valid minute",
        priority=Priority.HIGH,
        latched=False,  # The gap or the extrapolated hour stays on the ledger.
    ),
    AlarmRule(
        code="limit.predicted",
        meaning="the running average will be beyond its emission limit if the stack goes on as it does",
        priority=Priority.HIGH,
        raise_after_ms=2 * MINUTE_MS,
        clear_after_ms=2 * MINUTE_MS,
        latched=False,  # Nothing has happened yet, and `limit.exceeded` says when it has.
    ),
    AlarmRule(
        code="limit.exceeded",
        meaning="an average was beyond its emission limit",
        priority=Priority.HIGH,
        clear_after_ms=STEADY_MS,  # Raised at once: what it rests on is over.
        signed=True,
    ),
    AlarmRule(
        code="value.stuck",
        meaning="a value stands still while the unit runs",
        priority=Priority.HIGH,
        clear_after_ms=STEADY_MS,
        signed=True,
    ),
    AlarmRule(
        code="value.range",
        meaning="a value is outside what is plausible for its instrument",
        priority=Priority.MEDIUM,
        raise_after_ms=MINUTE_MS,
        clear_after_ms=STEADY_MS,
        signed=True,
    ),
    AlarmRule(
        code="value.pair",
        meaning="NOx is not NO + NO2",
        priority=Priority.MEDIUM,
        raise_after_ms=MINUTE_MS,
        clear_after_ms=STEADY_MS,
        signed=True,
    ),
    AlarmRule(
        code="value.digits",
        meaning="the last digits of a value are not spread as measured ones are",
        priority=Priority.MEDIUM,
        clear_after_ms=STEADY_MS,  # Raised at once: what it rests on was counted for days.
        signed=True,
    ),
    AlarmRule(
        code="flow.off",
        meaning="the unit counts as off and gas flows in its stack",
        priority=Priority.MEDIUM,
        raise_after_ms=15 * MINUTE_MS,  # A boiler is purged after it was shut down.
        clear_after_ms=STEADY_MS,
        signed=True,
    ),
    AlarmRule(
        code="value.off",
        meaning="the unit counts as off and its analyser reads NOx",
        priority=Priority.MEDIUM,
        raise_after_ms=30 * MINUTE_MS,  # What is left in stack and line after a shut-down.
        clear_after_ms=STEADY_MS,
        signed=True,
    ),
    AlarmRule(
        code="value.air",
        meaning="the unit runs and its analyser reads air: the sample is diluted, or not from the stack",
        priority=Priority.HIGH,
        raise_after_ms=15 * MINUTE_MS,  # A boiler is purged before it is lit.
        clear_after_ms=STEADY_MS,
        signed=True,
    ),
    AlarmRule(
        code="value.calibration",
        meaning="a value is above the range that its monitor was calibrated for",
        priority=Priority.MEDIUM,
        raise_after_ms=MINUTE_MS,
        clear_after_ms=STEADY_MS,  # Not signed: the hour says `out_of_range` where a QAL2 is applied.
    ),
    AlarmRule(
        code="power.battery",
        meaning="a cabinet runs on its battery",
        priority=Priority.HIGH,
        clear_after_ms=MINUTE_MS,
    ),
    AlarmRule(
        code="door.open",
        meaning="the door contact of a cabinet is open",
        priority=Priority.MEDIUM,
        clear_after_ms=STEADY_MS,
        signed=True,
    ),
    AlarmRule(
        code="clock.warning",
        meaning="the clock is off by more than a second: readings are uncertain",
        priority=Priority.MEDIUM,
        raise_after_ms=10_000,
        clear_after_ms=MINUTE_MS,
    ),
    AlarmRule(
        code="clock.bad",
        meaning="the clock is off by more than five seconds: readings are bad",
        priority=Priority.HIGH,
        raise_after_ms=10_000,
        clear_after_ms=STEADY_MS,
        signed=True,
    ),
    AlarmRule(
        code="clock.free",
        meaning="no time server disciplines the clock, so its offset is not known",
        priority=Priority.LOW,
        raise_after_ms=15 * MINUTE_MS,
        clear_after_ms=MINUTE_MS,
        latched=False,  # Every signed hour says so.
    ),
    AlarmRule(
        code="clock.doubtful",
        meaning="no hour closes: the clock is far from the hours, and no time server disciplines it",
        priority=Priority.HIGH,
        clear_after_ms=STEADY_MS,
        signed=True,
    ),
    AlarmRule(
        code="disk.low",
        meaning="the disk of the state folder is nearly full; raw samples go first",
        priority=Priority.HIGH,
        latched=False,
    ),
    AlarmRule(
        code="availability.low",
        meaning="so few hours were quality-assured that each missing one is stated higher",
        priority=Priority.MEDIUM,
        latched=False,  # It lasts for weeks; every substitute says the figure in its recipe.
    ),
    AlarmRule(
        code="availability.falling",
        meaning="availability nears a threshold below which each missing hour is stated higher",
        priority=Priority.LOW,
        latched=False,
    ),
    AlarmRule(
        code="configuration.refused",
        meaning="a new configuration has a mistake, and the old one goes on",
        priority=Priority.MEDIUM,
        latched=False,  # Nothing was measured by it.
    ),
    AlarmRule(
        code="outbox.old",
        meaning="a signed record has waited long for the ledger; nothing is lost",
        priority=Priority.MEDIUM,
        latched=False,
    ),
    AlarmRule(
        code="outbox.altered",
        meaning="a signed record was altered or removed on the disk",
        priority=Priority.HIGH,
        clear_after_ms=STEADY_MS,
        signed=True,
    ),
    AlarmRule(
        code="outbox.tight",
        meaning="the outbox is nearly full: proved records will be given up before their 35 days",
        priority=Priority.MEDIUM,
        latched=False,  # Nothing is lost yet, and `outbox.dropped` says when it is.
    ),
    AlarmRule(
        code="outbox.dropped",
        meaning="proved records were given up before their 35 days: a late revision of theirs is refused",
        priority=Priority.HIGH,
        clear_after_ms=HOUR_MS,  # Not signed: the records are final, and the ledger has them.
    ),
    AlarmRule(
        code="samples.dropped",
        meaning="raw samples were given up for lack of room",
        priority=Priority.MEDIUM,
        clear_after_ms=HOUR_MS,  # The event `samples.dropped` is signed by the pipeline, with the count.
    ),
    AlarmRule(
        code="calibration.due",
        meaning="the last calibration check that passed is soon no longer good",
        priority=Priority.MEDIUM,
        latched=False,
    ),
    AlarmRule(
        code="calibration.expired",
        meaning="no calibration check passed within 26 clock hours",
        priority=Priority.HIGH,
    ),
    AlarmRule(
        code="calibration.failed",
        meaning="the last calibration check failed or was aborted",
        priority=Priority.HIGH,  # Not signed: the check itself is, with its figures.
    ),
    AlarmRule(
        code="monitor.out_of_control",
        meaning="readings do not count until a check passes: hours have no mass",
        priority=Priority.HIGH,
        clear_after_ms=STEADY_MS,
        signed=True,
    ),
    AlarmRule(
        code="qal3.drift",
        meaning="the zero or span readings drift, or have lost their precision (QAL3)",
        priority=Priority.MEDIUM,  # Not signed: the reading on the chart is, with its sums.
    ),
    AlarmRule(
        code="qal2.range",
        meaning="too many hours lie outside the range of the last QAL2: a new one is due (EN 14181, 6.5)",
        priority=Priority.MEDIUM,
        clear_after_ms=STEADY_MS,
        signed=True,
    ),
    AlarmRule(
        code="bias.low",
        meaning="the mass is adjusted by less than the bias factor that the last RATA gave",
        priority=Priority.HIGH,
        clear_after_ms=STEADY_MS,
        signed=True,
    ),
    AlarmRule(
        code="test.due",
        meaning="the last linearity, RATA, QAL2 or AST that passed is soon no longer good",
        priority=Priority.MEDIUM,
        latched=False,
    ),
    AlarmRule(
        code="gas.expiring",
        meaning="the certificate of a calibration gas ends",
        priority=Priority.LOW,
        latched=False,
    ),
    AlarmRule(
        code="key.foreign",
        meaning="the ledger takes the unit's records from another key: nothing is signed",
        priority=Priority.HIGH,  # Not signed: it could not be. The regulator sees hours that do not come.
    ),
    AlarmRule(
        code="source.suspended",
        meaning="another record has a number of ours: the regulator must decide",
        priority=Priority.HIGH,
        clear_after_ms=STEADY_MS,
        signed=True,
    ),
)

RULES: Final = {rule.code: rule for rule in _RULES}
"""By code. A code once given keeps its meaning: it stands in signed events."""


def rule_of(code: str) -> AlarmRule:
    """The rule of a code; of one that this software does not know, a cautious one."""
    known = RULES.get(code)
    return known or AlarmRule(code=code, meaning="of another version of the software", priority=Priority.HIGH)
