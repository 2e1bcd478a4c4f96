"""A key that systemd hands to the unit: a file in $CREDENTIALS_DIRECTORY (systemd.exec(5), "Credentials").

With LoadCredentialEncrypted= the key lies on the disk encrypted, sealed to the TPM where there is one, and appears in
clear only in memory that belongs to this unit. Modes are systemd's business here: it marks the files with an access
list, which shows as a group bit.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from doxedge.analysers.configuration import ConfigError
from doxedge.keystore import key_file
from doxedge.signing.signer import Signer

FOLDER_VARIABLE: Final = "CREDENTIALS_DIRECTORY"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")


def read(uri: str, name: str, environ: Mapping[str, str]) -> Signer:
    """The key of that name. Raises ConfigError."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            source=uri,
            path="",
            reason="a credential has a plain name: letters, digits, dots, dashes, no slashes",
        )
    folder = environ.get(FOLDER_VARIABLE)
    if not folder:
        raise ConfigError(
            source=uri,
            path="",
            reason=f"${FOLDER_VARIABLE} is not set: start the service with systemd, whose unit says "
            f"LoadCredentialEncrypted={name}, or use a key file",
        )
    try:
        descriptor = os.open(Path(folder) / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(key_file.KEY_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(
            source=uri,
            path="",
            reason=f"systemd gave no credential `{name}` ({error.strerror}); does the unit say "
            f"LoadCredentialEncrypted={name} or LoadCredential={name}:PATH ?",
        ) from error
    return key_file.signer_of(uri, data)
