"""A node's file is read strictly, and what is wrong in it is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from doxedge.analysers.configuration import ConfigError
from doxedge.node.settings import GENESIS_BYTES_MAX, load_settings, parse_settings, read_genesis

CHANNEL = '[[channel]]\ngenesis = "/etc/doxedge/north.genesis"\n'
HEAD = 'party = "alpha"\nkey = "file:///etc/doxedge/node.pem"\n'
WHOLE = HEAD + CHANNEL


def mistake(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_settings(text, source="node.toml")
    return caught.value


def test_the_shortest_file_has_the_defaults_of_a_service() -> None:
    settings = parse_settings(WHOLE, source="node.toml")
    assert settings.state_dir == Path("/var/lib/doxedge")
    assert settings.listen.socket == Path("/run/doxedge/node.sock")
    assert settings.listen.port is None
    assert (settings.block_interval_ms, settings.scrub_at_start, settings.broker) == (200, True, ())


def test_every_table_can_be_given() -> None:
    text = (
        HEAD
        + CHANNEL
        + f'channel = "{"ab" * 32}"\nvote_again_from_height = 7\n'
        + '[[broker]]\nhost = "one"\n[[broker]]\nhost = "two"\nport = 8883\nca_file = "/ca.pem"\n'
        + '[listen]\nsocket = ""\nport = 8080\ntoken_file = "/etc/doxedge/token"\n'
    )
    settings = parse_settings(text, source="node.toml")
    assert settings.listen.socket is None
    assert [(broker.host, broker.port) for broker in settings.broker] == [("one", 1883), ("two", 8883)]
    assert settings.channel[0].vote_again_from_height == 7


@pytest.mark.parametrize(
    ("what", "text", "named"),
    [
        ("a key that there is not", 'colour = "red"\n' + WHOLE, "colour"),
        ("a misspelt key of a channel", WHOLE + 'genessis = "x"\n', "channel[0].genessis"),
        (
            "a key of a broker that there is not",
            WHOLE + '[[broker]]\nhost = "b"\ntls = true\n',
            "broker[0].tls",
        ),
        ("a key of the listener that there is not", WHOLE + '[listen]\nhost = "0.0.0.0"\n', "listen.host"),
    ],
)
def test_an_unknown_key_is_refused_by_name_with_where_to_look(what: str, text: str, named: str) -> None:
    told = str(mistake(text))
    assert told.startswith(f"node.toml: {named}")
    assert "firmware_configs/node.toml" in told


@pytest.mark.parametrize(
    ("what", "text", "named", "words"),
    [
        ("no party", 'key = "file:///k"\n' + CHANNEL, "party", ""),
        ("no key", 'party = "alpha"\n' + CHANNEL, "key", ""),
        ("no channel", HEAD, "channel", ""),
        ("an empty list of channels", HEAD + "channel = []\n", "channel", ""),
        (
            "a port of a broker that is none",
            WHOLE + '[[broker]]\nhost = "b"\nport = 70000\n',
            "broker[0].port",
            "",
        ),
        ("a pace of zero", "block_interval_ms = 0\n" + WHOLE, "block_interval_ms", ""),
        ("a pinned name that is none", WHOLE + 'channel = "north"\n', "channel[0].channel", ""),
        ("a port without a token", WHOLE + "[listen]\nport = 1\n", "listen", "token_file"),
        ("nowhere to listen", WHOLE + '[listen]\nsocket = ""\n', "listen", "nobody could reach"),
        (
            "half a certificate",
            WHOLE + '[[broker]]\nhost = "b"\ncert_file = "c"\n',
            "broker[0]",
            "come together",
        ),
        (
            "a certificate without its authority",
            WHOLE + '[[broker]]\nhost = "b"\ncert_file = "c"\nkey_file = "k"\n',
            "broker[0]",
            "ca_file",
        ),
        (
            "a height below zero",
            WHOLE + "vote_again_from_height = -1\n",
            "channel[0].vote_again_from_height",
            "",
        ),
        ("no TOML at all", "party = \n", "", "not TOML"),
        ("arrays without end", "party = " + "[" * 20_000 + "\n", "", "nested far too deeply"),
    ],
)
def test_a_mistake_is_named_by_file_table_and_key(what: str, text: str, named: str, words: str) -> None:
    told = str(mistake(text))
    assert told.startswith("node.toml")
    assert named in told
    assert words in told


def test_the_other_mistakes_are_counted() -> None:
    assert "2 more" in str(mistake("port = 1\nhost = 2\ncolour = 3\n" + WHOLE))


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path / "missing.toml")
    (tmp_path / "latin.toml").write_bytes(b"party = '\xe4'\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(tmp_path / "latin.toml")


@pytest.mark.parametrize(
    ("what", "size", "words"),
    [
        ("no file", None, "cannot be read"),
        ("a file that is far too large", GENESIS_BYTES_MAX + 1, "are no genesis"),
    ],
)
def test_a_genesis_file_that_is_none_is_named(
    tmp_path: Path, what: str, size: int | None, words: str
) -> None:
    path = tmp_path / "north.genesis"
    if size is not None:
        path.write_bytes(bytes(size))
    table = parse_settings(HEAD + f'[[channel]]\ngenesis = "{path}"\n', source="node.toml").channel[0]
    with pytest.raises(ConfigError, match=words) as caught:
        read_genesis(table, source="node.toml", index=3)
    assert "channel[3].genesis" in str(caught.value)
