"""A URI names the keeper; one that nobody here understands is refused with the ones that are."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.keystore import credential
from doxedge.keystore.keys import create_key, open_signer, public_line
from doxedge.signing.algorithms import ED25519, ES256, verify
from tests.keystore.key_texts import ED25519_KEY, ED25519_SIGNER, ES256_SIGNER, P256_KEY, SEED, pem


def refusal(uri: str, environ: dict[str, str] | None = None) -> str:
    """What the operator is told, whether he opens a key or makes one."""
    with pytest.raises(ConfigError) as raised:
        open_signer(uri, environ=environ or {})
    assert raised.value.source == uri
    return raised.value.reason


def test_a_file_is_opened_by_its_uri(tmp_path: Path) -> None:
    path = tmp_path / "a key, 100% ours #1?.pem"
    path.write_bytes(pem(P256_KEY))
    path.chmod(0o600)
    assert "%20" in path.as_uri()
    for uri in (path.as_uri(), path.as_uri().replace("file://", "file://localhost")):
        signer = open_signer(uri)
        assert (signer.alg, signer.public_key) == (ES256, ES256_SIGNER.public_key)


def test_a_name_that_is_no_text_is_opened_all_the_same(tmp_path: Path) -> None:
    signer = create_key(f"file://{tmp_path}/%ff.pem", ED25519)
    assert [bytes(path) for path in tmp_path.iterdir()] == [bytes(tmp_path) + b"/\xff.pem"]
    assert open_signer(f"file://{tmp_path}/%ff.pem").public_key == signer.public_key


def test_a_credential_is_opened_by_its_uri(tmp_path: Path) -> None:
    (tmp_path / "node-key").write_bytes(pem(ED25519_KEY))
    signer = open_signer("credential:node-key", environ={credential.FOLDER_VARIABLE: str(tmp_path)})
    assert (signer.alg, signer.public_key) == (ED25519, ED25519_SIGNER.public_key)


@pytest.mark.parametrize("alg", [ED25519, ES256])
def test_a_key_is_made_by_its_uri_and_never_twice(alg: int, tmp_path: Path) -> None:
    uri = (tmp_path / "keys" / "device.pem").as_uri()
    signer = create_key(uri, alg)
    assert verify(alg, signer.public_key, b"message", open_signer(uri).sign(b"message"))
    with pytest.raises(ConfigError, match="never overwritten"):
        create_key(uri, alg)
    assert open_signer(uri).public_key == signer.public_key


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        pytest.param("tpm2:0x81000001", "`tpm2:` (a TPM 2.0) cannot be used here", id="TPM"),
        pytest.param("pkcs11:token=a", "`pkcs11:` (a PKCS#11 token) cannot be used here", id="PKCS#11"),
        pytest.param("awskms:alias/key", "(a cloud key service) cannot be used", id="cloud"),
        pytest.param("https://host/key.pem", "keys of `https:` cannot be used here", id="web"),
        pytest.param("FILE:///key.pem", "available are credential:, file:", id="capitals"),
        pytest.param(":", "available are credential:, file:", id="a colon"),
        pytest.param("C:\\keys\\key.pem", "available are credential:, file:", id="a path of Windows"),
        pytest.param("/etc/doxedge/key.pem", "did you mean file:///etc/doxedge/key.pem ?", id="a path"),
        pytest.param("./a:b.pem", "did you mean file:///", id="a path with a colon"),
        pytest.param("key.pem", "did you mean file:///", id="a name"),
        pytest.param("", "a key is named by a URI", id="nothing"),
    ],
)
def test_a_scheme_that_is_not_here_is_refused_in_words_that_help(uri: str, told: str) -> None:
    assert told in refusal(uri)


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("file:key.pem", id="no slash"),
        pytest.param("file:/key.pem", id="one slash"),
        pytest.param("file://key.pem", id="two slashes: the name is a host"),
        pytest.param("file://host/key.pem", id="another host"),
        pytest.param("file://", id="nothing"),
        pytest.param("file://[x", id="a host in broken brackets"),
        pytest.param("file:///keys/a%00b.pem", id="a NUL in the path"),
    ],
)
def test_a_file_is_named_with_its_whole_path(uri: str) -> None:
    assert "whole path: file:///etc/doxedge/keys/name.pem" in refusal(uri)
    with pytest.raises(ConfigError, match="whole path"):
        create_key(uri, ED25519)


@pytest.mark.parametrize("uri", ["file:///key.pem?mode=600", "file:///key.pem#1"])
def test_a_query_or_a_fragment_is_not_silently_dropped(uri: str) -> None:
    assert "no `?` or `#`" in refusal(uri)


@pytest.mark.parametrize("uri", ["credential:node-key", "tpm2:1", "/key.pem"])
def test_keys_are_made_as_files_only(uri: str) -> None:
    with pytest.raises(ConfigError, match=r"file:///|cannot be used here"):
        create_key(uri, ED25519)


def test_the_public_line_names_the_key_and_holds_nothing_secret() -> None:
    signer = ED25519_SIGNER
    assert public_line(signer) == f"ed25519 {signer.key_id.hex()} {signer.public_key.hex()}"
    assert public_line(ES256_SIGNER).startswith("es256 ")
    assert SEED.hex() not in public_line(signer)


def test_opening_and_making_keys_logs_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    uri = (tmp_path / "key.pem").as_uri()
    with caplog.at_level(logging.DEBUG):
        create_key(uri, ED25519)
        open_signer(uri)
    assert caplog.text == ""
