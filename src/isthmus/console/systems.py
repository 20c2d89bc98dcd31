"""The far systems: how each answers, how fresh what is known of it is, and what has changed in its fields."""

from __future__ import annotations

from datetime import timedelta

from litestar import get
from litestar.response import Response

from isthmus.app.bootstrap import clock
from isthmus.console.pages import Call, render, site_of

__all__ = ["ROUTES"]


@get("/systems")
async def systems(request: Call) -> Response[str]:
    """All of them."""
    site, now = site_of(request), clock()
    view = await site.pulse.look()
    writes = {one.system: one for one in await site.reads.system_writes(now - timedelta(hours=1))}
    feeds: dict[str, list[object]] = {}
    for feed in await site.reads.feeds():
        feeds.setdefault(feed.system, []).append(feed)
    return render(request, "systems.html", view=view, writes=writes, feeds=feeds, world=site.world, now=now)


ROUTES = [systems]
