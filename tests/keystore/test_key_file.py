"""A key file is private, whole, one key, and never overwritten."""

from __future__ import annotations

import os
import stat
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, x25519

from doxedge.analysers.configuration import ConfigError
from doxedge.keystore import key_file
from doxedge.signing.algorithms import ED25519, ES256, check_key, verify
from tests.keystore.key_texts import (
    ED25519_KEY,
    ED25519_SIGNER,
    ES256_SIGNER,
    P256_KEY,
    SEED,
    locked_pem,
    pem,
    public_pem,
)

URI = "file:///the/key.pem"
GOOD = pem(ED25519_KEY)


def written(folder: Path, data: bytes = GOOD, mode: int = 0o600) -> Path:
    """A key file of this content and mode."""
    path = folder / "key.pem"
    path.write_bytes(data)
    path.chmod(mode)
    return path


def reason(act: Callable[[], object]) -> str:
    """What the operator is told; the URI is always named."""
    with pytest.raises(ConfigError) as refusal:
        act()
    assert refusal.value.source == URI
    return refusal.value.reason


@pytest.mark.parametrize(
    ("data", "public_key"),
    [
        pytest.param(GOOD, ED25519_SIGNER.public_key, id="Ed25519"),
        pytest.param(pem(P256_KEY), ES256_SIGNER.public_key, id="P-256"),
        pytest.param(b"made by hand\n" + GOOD, ED25519_SIGNER.public_key, id="a line of text before it"),
        pytest.param(GOOD.replace(b"\n", b"\r\n"), ED25519_SIGNER.public_key, id="line ends of Windows"),
    ],
)
def test_a_private_file_is_read(data: bytes, public_key: bytes, tmp_path: Path) -> None:
    assert key_file.read(URI, written(tmp_path, data)).public_key == public_key


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700, 0o500])
def test_modes_that_give_others_nothing_are_accepted(mode: int, tmp_path: Path) -> None:
    assert key_file.read(URI, written(tmp_path, mode=mode)).alg == ED25519


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666, 0o777, 0o444])
def test_a_file_that_others_may_touch_is_refused_and_not_repaired(mode: int, tmp_path: Path) -> None:
    path = written(tmp_path, mode=mode)
    told = reason(lambda: key_file.read(URI, path))
    assert f"mode {mode:04o}" in told
    assert f"chmod 600 {path}" in told
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_the_mode_that_counts_is_that_of_the_file_behind_a_link(tmp_path: Path) -> None:
    path = written(tmp_path, mode=0o644)
    link = tmp_path / "link.pem"
    link.symlink_to(path)
    assert "can be read or written by others" in reason(lambda: key_file.read(URI, link))
    path.chmod(0o600)
    assert key_file.read(URI, link).alg == ED25519


