"""The node's configuration: TOML read by pydantic, mistakes named by file, table path and key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from doxedge.analysers.configuration import ConfigError, parse_toml, table_path, unread

GENESIS_BYTES_MAX: Final = 64 * 1024


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BrokerTable(_Table):
    """`[[broker]]`: an MQTT broker; with several, everything goes to all of them."""

    host: str
    port: int = Field(1883, ge=1, le=65_535)
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    ca_file: Path | None = None
    """TLS: the authority that signed the broker's certificate. None means no TLS."""
    cert_file: Path | None = None
    key_file: Path | None = None
    reconnect_s_min: float = Field(1.0, gt=0, le=60)
    reconnect_s_max: float = Field(60.0, gt=0, le=3_600)
    """The pause before another attempt is random up to a bound that doubles between these two."""

    @model_validator(mode="after")
    def _whole_tls(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file come together")
        if self.cert_file is not None and self.ca_file is None:
            raise ValueError("cert_file needs ca_file: who signed the broker's certificate")
        return self


class ChannelTable(_Table):
    """`[[channel]]`: one ledger that this node keeps."""

    genesis: Path
    """The genesis file, as the regulator gave it out."""
    channel: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    """The channel's name, if the operator wants it pinned: the hash of the genesis must be this."""
    vote_again_from_height: int | None = Field(None, ge=0)
    """The operator's word that no later block than this was ever final: only after the node has asked for it, because
    this validator's disk had been lost or restored from an old copy."""


class ListenTable(_Table):
    """`[listen]`: where the gateway, the command line and the status page reach the node."""

    socket: Path | None = Path("/run/doxedge/node.sock")
    """Empty text for none."""
    port: int | None = Field(None, ge=0, le=65_535)
    """TCP on 127.0.0.1, with a bearer token; None for none."""
    token_file: Path | None = None

    @field_validator("socket", mode="before")
    @classmethod
    def _none_for_empty(cls, value: object) -> object:
        return None if value == "" else value

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.socket is None and self.port is None:
            raise ValueError("name a socket or a port: nobody could reach the node")
        if self.port is not None and self.token_file is None:
            raise ValueError("a port needs a token_file: every local user could submit otherwise")
        return self


class NodeSettings(_Table):
    """The whole file."""

    party: str
    """Which member this node belongs to."""
    state_dir: Path = Path("/var/lib/doxedge")
    key: str
    """URI of the node key, such as `file:///etc/doxedge/keys/node.pem`."""
    block_interval_ms: int = Field(200, ge=10, le=60_000)
    """Real time between two blocks of this node, where it is the validator."""
    listen_before_voting_ms: int = Field(1_000, ge=0, le=60_000)
    """How long a validator listens to the others after a start, so that it never signs behind what it once signed."""
    seen_by_members: int = Field(1, ge=1, le=64)
    """From so many other members on that say they hold a submission, its state is `seen`."""
    scrub_at_start: bool = True
    """Re-hash blocks and state against the certified head before serving."""
    channel: tuple[ChannelTable, ...] = Field(min_length=1)
    broker: tuple[BrokerTable, ...] = ()
    """Without a broker the node is alone, which a channel of one party may want."""
    listen: ListenTable = ListenTable()


def parse_settings(text: str, *, source: str) -> NodeSettings:
    """The settings in `text`; `source` names the file. Raises ConfigError for the first mistake, counting the rest."""
    tables = parse_toml(text, source=source)
    try:
        return NodeSettings.model_validate(tables)
    except ValidationError as error:
        mistakes = error.errors(include_url=False)
        first = mistakes[0]
        reason = str(first["msg"]).removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            reason = "no such key; the keys there are stand in firmware_configs/node.toml"
        raise ConfigError(
            source=source, path=table_path(first["loc"]), reason=reason, more=len(mistakes) - 1
        ) from error


def load_settings(path: Path) -> NodeSettings:
    """The settings in a file. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(source=str(path), path="", reason=unread(error)) from error
    return parse_settings(text, source=str(path))


def read_genesis(table: ChannelTable, *, source: str, index: int) -> bytes:
    """The genesis bytes of a channel. Raises ConfigError."""
    place = f"channel[{index}].genesis"
    try:
        data = table.genesis.read_bytes()
    except OSError as error:
        reason = f"{table.genesis} cannot be read: {error.strerror or error}"
        raise ConfigError(source=source, path=place, reason=reason) from error
    if len(data) > GENESIS_BYTES_MAX:
        raise ConfigError(source=source, path=place, reason=f"{len(data)} bytes are no genesis")
    return data
