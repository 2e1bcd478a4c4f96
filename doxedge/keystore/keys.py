"""Open a signing key by its URI, whoever keeps it, and make new ones.

`file:///etc/doxedge/keys/gateway.pem` is a private file of the service; `credential:gateway-key` is what systemd hands
to the unit (LoadCredentialEncrypted=), readable by nobody else. A key is read when the service starts and is never
shown again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes, urlsplit

from doxedge.analysers.configuration import ConfigError
from doxedge.keystore import credential, key_file
from doxedge.signing.algorithms import ED25519, ES256
from doxedge.signing.signer import Signer

ALGORITHM_NAMES: Final = {ED25519: "ed25519", ES256: "es256"}
_NOT_HERE: Final = {
    "tpm2": "a TPM 2.0",
    "pkcs11": "a PKCS#11 token",
    "awskms": "a cloud key service",
    "azurekms": "a cloud key service",
    "gcpkms": "a cloud key service",
}
"""Schemes that other software knows, so that the refusal can say what was meant."""


def open_signer(uri: str, *, environ: Mapping[str, str] = os.environ) -> Signer:
    """The key behind a URI. Reads a file: call it before the event loop runs, or in a thread.

    Raises ConfigError, which says what to change: the scheme is unknown, the file is missing, others may read it, or
    it holds no key of ours.
    """
    scheme, rest = _split(uri)
    return _OPENERS[scheme](uri, rest, environ)


def create_key(uri: str, alg: int) -> Signer:
    """Make a new key and keep it; only `file:` keys are made here. What is there is never overwritten.

    Raises ConfigError.
    """
    scheme, rest = _split(uri)
    if scheme != "file":
        raise ConfigError(
            source=uri,
            path="",
            reason=f"keys are made as file:///… only; `{scheme}:` keys are made by their keeper",
        )
    return key_file.create(uri, _file_path(uri, rest), alg)


def file_of(uri: str) -> Path | None:
    """The file behind a `file:` URI, there or not; None for keys of another keeper. Raises ConfigError."""
    scheme, rest = _split(uri)
    return _file_path(uri, rest) if scheme == "file" else None


def public_line(signer: Signer) -> str:
    """Algorithm, key id and public key in one line: what a member hands to the regulator."""
    return f"{ALGORITHM_NAMES[signer.alg]} {signer.key_id.hex()} {signer.public_key.hex()}"


def _split(uri: str) -> tuple[str, str]:
    scheme, colon, rest = uri.partition(":")
    if colon and scheme in _OPENERS:
        return scheme, rest
    if not colon or scheme.startswith(("/", ".")):
        path = Path(uri).absolute()
        raise ConfigError(
            source=uri, path="", reason=f"a key is named by a URI; did you mean {path.as_uri()} ?"
        )
    meant = f" ({_NOT_HERE[scheme]})" if scheme in _NOT_HERE else ""
    available = ", ".join(f"{name}:" for name in sorted(_OPENERS))
    raise ConfigError(
        source=uri,
        path="",
        reason=f"keys of `{scheme}:`{meant} cannot be used here; available are {available}",
    )


def _open_file(uri: str, rest: str, _: Mapping[str, str]) -> Signer:
    return key_file.read(uri, _file_path(uri, rest))


def _open_credential(uri: str, rest: str, environ: Mapping[str, str]) -> Signer:
    return credential.read(uri, rest, environ)


def _file_path(uri: str, rest: str) -> Path:
    unclear = ConfigError(
        source=uri,
        path="",
        reason="a key file is named with its whole path: file:///etc/doxedge/keys/name.pem",
    )
    try:
        parts = urlsplit(uri)
    except ValueError as error:  # a host in broken brackets
        raise unclear from error
    # The file system's names are bytes; %FF is one of them, though no text.
    path = Path(os.fsdecode(unquote_to_bytes(parts.path)))
    is_local = rest.startswith("//") and parts.netloc in ("", "localhost")
    if not is_local or not path.is_absolute() or "\0" in str(path):
        raise unclear
    if parts.query or parts.fragment:
        raise ConfigError(
            source=uri, path="", reason="a file URI has no `?` or `#`; write them as %3F or %23"
        )
    return path


_OPENERS: Final[dict[str, Callable[[str, str, Mapping[str, str]], Signer]]] = {
    "file": _open_file,
    "credential": _open_credential,
}
