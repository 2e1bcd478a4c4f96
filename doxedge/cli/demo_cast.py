"""Who takes part in the demo: the nodes, the channels, and everybody who signs."""

from __future__ import annotations

from dataclasses import dataclass, field

from doxedge.cli.demo_officer import Node, Numbering


@dataclass
class Cast:
    """Everybody, by name."""

    channels: dict[str, bytes] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    numberings: dict[str, Numbering] = field(default_factory=dict)
    refusals: list[dict[str, str | None]] = field(default_factory=list)
    first_hours: dict[str, tuple[int, int]] = field(default_factory=dict)
    year: int = 1970

    def members(self, channel: str) -> list[str]:
        """Parties with a node in the channel."""
        return ["regulator", "alpha", "beta"] if channel == "north" else ["regulator", "beta"]

    def path(self, channel: str, what: str) -> str:
        """A path of the HTTP interface."""
        return f"/v1/channels/{self.channels[channel].hex()}/{what}"