@pytest.mark.parametrize(
    ("data", "told"),
    [
        pytest.param(b"", "exactly one PEM block", id="an empty file"),
        pytest.param(b"garbage", "exactly one PEM block", id="garbage"),
        pytest.param(SEED, "exactly one PEM block", id="a raw seed"),
        pytest.param(b"\0" * 8_192, "exactly one PEM block", id="zeros, as after a power cut"),
        pytest.param(b"\0" * 8_193, "more than 8192 bytes", id="too large"),
        pytest.param(GOOD[: len(GOOD) // 2], "not a private key", id="cut in the middle"),
        pytest.param(GOOD[:-20], "not a private key", id="cut in the last line"),
        pytest.param(GOOD[10:], "exactly one PEM block", id="cut at the beginning"),
        pytest.param(GOOD.replace(b"M", b"!", 1), "not a private key", id="a character changed"),
        pytest.param(GOOD + GOOD, "exactly one PEM block", id="two keys"),
        pytest.param(GOOD + public_pem(), "exactly one PEM block", id="both halves"),
        pytest.param(public_pem(), "not a private key", id="the public half"),
        pytest.param(locked_pem(), "encrypted with a passphrase", id="under a passphrase"),
        pytest.param(
            pem(ec.derive_private_key(5, ec.SECP384R1())), "neither Ed25519 nor P-256", id="another curve"
        ),
        pytest.param(
            pem(ec.derive_private_key(5, ec.SECP256K1())),
            "neither Ed25519 nor P-256",
            id="the curve of coins",
        ),
        pytest.param(
            pem(x25519.X25519PrivateKey.from_private_bytes(SEED)), "neither Ed25519 nor P-256", id="X25519"
        ),
        pytest.param(
            pem(ed448.Ed448PrivateKey.from_private_bytes(bytes(57))), "neither Ed25519 nor P-256", id="Ed448"
        ),
    ],
)
def test_what_is_not_one_key_of_ours_is_refused_in_words_that_help(
    data: bytes, told: str, tmp_path: Path
) -> None:
    assert told in reason(lambda: key_file.read(URI, written(tmp_path, data)))


def test_a_broken_key_is_never_quoted(tmp_path: Path) -> None:
    secret = GOOD.splitlines()[1]
    path = written(tmp_path, GOOD.replace(b"-----END", b"-----OUT"))
    with pytest.raises(ConfigError) as refusal:
        key_file.read(URI, path)
    shown = "".join(traceback.format_exception(refusal.value))
    assert "not a private key" in shown
    for part in (secret, secret[-43:], SEED.hex().encode(), repr(SEED).encode()):
        assert part.decode() not in shown


def test_a_missing_file_says_how_one_is_made(tmp_path: Path) -> None:
    assert "doxedge init" in reason(lambda: key_file.read(URI, tmp_path / "none.pem"))
    assert "Not a directory" in reason(lambda: key_file.read(URI, written(tmp_path) / "under.pem"))


def test_a_folder_or_a_pipe_in_place_of_the_file_is_refused_without_waiting(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    assert reason(lambda: key_file.read(URI, tmp_path)) == f"{tmp_path} is not a file"
    assert reason(lambda: key_file.read(URI, pipe)) == f"{pipe} is not a file"


@pytest.mark.parametrize("alg", [ED25519, ES256])
def test_a_new_key_is_private_whatever_the_umask_and_can_be_read_again(alg: int, tmp_path: Path) -> None:
    path = tmp_path / "new" / "keys" / "device.pem"
    before = os.umask(0)
    try:
        signer = key_file.create(URI, path, alg)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.stat().st_nlink == 1
    assert [file.name for file in path.parent.iterdir()] == ["device.pem"]
    check_key(alg, signer.public_key)
    assert verify(alg, signer.public_key, b"message", signer.sign(b"message"))
    assert key_file.read(URI, path).public_key == signer.public_key


def test_no_two_keys_are_the_same(tmp_path: Path) -> None:
    made = {key_file.create(URI, tmp_path / f"{k}.pem", ED25519).public_key for k in range(8)}
    assert len(made) == 8


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(lambda path: path.write_bytes(b"something"), id="a file"),
        pytest.param(lambda path: path.mkdir(), id="a folder"),
        pytest.param(lambda path: path.symlink_to("nowhere"), id="a link to nothing"),
    ],
)
def test_what_is_there_is_never_overwritten(place: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    place(path)
    before = (path.lstat().st_ino, path.read_bytes() if path.is_file() else None)
    assert "a key is never overwritten" in reason(lambda: key_file.create(URI, path, ED25519))
    assert (path.lstat().st_ino, path.read_bytes() if path.is_file() else None) == before
    assert [file.name for file in tmp_path.iterdir()] == ["key.pem"]


def test_an_unknown_algorithm_leaves_nothing_behind(tmp_path: Path) -> None:
    assert "neither Ed25519 (-8) nor ES256 (-7)" in reason(
        lambda: key_file.create(URI, tmp_path / "new" / "key.pem", -36)
    )
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_cannot_be_placed_is_refused_with_its_place(tmp_path: Path) -> None:
    path = written(tmp_path) / "under" / "key.pem"
    assert f"{path} cannot be written" in reason(lambda: key_file.create(URI, path, ED25519))


def test_the_key_is_on_the_disk_before_it_has_its_name_and_the_name_before_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "keys" / "device.pem"
    synced: list[tuple[Path, bool, int]] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        place = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append((place, path.exists(), os.fstat(descriptor).st_size))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    key_file.create(URI, path, ED25519)
    draft = next(place for place, _, _ in synced if place.name.startswith(".device.pem."))
    assert [(place, is_named) for place, is_named, _ in synced] == [
        (path.parent.parent, False),
        (tmp_path, False),
        (draft, False),
        (path.parent, True),
    ]
    assert synced[2][2] == path.stat().st_size > 0


def test_a_disk_that_refuses_to_keep_the_key_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", fsync)
    assert "the disk is full" in reason(lambda: key_file.create(URI, tmp_path / "key.pem", ED25519))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fails_while_the_key_is_read_is_told_like_any_other_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fstat(descriptor: int) -> os.stat_result:
        raise OSError(5, os.strerror(5))

    path = written(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fstat", fstat)
        told = reason(lambda: key_file.read(URI, path))
    assert f"{path} cannot be read: Input/output error" in told
