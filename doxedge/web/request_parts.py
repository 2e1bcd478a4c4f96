"""The parts of a request's address: the node, the channel, ids, numbers; each checked before it is used."""

from __future__ import annotations

import math

from starlette.requests import Request

from doxedge.contracts import emissions
from doxedge.contracts.rule import Book
from doxedge.web.node_port import NodePort, UnknownChannel
from doxedge.web.problem import Problem


def node_of(request: Request) -> NodePort:
    """The node that this application serves."""
    node: NodePort = request.app.state.node
    return node


def channel_of(request: Request) -> bytes:
    """The channel of the path: 64 hexadecimal digits, or the first 16 of them. Raises Problem 404."""
    text = request.path_params["channel"].lower()
    if len(text) == 16:
        for view in node_of(request).channels():
            if view.channel.hex().startswith(text):
                return view.channel
        raise Problem(
            404, "unknown_channel", f"this node keeps no channel {text}; GET /v1/channels lists them"
        )
    channel = hex_id(text, 32)
    book_of(request, channel)
    return channel


def book_of(request: Request, channel: bytes) -> Book:
    """The state of a channel after its head. Raises Problem 404."""
    try:
        return node_of(request).book(channel)
    except UnknownChannel as error:
        text = f"this node keeps no channel {channel.hex()}; GET /v1/channels lists them"
        raise Problem(404, "unknown_channel", text) from error


def hex_id(text: str, size: int) -> bytes:
    """An id of `size` bytes in hexadecimal. Raises Problem 400."""
    data = b""
    if len(text) == 2 * size and text.isascii() and text.isalnum():
        try:
            data = bytes.fromhex(text)
        except ValueError:
            data = b""
    if len(data) != size:
        raise Problem(400, "bad_id", f"an id here is {2 * size} hexadecimal digits")
    return data


def whole_number(request: Request, name: str) -> int | None:
    """A query parameter from 0 on, None when it is not given. Raises Problem 400."""
    text = request.query_params.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise Problem(400, "bad_number", f"{name} is a whole number from 0 with at most 15 digits")
    return int(text)


def year_of(request: Request) -> int | None:
    """The query parameter `year`. Raises Problem 400."""
    year = whole_number(request, "year")
    if year is not None and not emissions.YEAR_MIN <= year <= emissions.YEAR_MAX:
        raise Problem(400, "bad_year", f"year is between {emissions.YEAR_MIN} and {emissions.YEAR_MAX}")
    return year


def seconds(request: Request, name: str, *, default_s: float, max_s: float) -> float:
    """A query parameter in seconds. Raises Problem 400."""
    text = request.query_params.get(name)
    if text is None:
        return default_s
    try:
        given_s = float(text) if len(text) < 20 else math.nan
    except ValueError:
        given_s = math.nan
    if not 0 <= given_s <= max_s:
        raise Problem(400, "bad_timeout", f"{name} is a number of seconds between 0 and {max_s:.0f}")
    return given_s
