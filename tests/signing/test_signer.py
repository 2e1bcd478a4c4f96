"""Software keys: the published vectors, the same signature every time, and no key in any text."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.signing.algorithms import ED25519, ES256, P256_ORDER, check_key, verify
from doxedge.signing.signer import Ed25519Signer, Es256Signer, Signer
from doxedge.signing.tags import key_id

RFC8032_SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
RFC6979_SCALAR = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721


def test_ed25519_signs_as_in_rfc_8032_7_1() -> None:
    signer = Ed25519Signer(RFC8032_SEED)
    assert signer.public_key.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert signer.sign(b"").hex() == (
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b"
    )


@pytest.mark.parametrize(
    ("message", "r", "s"),
    [
        pytest.param(
            b"sample",
            0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
            0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
            id="sample, whose s is high",
        ),
        pytest.param(
            b"test",
            0xF1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367,
            0x019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083,
            id="test, whose s is low",
        ),
    ],
)
def test_es256_signs_as_in_rfc_6979_a_2_5_with_s_in_the_lower_half(message: bytes, r: int, s: int) -> None:
    signer = Es256Signer(RFC6979_SCALAR)
    assert signer.public_key.hex() == "0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    low = min(s, P256_ORDER - s)
    assert signer.sign(message) == r.to_bytes(32, "big") + low.to_bytes(32, "big")


@given(st.integers(1, P256_ORDER - 1), st.binary(max_size=100))
def test_es256_gives_the_same_low_signature_every_time(scalar: int, message: bytes) -> None:
    signer = Es256Signer(scalar)
    check_key(ES256, signer.public_key)
    signature = signer.sign(message)
    assert signature == signer.sign(message) == Es256Signer(scalar).sign(message)
    assert int.from_bytes(signature[32:], "big") <= P256_ORDER // 2
    assert verify(ES256, signer.public_key, message, signature)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100))
def test_ed25519_gives_the_same_signature_every_time(seed: bytes, message: bytes) -> None:
    signer = Ed25519Signer(seed)
    assert signer.sign(message) == Ed25519Signer(seed).sign(message)
    assert verify(ED25519, signer.public_key, message, signer.sign(message))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_seed_has_32_bytes(length: int) -> None:
    with pytest.raises(ValueError, match=f"32 bytes, not {length}"):
        Ed25519Signer(bytes(length))


@pytest.mark.parametrize("scalar", [0, -1, P256_ORDER, P256_ORDER + 1, 2**256])
def test_a_scalar_is_between_one_and_the_order(scalar: int) -> None:
    with pytest.raises(ValueError, match="from 1 to below the order"):
        Es256Signer(scalar)


SIGNERS: dict[str, tuple[Signer, str]] = {
    "Ed25519": (Ed25519Signer(RFC8032_SEED), RFC8032_SEED.hex()),
    "ES256": (Es256Signer(RFC6979_SCALAR), f"{RFC6979_SCALAR:064x}"),
}


@pytest.mark.parametrize("kind", SIGNERS)
def test_a_signer_is_named_after_its_public_key(kind: str) -> None:
    signer, _ = SIGNERS[kind]
    assert signer.key_id == key_id(signer.alg, signer.public_key)


@pytest.mark.parametrize("kind", SIGNERS)
def test_no_text_made_of_a_signer_holds_its_key(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    signer, secret = SIGNERS[kind]
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").error("the signer is %s, %r", signer, signer)
    texts = [str(signer), repr(signer), f"{signer}", caplog.text, repr([signer])]
    raw = bytes.fromhex(secret)
    for text in texts:
        assert secret not in text.lower()
        assert repr(raw) not in text
        assert str(int(secret, 16)) not in text
    assert not hasattr(signer, "__dict__")
