"""The status page: everything on one page, without script, and nobody's name is markup."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest

from doxedge.ledger.chain import ChainState
from doxedge.quantity import HOUR_MS
from doxedge.web.live import STALE_MS
from doxedge.web.node_port import Health, RefusalView
from doxedge.web.pages import REFUSALS_SHOWN, kilograms, time_text, value_or_dash
from doxedge.web.serve import Addresses
from tests.ledger.channels import START_MS, genesis, hour, signer
from tests.web.raw_http import get, post_cbor, put_json
from tests.web.small_node import SmallNode, served

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

EVIL = "<script>alert(1)</script>"
EVIL_ATTRIBUTE = "\"><img src=x onerror='alert(1)'>"
VOID = {"meta", "link", "br"}


class Page(HTMLParser):
    """A page in its parts; fails on tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.metas: list[dict[str, str | None]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag == "meta":
            self.metas.append(dict(attrs))
        if tag not in VOID:
            self._open.append(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    @override
    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        """What a reader sees, in one line."""
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def node() -> SmallNode:
    return SmallNode.begin()


@pytest.fixture
async def at(node: SmallNode, tmp_path: Path) -> AsyncIterator[Addresses]:
    async with served(node, tmp_path) as addresses:
        yield addresses


async def page_of(at: Addresses, path: str = "/") -> Page:
    reply = await get(at, path)
    assert reply.status == 200
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    return Page(reply.text)


async def test_a_fresh_node_has_a_page_that_says_what_there_is_not(at: Addresses) -> None:
    page = await page_of(at)
    assert "DoxEdge node of regulator" in page.text
    assert "All channels are in step." in page.text
    assert "No gateway has shown a live value" in page.text
    assert "None since this node started." in page.text


async def test_the_page_needs_no_script_and_lets_none_in(at: Addresses) -> None:
    reply = await get(at, "/")
    page = Page(reply.text)
    assert not page.tags & {"script", "iframe", "object", "embed", "form", "style", "img"}
    assert not [name for name in page.attributes if name.startswith("on") or name == "style"]
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-content-type-options"] == "nosniff"
    style = await get(at, "/status.css")
    assert style.headers["content-type"].startswith("text/css")
    assert "url(" not in style.text
    assert "@import" not in style.text


async def test_it_shows_live_values_and_the_running_hour_as_not_signed(
    node: SmallNode, at: Addresses
) -> None:
    live = {
        "at_ms": START_MS + 60_000,
        "hour_start_ms": START_MS,
        "minutes_valid": 17,
        "nox_g_running": 12_345,
        "values": {"nox_ppb": "81.5", "flow_m3_per_h": None},
        "quality": "uncertain",
        "flags": ["calibrating"],
    }
    await put_json(at, "/v1/live/alpha-1", live)
    text = (await page_of(at)).text
    for shown in (
        "live, not signed",
        "alpha-1",
        "nox_ppb 81.5",
        "flow_m3_per_h –",
        "12.345",
        "uncertain",
        "calibrating",
    ):
        assert shown in text
    assert "2026-01-01 00:01:00" in text
    assert " old " not in text
    node.clock_ms += STALE_MS + 1
    assert " old " in (await page_of(at)).text


async def test_it_shows_headroom_heights_hours_peers_and_refusals(node: SmallNode, at: Addresses) -> None:
    channel = node.ledger.channel_state
    device, verifier, regulator = (
        channel.authors["alpha-1 device"], channel.officer("verifier"), channel.officer("regulator"),
    )  # fmt: skip
    asset = node.ledger.channel
    transactions = [
        device.say("hour", hour("alpha-1", START_MS, 700)),
        verifier.say("device.commission", ["alpha-gw", bytes(32), [[START_MS, 700]], bytes(32)]),
        regulator.say("vintage.issue", ["alpha-1", asset, 2026, [0, 10_000], bytes(32)]),
    ]
    path = f"/v1/channels/{asset.hex()}/transactions?wait=final"
    await post_cbor(at, path, [t.raw for t in transactions])
    counted = device.say("hour", hour("alpha-1", START_MS + HOUR_MS, 11_500))
    await post_cbor(at, path, [counted.raw])
    for number in range(REFUSALS_SHOWN + 5):
        node.refused.append(
            RefusalView(
                START_MS,
                asset,
                f"transfer {number} of alpha",
                "transfer",
                "7.8",
                None,
                "overdraft",
                "alpha",
                3,
            )
        )
    text = (await page_of(at)).text
    assert "Height 3" in text
    for shown in (
        "10.000",
        "11.500",
        "-1.500",
        "exceeded",
        "alpha-gw",
        "regulator (this node)",
        "This is a validator's node.",
    ):
        assert shown in text, shown
    assert f"transfer {REFUSALS_SHOWN + 4} of alpha" in text
    assert "transfer 4 of alpha" not in text, "only the newest"
    assert text.index(f"transfer {REFUSALS_SHOWN + 4} of") < text.index("transfer 5 of"), "newest first"
    assert "overdraft" in text


async def test_a_warned_account_shows_its_headroom_and_when_its_credits_run_out(
    node: SmallNode, at: Addresses
) -> None:
    channel = node.ledger.channel_state
    device, verifier, regulator = (
        channel.authors["alpha-1 device"], channel.officer("verifier"), channel.officer("regulator"),
    )  # fmt: skip
    asset = node.ledger.channel
    path = f"/v1/channels/{asset.hex()}/transactions?wait=final"
    for said in (
        device.say("hour", hour("alpha-1", START_MS, 700)),
        verifier.say("device.commission", ["alpha-gw", bytes(32), [[START_MS, 700]], bytes(32)]),
        regulator.say("vintage.issue", ["alpha-1", asset, 2026, [0, 10_000], bytes(32)]),
        device.say("hour", hour("alpha-1", START_MS + HOUR_MS, 9_600)),
    ):
        await post_cbor(at, path, [said.raw])
    text = (await page_of(at)).text
    # 9.6 kg in the hour that ended at 02:00, and 0.4 kg is left: 2 min 30 s. A narrow screen shows the first columns.
    assert "Account Vintage Headroom, kg Runs out (UTC)" in text
    assert "alpha-1 2026 0.400 warned 2026-01-01 02:02:30 10.000 0.000 9.600 alpha-1 alpha" in text
    assert "exceeded" not in text


async def test_what_is_not_well_stands_at_the_top_with_what_to_do(node: SmallNode, at: Addresses) -> None:
    node.state = Health(alive=True, ready=False, reasons=("no broker is reached: check the network",))
    text = (await page_of(at)).text
    assert "Not in step." in text
    assert text.index("no broker is reached") < text.index("Measured now")
    node.state = Health(alive=False, ready=False, reasons=("restart the node",))
    assert "Not alive." in (await page_of(at)).text


async def test_the_page_renews_itself_and_can_be_held_still(at: Addresses) -> None:
    page = await page_of(at)
    assert [meta["content"] for meta in page.metas if meta.get("http-equiv") == "refresh"] == ["10"]
    still = await page_of(at, "/?still")
    assert [meta for meta in still.metas if "http-equiv" in meta] == []


@pytest.mark.parametrize("evil", [EVIL, EVIL_ATTRIBUTE, "&lt;b&gt;{{ 7 * 7 }}{% raw %}"])
async def test_no_name_on_the_ledger_or_the_board_is_markup(
    node: SmallNode, at: Addresses, evil: str
) -> None:
    """Units, accounts, devices, parties, reasons, live units, their values and flags: all of it comes from others."""
    channel = node.ledger.channel_state
    regulator, key = channel.officer("regulator"), signer("evil device")
    channel.block(
        regulator.say("unit.register", [evil, "alpha", evil, 100_000, evil]),
        regulator.say("account.open", [evil, "alpha", evil]),
        regulator.say("device.register", [evil, evil, key.alg, key.public_key, bytes(32), evil]),
        regulator.say("vintage.issue", [evil, node.ledger.channel, 2026, [0, 10_000], bytes(32)]),
    )
    node.party = evil
    node.version = evil
    node.state = Health(alive=True, ready=False, reasons=(evil,))
    node.refused.append(RefusalView(START_MS, node.ledger.channel, evil, evil, evil, evil, evil, evil, 3))
    live = {
        "at_ms": START_MS, "hour_start_ms": START_MS, "minutes_valid": 3, "quality": "good",
        "values": {evil: evil}, "flags": [evil],
    }  # fmt: skip
    shown = evil.replace("/", "") if "/" in evil else evil
    assert (await put_json(at, f"/v1/live/{quote(shown, safe='')}", live)).status == 204
    reply = await get(at, "/")
    assert reply.status == 200
    page = Page(reply.text)
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert not [name for name in page.attributes if name.startswith("on")]
    assert page.text.count(evil) >= 8
    assert shown in page.text


async def test_the_genesis_names_are_no_markup_either(tmp_path: Path) -> None:
    node = SmallNode.begin()
    chain = node.ledger.channel_state.chain
    named = replace(genesis(), name=EVIL, place=EVIL_ATTRIBUTE)
    chain.genesis = ChainState(named.encode()).genesis
    async with served(node, tmp_path) as at:
        page = await page_of(at)
        assert "script" not in page.tags
        assert f"Channel {EVIL}, {EVIL_ATTRIBUTE}" in page.text


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        (START_MS, "2026-01-01 00:00:00"),
        (0, "–"),
        (-5, "–"),
        (None, "–"),
        ("soon", "–"),
        (2**53 - 1, f"{2**53 - 1} ms"),
        (2**64, f"{2**64} ms"),
    ],
)
def test_a_time_is_utc_to_the_second_and_never_an_error(at_ms: object, text: str) -> None:
    assert time_text(at_ms) == text


def test_a_mass_is_kilograms_and_nothing_is_a_dash() -> None:
    assert kilograms(12_345) == "12.345"
    assert kilograms(-1) == "-0.001"
    assert kilograms(None) == "–"
    assert [value_or_dash(value) for value in (0, None, "", "x")] == ["0", "–", "–", "x"]
