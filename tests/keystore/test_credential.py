"""What systemd hands over is read by its plain name, from its folder only."""

from __future__ import annotations

from pathlib import Path

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.keystore import credential
from tests.keystore.key_texts import ED25519_KEY, ED25519_SIGNER, locked_pem, pem

URI = "credential:gateway-key"


def handed(folder: Path, data: bytes, name: str = "gateway-key", mode: int = 0o440) -> dict[str, str]:
    """The environment of a unit with this credential."""
    path = folder / name
    path.write_bytes(data)
    path.chmod(mode)
    return {credential.FOLDER_VARIABLE: str(folder)}


def refusal(name: str, environ: dict[str, str]) -> str:
    """What the operator is told."""
    with pytest.raises(ConfigError) as raised:
        credential.read(URI, name, environ)
    assert raised.value.source == URI
    return raised.value.reason


@pytest.mark.parametrize("mode", [0o400, 0o440, 0o600])
def test_a_credential_is_read_whatever_mode_systemd_gave_it(mode: int, tmp_path: Path) -> None:
    environ = handed(tmp_path, pem(ED25519_KEY), mode=mode)
    assert credential.read(URI, "gateway-key", environ).public_key == ED25519_SIGNER.public_key


def test_without_systemd_the_unit_line_that_is_missing_is_named() -> None:
    for environ in ({}, {credential.FOLDER_VARIABLE: ""}):
        told = refusal("gateway-key", environ)
        assert "$CREDENTIALS_DIRECTORY is not set" in told
        assert "LoadCredentialEncrypted=gateway-key" in told


def test_a_credential_that_was_not_handed_over_is_named(tmp_path: Path) -> None:
    told = refusal("other-key", handed(tmp_path, pem(ED25519_KEY)))
    assert "no credential `other-key` (No such file or directory)" in told
    assert "LoadCredential=other-key:PATH" in told


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../gateway-key", "/etc/passwd", "a/b", "//gateway-key", ".hidden", "a b", "a\0b", "a\n",
     "-key", "schl\u00fcssel", "k" * 256],
)  # fmt: skip
def test_a_name_that_could_lead_elsewhere_is_refused_before_anything_is_opened(
    name: str, tmp_path: Path
) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    (tmp_path / "gateway-key").write_bytes(pem(ED25519_KEY))
    assert "a plain name" in refusal(name, {credential.FOLDER_VARIABLE: str(folder)})


@pytest.mark.parametrize(
    ("data", "told"),
    [
        pytest.param(b"", "exactly one PEM block", id="empty"),
        pytest.param(bytes(9_000), "more than 8192 bytes", id="too large"),
        pytest.param(locked_pem(), "encrypted with a passphrase", id="under a passphrase"),
        pytest.param(pem(ED25519_KEY)[:60], "not a private key", id="cut off"),
    ],
)
def test_a_credential_that_holds_no_key_is_refused(data: bytes, told: str, tmp_path: Path) -> None:
    assert told in refusal("gateway-key", handed(tmp_path, data))


def test_a_folder_in_place_of_the_credential_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gateway-key").mkdir()
    assert "Is a directory" in refusal("gateway-key", {credential.FOLDER_VARIABLE: str(tmp_path)})
