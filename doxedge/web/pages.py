"""One page that shows a node to whoever runs it: rendered on the server, readable without script, fit for print."""

from __future__ import annotations

import datetime as dt
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from doxedge.quantity import DAY_MS, HOUR_MS, kilograms_text
from doxedge.web import api, views
from doxedge.web.live import STALE_MS, LiveBoard
from doxedge.web.request_parts import node_of

if TYPE_CHECKING:
    from jinja2 import Environment

REFUSALS_SHOWN: Final = 20
DESK_DAYS: Final = 30
REFRESH_S: Final = 10
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def time_text(at_ms: object) -> str:
    """UTC to the second, or a dash."""
    if not isinstance(at_ms, int) or at_ms <= 0:
        return "–"
    try:
        return (_EPOCH + dt.timedelta(milliseconds=at_ms)).strftime("%Y-%m-%d %H:%M:%S")
    except OverflowError:
        return f"{at_ms} ms"


def kilograms(grams: object) -> str:
    """Kilograms with three decimals, or a dash."""
    return kilograms_text(grams) if isinstance(grams, int) else "–"


def value_or_dash(value: object) -> str:
    """A value as it is; None is a dash, never zero."""
    return "–" if value is None or value == "" else str(value)


@cache
def _templates() -> Environment:
    # Late: a plant whose page nobody looks at does not pay 3 MB for it.
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=PackageLoader("doxedge.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(utc=time_text, kg=kilograms, dash=value_or_dash)
    return environment


_STYLE: Final = files("doxedge.web").joinpath("templates", "status.css").read_text(encoding="utf-8")


async def status_page(request: Request) -> Response:
    """The status page: live values, running hours, headroom, heights, peers, refusals, backlog."""
    node = node_of(request)
    board: LiveBoard = request.app.state.live
    now_ms = node.now_ms()
    channels = []
    for view in node.channels():
        book = node.book(view.channel)
        channels.append(
            {
                "view": view,
                "accounts": views.account_rows(book, None),
                "units": views.unit_rows(book, None),
                "desk": await api.desk(node, view.channel, from_ms=max(0, now_ms - DESK_DAYS * DAY_MS)),
                "peers": node.peers(view.channel),
                "refusals": list(node.refusals(view.channel))[-REFUSALS_SHOWN:][::-1],
            }
        )
    html = (
        _templates()
        .get_template("status.html.j2")
        .render(
            party=node.party,
            version=node.version,
            now_ms=now_ms,
            hour_ms=HOUR_MS,
            stale_ms=STALE_MS,
            desk_days=DESK_DAYS,
            refresh_s=None if "still" in request.query_params else REFRESH_S,
            health=node.health(),
            live=list(board.all().values()),
            channels=channels,
        )
    )
    return HTMLResponse(html, headers=_HEADERS)


async def style_sheet(_: Request) -> Response:
    """The style of the page."""
    return Response(_STYLE, media_type="text/css", headers={"Cache-Control": "max-age=3600"})
