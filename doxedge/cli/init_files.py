"""What `doxedge init` writes: whole files under a new name, never over one that is there."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from doxedge.analysers.configuration import ConfigError
from doxedge.cli.init_answers import Answers, toml_value
from doxedge.cli.outcome import Exit, Failure
from doxedge.keystore.keys import create_key, file_of, open_signer
from doxedge.signing.algorithms import ED25519
from doxedge.signing.signer import Signer

FOLDER_MODE: Final = 0o750
KEYS_MODE: Final = 0o700
FILE_MODE: Final = 0o640
"""The service's group reads the configuration; nothing in it is secret, and nobody else needs it."""


@dataclass
class Desk:
    """Writes, and remembers what it wrote and what it found."""

    folder: Path
    owner: pwd.struct_passwd | None
    """Who the services run as, where we are root and may give files away."""
    files: list[tuple[Path, str]] = field(default_factory=list)
    """(file, what became of it)."""

    def open_folders(self) -> None:
        """Make the folder and the folder of the keys. Raises Failure (7)."""
        self._make_folder(self.folder, FOLDER_MODE)
        self._make_folder(self.folder / "keys", KEYS_MODE)

    def _make_folder(self, path: Path, mode: int) -> None:
        try:
            if path.is_dir():
                return
            path.mkdir(parents=True, mode=mode)
            path.chmod(mode)  # whatever the umask
            if self.owner is not None:
                os.chown(path, 0 if path == self.folder else self.owner.pw_uid, self.owner.pw_gid)
        except OSError as error:
            raise _cannot("made", path, error) from error

    def put(self, path: Path, data: bytes) -> bool:
        """Write a file that is not there. What is there stays; true when it is what would have been written."""
        if path.exists():
            try:
                same = path.read_bytes() == data
            except OSError as error:
                raise _cannot("read", path, error) from error
            self.files.append(
                (path, "was there" if same else "was there, differs from these answers, left as it is")
            )
            return same
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            try:
                self._write(draft, data)
                os.link(draft, path)  # fails when the name was taken meanwhile, unlike a rename
            finally:
                with contextlib.suppress(FileNotFoundError):
                    draft.unlink()
        except OSError as error:
            raise _cannot("written", path, error) from error
        self.files.append((path, "written"))
        return True

    def key(self, uri: str) -> Signer:
        """The key of that URI, made when a `file:` key is missing. Raises Failure (2) when it cannot be used."""
        path = self.folder
        try:
            file = file_of(uri)
            if file is None or file.exists():
                signer = open_signer(uri)
                self.files.append((file or Path(uri), "was there"))
                return signer
            path = file
            signer = create_key(uri, ED25519)
            if self.owner is not None:
                os.chown(path, self.owner.pw_uid, self.owner.pw_gid)
        except ConfigError as error:
            local = isinstance(error.__cause__, OSError)
            raise Failure(Exit.LOCAL_IO if local else Exit.USAGE, str(error)) from error
        except OSError as error:
            raise _cannot("given to the service's user", path, error) from error
        self.files.append((path, "made"))
        return signer

    def move(self, path: Path, to: Path) -> None:
        """Give a file another name, with a number behind it where that is taken. Raises Failure (7)."""
        numbered = (to.with_name(f"{to.name}.{number}") for number in itertools.count(2))
        to = next(name for name in itertools.chain([to], numbered) if not name.exists())
        try:
            path.replace(to)
        except OSError as error:
            raise _cannot("moved", path, error) from error
        self.files.append((path, f"moved to {to.name}"))

    def replace(self, path: Path, data: bytes) -> None:
        """Write a file whole, whatever was there. Raises Failure (7)."""
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            self._write(draft, data)
            draft.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise _cannot("written", path, error) from error

    def _write(self, path: Path, data: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(descriptor, FILE_MODE)
            if self.owner is not None:
                os.fchown(descriptor, 0, self.owner.pw_gid)
            file.flush()
            os.fsync(descriptor)


def owner_of_services(name: str | None) -> pwd.struct_passwd | None:
    """The account that files are given to: `doxedge` where it exists and we are root. Raises Failure (2)."""
    if os.geteuid() != 0:
        if name is not None:
            raise Failure(Exit.USAGE, "--owner: only root can give files to another user")
        return None
    try:
        return pwd.getpwnam(name or "doxedge")
    except KeyError as error:
        if name is None:
            return None
        raise Failure(Exit.USAGE, f"--owner: there is no user {name}") from error


def node_text(answers: Answers, *, genesis: Path, channel: bytes) -> str:
    """`node.toml`. Every key with its meaning stands in firmware_configs/node.toml."""
    lines = [
        "# Written by `doxedge init`. Every key is explained in firmware_configs/node.toml of the package.",
        f"party = {toml_value(answers.text('company'))}",
        f"state_dir = {toml_value(answers.text('state_dir'))}",
        f"key = {toml_value(key_uri(answers, 'node'))}",
        "",
        "[[channel]]",
        f"genesis = {toml_value(str(genesis))}",
        f'channel = "{channel.hex()}"',
    ]
    for broker in answers.items("broker"):
        if broker == "none":
            continue
        host, colon, port = broker.rpartition(":") if not broker.endswith("]") else (broker, "", "")
        host, port = (host, port) if colon else (broker, "")
        lines += ["", "[[broker]]", f"host = {toml_value(host.strip('[]'))}"]
        lines += [f"port = {port}"] if port else []
        if answers.text("broker_ca"):
            lines += [f"ca_file = {toml_value(answers.text('broker_ca'))}"]
    lines += ["", "[listen]", f"socket = {toml_value(answers.text('socket'))}"]
    return "\n".join(lines) + "\n"


def key_uri(answers: Answers, name: str) -> str:
    """Where the node's or the device's key lies."""
    return (answers.folder / "keys" / f"{name}.pem").as_uri()


def _cannot(done: str, path: Path, error: OSError) -> Failure:
    text = f"{path} cannot be {done}: {error.strerror or error}; run as root, or give a folder of your own with --dir"
    return Failure(Exit.LOCAL_IO, text)
