"""What `doxedge gateway check --machine` and `--probe` look at: the checks of the doctor that concern a gateway."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from doxedge.cli import doctor_configuration, doctor_machine, doctor_network
from doxedge.cli.doctor import FREE_MB_WANTED
from doxedge.cli.doctor_report import Finding, Site
from doxedge.fieldbus.clock import from_environment


def machine_findings(config: Path, *, probe: bool) -> Iterator[Finding]:
    """Configuration, keys, disk, stores and clock, causes before their effects; with `probe` every instrument.

    While the gateway runs its instruments are left alone.
    """
    user = doctor_configuration.default_user()
    try:
        account = None if user is None else pwd.getpwnam(user)
    except KeyError:
        account = None
    site = Site(config.absolute(), None, account, from_environment(os.environ).now_ms())
    yield from doctor_configuration.check_configuration(site)
    yield from doctor_configuration.check_keys(site, os.environ)
    yield from doctor_machine.check_state(site, free_mb_min=FREE_MB_WANTED)
    yield from doctor_machine.check_stores(site, deep=False)
    if probe:
        yield from doctor_network.run_checks(doctor_network.check_analysers, site)
    yield from doctor_machine.check_clock(os.environ)
