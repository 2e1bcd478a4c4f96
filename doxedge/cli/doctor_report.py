"""What `doxedge doctor` finds: one line for each check, with what to do and the exit code of its family."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from doxedge.cli.outcome import Exit

if TYPE_CHECKING:
    import pwd

    from doxedge.gateway.plant import PlannedUnit
    from doxedge.gateway.settings import GatewaySettings
    from doxedge.ledger.genesis import Genesis
    from doxedge.node.settings import NodeSettings


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    """Works, and will not for ever, or not as well as it should."""
    ERROR = "error"
    SKIPPED = "skipped"
    """Was not looked at; the text says why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    """What was looked at: `config gateway`, `key node`, `broker 10.0.0.1:1883` ..."""
    verdict: Verdict
    text: str
    advice: str = ""
    """What to do, naming the key or file to change."""
    code: Exit = Exit.OK
    """The family of an error."""


@dataclass
class Site:
    """What is configured on this machine, as far as it can be read."""

    gateway_file: Path | None
    node_file: Path | None
    user: pwd.struct_passwd | None
    """Whom the services run as; None: the present user, whoever that is."""
    now_ms: int
    gateway: GatewaySettings | None = None
    units: tuple[PlannedUnit, ...] = ()
    node: NodeSettings | None = None
    genesis: dict[bytes, Genesis] = field(default_factory=dict)
    """Channel to its genesis."""
    devices: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    """Channel in hex to the devices that the running node knows; no entry where it could not be asked."""

    @property
    def state_dirs(self) -> list[Path]:
        """State folders of both daemons, each once."""
        found = [settings.state_dir for settings in (self.gateway, self.node) if settings is not None]
        return list(dict.fromkeys(found))

    @property
    def outbox_file(self) -> Path | None:
        """The gateway's outbox."""
        return None if self.gateway is None else self.gateway.state_dir / "gateway" / "outbox.db"


def ok(check: str, text: str) -> Finding:
    """All is well."""
    return Finding(check, Verdict.OK, text)


def warning(check: str, text: str, advice: str) -> Finding:
    """Something to look after."""
    return Finding(check, Verdict.WARNING, text, advice)


def skipped(check: str, why: str) -> Finding:
    """Not looked at."""
    return Finding(check, Verdict.SKIPPED, why)


def error(check: str, text: str, advice: str, *, code: Exit) -> Finding:
    """Something is wrong."""
    return Finding(check, Verdict.ERROR, text, advice, code)


def as_far_as_we_may(findings: Iterable[Finding]) -> Iterator[Finding]:
    """These, up to something that this account may not look at, which is told as one more."""
    try:
        yield from findings
    except PermissionError as refused:
        what = f"{refused.filename}: {refused.strerror}; what follows from it is not looked at"
        advice = "run the doctor as root, or as the services' user"
        yield error("access", what, advice, code=Exit.UNAUTHORISED)


def exit_code(findings: list[Finding]) -> Exit:
    """0 without an error, else the code of the first one: errors are listed causes first."""
    return next((finding.code for finding in findings if finding.verdict is Verdict.ERROR), Exit.OK)


def line_of(finding: Finding) -> str:
    """One line: verdict, what was looked at, what was found, what to do."""
    advice = f" -> {finding.advice}" if finding.advice else ""
    return f"{finding.verdict.value:8} {finding.check}: {' '.join(finding.text.split())}{advice}"


def as_json(finding: Finding) -> dict[str, object]:
    """The same for programs."""
    return {
        "check": finding.check,
        "verdict": finding.verdict.value,
        "text": finding.text,
        "advice": finding.advice,
        "code": int(finding.code),
    }
