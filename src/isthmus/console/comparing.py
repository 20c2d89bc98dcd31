"""What the last comparisons of both sides found. They are started from the command line: a comparison reads whole
systems for minutes, which is nothing for the process that serves pages."""

from __future__ import annotations

from litestar import get
from litestar.response import Response

from isthmus.app.bootstrap import clock
from isthmus.app.drift_view import drift_view
from isthmus.console.guard import principal_of
from isthmus.console.pages import Call, render, site_of

__all__ = ["ROUTES"]

SHOWN = 50


@get("/compare")
async def compare(request: Call) -> Response[str]:
    """Differences by flow and cause, and one by one."""
    site = site_of(request)
    chosen = request.query_params.get("flow", "")
    chosen = chosen if chosen in site.world.flows else ""
    after = request.query_params.get("after", "")[:200]
    view = await drift_view(
        site.reads,
        site.world,
        principal_of(request),
        flows=[chosen] if chosen else site.world.order,
        after=after,
        limit=SHOWN,
    )
    return render(request, "compare.html", view=view, chosen=chosen, after=after, now=clock())


ROUTES = [compare]
