"""The gateway's configuration: TOML read by pydantic, mistakes named by file, table path and key."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator
from pydantic_core import ErrorDetails

from doxedge.analysers.configuration import ConfigError
from doxedge.backends.http_client import NodeAddress
from doxedge.gateway.layers import Layers, add_layer, read_layers
from doxedge.gateway.limit_settings import LIMITS_MAX, EmissionLimitTable
from doxedge.gateway.mass_settings import BiasTable, FormulaTable
from doxedge.gateway.missing_data_settings import MissingDataTable
from doxedge.gateway.qa_settings import CalibrationTable
from doxedge.gateway.site_limits import VALUE_MAX, LimitsTable
from doxedge.quantity import MINUTE_MS

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
SettingValue = Annotated[Decimal | str, Field(union_mode="left_to_right")]
"""A number, or one of the words that a register map offers."""
SiteValue = Annotated[Decimal, Field(ge=-VALUE_MAX, le=VALUE_MAX)]
PositiveValue = Annotated[Decimal, Field(gt=0, le=VALUE_MAX)]
Hex16 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Hex32 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NodeTable(_Table):
    """`[node]`: the local ledger node that hours are posted to."""

    url: str = "unix:/run/doxedge/node.sock"
    """`unix:/path` or `http://127.0.0.1:PORT`."""
    token_file: Path | None = None
    """The bearer token for TCP; a Unix socket needs none, its file mode guards it."""
    timeout_ms: int = Field(10_000, ge=100, le=120_000)

    @field_validator("url")
    @classmethod
    def _local(cls, url: str) -> str:
        NodeAddress.parse(url)
        return url


class SamplesTable(_Table):
    """`[samples]`: raw samples stay here, under the Merkle root that the signed hour carries."""

    retention_days: int = Field(400, ge=1, le=3_660)
    budget_mb: int = Field(2_048, ge=16)
    """Oldest raw samples go first when this is reached; signed hours are never dropped."""


class OutboxTable(_Table):
    """`[outbox]`: signed records, and the proofs of what is final."""

    budget_mb: int = Field(256, ge=16)
    """Proved records go before their 35 days when this is reached; what is not proved is never dropped."""


class SerialTable(_Table):
    """`serial = { ... }`: a port of this machine. What is left out is as in the register map."""

    port: str = Field(min_length=1)
    """A path; under /dev/serial/by-id it stays the same when adapters are plugged in anew. ttyUSB0 does not, and is
    refused."""
    baud: int | None = Field(None, ge=300, le=921_600)
    parity: Literal["N", "E", "O"] | None = None
    stop_bits: Literal[1, 2] | None = None
    data_bits: Literal[7, 8] | None = None
    rs485: bool = False
    """Let the kernel drive the transceiver's direction, where the adapter does not do it by itself."""


class InstrumentTable(_Table):
    """`[[unit.instrument]]`: one device on one line."""

    name: Name
    profile: str
    host: str = ""
    """Empty for a configured constant, which has no line."""
    port: int | None = Field(None, ge=1, le=65_535)
    """None: the map's."""
    serial: SerialTable | None = None
    """Instead of `host`: the device hangs on a serial line and speaks Modbus RTU, or the dialect of its map."""
    framing: Literal["tcp", "rtu", "udp"] | None = None
    """`rtu` for a converter that passes a serial line's bytes through, `udp` for a dialect in datagrams; None: the
    map's."""
    unit_id: int | None = Field(None, ge=0, le=255)
    """None: the map's. The unit of Modbus, or the number that a dialect has for its instruments."""
    timeout_ms: int | None = Field(None, ge=10, le=60_000)
    """None: the profile's."""
    poll_ms: dict[str, int] = Field(default_factory=dict)
    """Poll period of a group, where it should differ from the profile's; 0 leaves the group out."""
    settings: dict[str, SettingValue] = Field(default_factory=dict)
    """Site values that the profile asks for, such as the full scale of a 4-20 mA loop, or the unit of a gas."""
    stack: Name | None = None
    """One of the unit's `stacks`; None where there is one, or for what all of them share."""
    backup_of: Name | None = None
    """The instrument that it stands in for, minute by minute, in the quantities that both deliver."""


