"""A key in a file of its own: PEM, PKCS#8, readable by its owner only.

A file that others can read is refused and not repaired: who read it meanwhile is not known, and the operator must
decide whether the key is still good.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from doxedge.analysers.configuration import ConfigError
from doxedge.signing.algorithms import ED25519, ES256
from doxedge.signing.signer import Ed25519Signer, Es256Signer, Signer

KEY_BYTES_MAX: Final = 8 * 1024
"""A PEM key of ours has under 300 bytes; whatever is much larger is another file."""
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def read(uri: str, path: Path) -> Signer:
    """The key in the file. Raises ConfigError."""
    try:
        # Not blocking: a named pipe in its place must not stop the service for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            # Asked of the open file, so that it cannot be exchanged between the question and the reading.
            _check_private(uri, path, os.fstat(descriptor).st_mode)
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read(KEY_BYTES_MAX + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _cannot(uri, "read", path, error) from error
    return signer_of(uri, data)


def _check_private(uri: str, path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise ConfigError(source=uri, path="", reason=f"{path} is not a file")
    if mode & _OTHERS:
        raise ConfigError(
            source=uri,
            path="",
            reason=f"{path} can be read or written by others (mode {stat.S_IMODE(mode):04o}); "
            f"if you trust that nobody did: chmod 600 {path}",
        )


def signer_of(uri: str, data: bytes) -> Signer:
    """The signer of a PEM. Raises ConfigError unless it is one unencrypted key of an algorithm of ours."""
    if len(data) > KEY_BYTES_MAX:
        raise ConfigError(source=uri, path="", reason=f"more than {KEY_BYTES_MAX} bytes; this is no key file")
    if data.count(b"-----BEGIN ") != 1:
        raise ConfigError(source=uri, path="", reason="a key file holds exactly one PEM block (PKCS#8)")
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError as error:
        raise ConfigError(
            source=uri,
            path="",
            reason="the key is encrypted with a passphrase, and a service has nobody to ask; give the key through "
            "systemd (LoadCredentialEncrypted=, credential:NAME) or as a plain file of mode 0600",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(source=uri, path="", reason="not a private key in PEM, PKCS#8") from error
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return Ed25519Signer(key.private_bytes_raw())
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return Es256Signer(key.private_numbers().private_value)
    raise ConfigError(
        source=uri, path="", reason="the key is neither Ed25519 nor P-256; make one with doxedge init"
    )


def create(uri: str, path: Path, alg: int) -> Signer:
    """Make a key, write it durably under a new name, and open it. Raises ConfigError."""
    pem = _generate(alg)
    if pem is None:
        raise ConfigError(
            source=uri, path="", reason=f"algorithm {alg} is neither Ed25519 (-8) nor ES256 (-7)"
        )
    # Complete under another name first: whoever finds the key finds all of it, also after a power cut.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _make_folder(path.parent)
        try:
            _write_durably(draft, pem)
            os.link(draft, path)  # fails when the name is taken, unlike a rename
        finally:
            with contextlib.suppress(FileNotFoundError):
                draft.unlink()
        _sync_folder(path.parent)
    except FileExistsError as error:
        raise ConfigError(
            source=uri, path="", reason=f"{path} exists, and a key is never overwritten; move it away first"
        ) from error
    except OSError as error:
        raise _cannot(uri, "written", path, error) from error
    return read(uri, path)


def _generate(alg: int) -> bytes | None:
    key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
    if alg == ED25519:
        key = ed25519.Ed25519PrivateKey.generate()
    elif alg == ES256:
        key = ec.generate_private_key(ec.SECP256R1())
    else:
        return None
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _make_folder(folder: Path) -> None:
    """Make the folder and what is missing above it, each durable in the one that holds it."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for made in missing:
        _sync_folder(made.parent)


def _write_durably(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), 0o600)  # whatever the umask
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot(uri: str, done: str, path: Path, error: OSError) -> ConfigError:
    advice = {
        errno.ENOENT: "; make it with doxedge init",
        errno.EACCES: "; it must belong to the user of the service",
        errno.EPERM: "; the file system must allow hard links and modes (not FAT)",
        errno.ENOSPC: "; the disk is full",
        errno.EROFS: "; the file system is read-only",
    }.get(error.errno or 0, "")
    return ConfigError(source=uri, path="", reason=f"{path} cannot be {done}: {error.strerror}{advice}")
