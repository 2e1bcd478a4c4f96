"""Accounts of this machine, also those that have a number only (containers, deleted users)."""

from __future__ import annotations

import pwd
from pathlib import Path


def account_name(user_id: int) -> str:
    """Its name, or its number in words."""
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return f"user {user_id}"


def run_as(user_id: int) -> str:
    """The beginning of a command line that runs the program as this account: sudo(8) takes a number as '#1234'."""
    try:
        name = pwd.getpwuid(user_id).pw_name
    except KeyError:
        name = f"'#{user_id}'"
    return f"sudo -u {name} doxedge ..."


def owner_of(path: Path) -> int | None:
    """Whose a file is, or else its folder; None where nobody lets us look."""
    for place in (path, path.parent):
        try:
            return place.stat().st_uid
        except OSError:
            continue
    return None