class OperatingTable(_Table):
    """`[unit.operating]`: when the unit counts as running."""

    quantity: str = "power_w"
    on_above: SiteValue
    off_below: SiteValue
    hold_ms: int = Field(5 * MINUTE_MS, ge=1_000)
    """A reading of the quantity stands for so long; after that the unit counts as running."""


class EnergyTable(_Table):
    """`[unit.energy]`: what the site knows of its energy counter."""

    rollover_wh: PositiveValue | None = None
    """Where the counter begins at 0 again: 1000000 for one that goes from 999999 to 0. None: it never does."""
    max_power_w: PositiveValue | None = None
    """What the unit can generate at most: no step of the counter is believed beyond it, and every rollover within."""


class UnitTable(_Table):
    """`[[unit]]`: one generating unit, its place on a ledger, and what measures it."""

    name: Name
    channel: Hex32
    """The channel whose ledger holds the unit."""
    source: Hex16
    """What numbers the records of this device for this unit; printed when the device is registered."""
    rule_set: Literal["us60", "eu", "alberta"] = "us60"
    averaging_minutes: Literal[30, 60] = 60
    """Of the rule set `eu`; 30 where both halves of every hour are judged."""
    concentration: str = "nox_ppb"
    concentration_basis: Literal["dry", "wet"] = "dry"
    concentration_o2_corrected: bool = False
    """The analyser delivers it at a reference oxygen; refused, since the flow is not."""
    flow: str = "flow_m3_per_h"
    flow_basis: Literal["actual_wet", "normal_wet", "normal_dry", "standard_wet"] = "actual_wet"
    mg_per_m3_per_ppm: Decimal = Field(Decimal("2.0525"), gt=0, le=10)
    """Mass of one ppm of NOx as NO2 at 0 degC and 101.325 kPa (measurement.md 3)."""
    formula: FormulaTable = FormulaTable()
    stacks: tuple[Name, ...] = Field((), max_length=16)
    """Names of the stacks where there are several: the mass is their sum."""
    shares_stack_of: Name | None = None
    """The unit whose instruments measure the stack, where this one emits through it as well; None: its own measure."""
    bias: tuple[BiasTable, ...] = Field((), max_length=1_000)
    """Bias factors in the order of their times; none: the mass is reported as measured."""
    bias_source: Literal["site", "rata"] = "site"
    """`rata`: the last RATA that passed gives the factor, from the hour after it ended; `bias` before the first."""
    bias_low_emitter_cap: bool = False
    """A low emitter by that RATA takes 1.111 instead of a greater factor (40 CFR 75, Appendix A, 7.6.5)."""
    calibration_function: Literal["none", "qal2"] = "none"
    """`qal2`, with the rule set `eu`: values go through the function of the last QAL2 of their monitor that passed."""
    operating: OperatingTable | None = None
    energy: EnergyTable = EnergyTable()
    missing_data: MissingDataTable = MissingDataTable()
    limits: dict[str, LimitsTable] = Field(default_factory=dict)
    """By quantity: what is plausible on this site, where it differs from the register map."""
    coverage_percent: int = Field(75, ge=1, le=100)
    grace_ms: int = Field(90_000, ge=0, le=3_600_000)
    instrument: tuple[InstrumentTable, ...] = Field(min_length=1)
    calibration: tuple[CalibrationTable, ...] = ()
    emission_limit: tuple[EmissionLimitTable, ...] = Field((), max_length=LIMITS_MAX)
    """What the permit allows; alarms rest on it, and no mass."""

    @field_validator("emission_limit")
    @classmethod
    def _named_once(cls, limits: tuple[EmissionLimitTable, ...]) -> tuple[EmissionLimitTable, ...]:
        names = [limit.name for limit in limits]
        if len(set(names)) != len(names):
            raise ValueError("two limits have the same name")
        return limits

    @field_validator("limits")
    @classmethod
    def _in_one_order(cls, limits: dict[str, LimitsTable]) -> dict[str, LimitsTable]:
        return dict(sorted(limits.items()))  # the order of the file is no rule


