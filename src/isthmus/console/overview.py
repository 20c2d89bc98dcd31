"""The first page: is everything in step, where is it not, and what needs a person. Its figures come alive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from litestar import get
from litestar.response import Response, ServerSentEvent

from isthmus.app.bootstrap import clock
from isthmus.app.pulse import Overview
from isthmus.console.pages import Call, render, site_of
from isthmus.errors import IsthmusError
from isthmus.pages import COOKIE

__all__ = ["ROUTES"]

LIVE_SECONDS = 3.0
LONGEST_MINUTES = 30
"""A stream ends after this long; the browser opens another."""


@get("/")
async def overview(request: Call) -> Response[str]:
    """The page."""
    return render(request, "overview.html", view=await site_of(request).pulse.look(), now=clock())


@get("/live")
async def live(request: Call) -> ServerSentEvent:
    """The figures again and again, for as long as somebody looks and is signed in."""
    site, secret = site_of(request), request.cookies.get(COOKIE, "")

    async def look() -> Overview | None:
        known = await site.access.by_session(secret, in_use=False)
        return await site.pulse.look() if known is not None else None

    async def figures() -> AsyncIterator[dict[str, Any]]:
        for _ in range(int(LONGEST_MINUTES * 60 / LIVE_SECONDS)):
            try:
                # A reader who leaves must not break off a query in the middle: its connection would be lost.
                view = await asyncio.shield(asyncio.create_task(look()))
                if view is None:
                    yield {"event": "ended", "data": ""}
                    return
            except IsthmusError:
                # The store is away: the page keeps its figures and says how old they are.
                await asyncio.sleep(LIVE_SECONDS)
                continue
            page = render(request, "overview_figures.html", view=view, now=clock())
            yield {"event": "figures", "data": page.content}
            await asyncio.sleep(LIVE_SECONDS)

    return ServerSentEvent(figures())


ROUTES = [overview, live]