class GatewaySettings(_Table):
    """The whole file."""

    state_dir: Path = Path("/var/lib/doxedge")
    key: str
    """URI of the device key, such as `file:///etc/doxedge/keys/device.pem`."""
    profiles: Path | None = None
    """A folder of register maps that goes before /etc/doxedge and the package's own."""
    group_commit_ms: int = Field(15_000, ge=0, le=60_000)
    """Raw samples wait this long for company before they are written; less where there are many of them. A minute that
    loses them in a power cut keeps the 45 s that make it valid."""
    node: NodeTable = NodeTable()
    samples: SamplesTable = SamplesTable()
    outbox: OutboxTable = OutboxTable()
    unit: tuple[UnitTable, ...] = Field(min_length=1)

    @field_validator("unit")
    @classmethod
    def _distinct(cls, units: tuple[UnitTable, ...]) -> tuple[UnitTable, ...]:
        names = [unit.name for unit in units]
        if len(set(names)) != len(names):
            raise ValueError("two units have the same name")
        for unit in units:
            instruments = [instrument.name for instrument in unit.instrument]
            if len(set(instruments)) != len(instruments):
                raise ValueError(f"two instruments of unit {unit.name} have the same name")
        return units


def parse_settings(text: str, *, source: str) -> GatewaySettings:
    """The settings in `text`; `source` names the file. Raises ConfigError for the first mistake, counting the rest."""
    layers = Layers(source)
    add_layer(layers, text, file=source)
    return settings_of(layers)


def load_settings(path: Path) -> GatewaySettings:
    """The settings in a file and its drop-ins. Raises ConfigError."""
    return settings_of(read_layers(path))


def find_state_dir(path: Path) -> Path:
    """Where the stores lie, for whoever looks at a gateway while its files are being changed.

    A mistake that stands elsewhere in them must not hide an alarm. Raises ConfigError.
    """
    layers = read_layers(path)
    settings = try_settings(layers)
    if isinstance(settings, GatewaySettings):
        return settings.state_dir
    said = layers.tables.get("state_dir")
    return Path(said) if isinstance(said, str) and said else settings_of(layers).state_dir


def settings_of(layers: Layers) -> GatewaySettings:
    """The settings that the files make together. Raises ConfigError by the file in which the first mistake stands."""
    settings = try_settings(layers)
    if isinstance(settings, GatewaySettings):
        return settings
    first = settings[0]
    raise ConfigError(source=first.source, path=first.path, reason=first.reason, more=len(settings) - 1)


def try_settings(layers: Layers) -> GatewaySettings | list[ConfigError]:
    """The settings, or every mistake by the file in which it stands."""
    try:
        return GatewaySettings.model_validate(layers.tables)
    except ValidationError as error:
        return [_mistake(layers, found) for found in _innermost(error.errors(include_url=False))]


def _mistake(layers: Layers, found: ErrorDetails) -> ConfigError:
    reason = str(found["msg"])
    if found["type"] == "extra_forbidden":
        reason = "no such key; the keys there are stand in firmware_configs/gateway.toml"
    return layers.mistake(found["loc"], reason)


def _innermost(mistakes: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without those that only say that something within them is wrong."""
    return [
        mistake
        for mistake in mistakes
        if not any(
            len(other["loc"]) > len(mistake["loc"]) and other["loc"][: len(mistake["loc"])] == mistake["loc"]
            for other in mistakes
        )
    ]
