"""One document and everything that hangs on it, across systems."""

from __future__ import annotations

from litestar import get
from litestar.response import Response

from isthmus.app.record_view import field_roles
from isthmus.app.tracing import Trace, trace
from isthmus.console.guard import principal_of
from isthmus.console.pages import Call, render, site_of

__all__ = ["ROUTES"]


@get("/trace")
async def trace_page(request: Call) -> Response[str]:
    """The documents as a tree, the positions with what became of them, and their joint history."""
    site, me = site_of(request), principal_of(request)
    text = request.query_params.get("q", "").strip()[:200]
    found = await trace(site.reads, text) if text else Trace(roots=[], events=[])
    hidden = {
        node.entity: {n for n, role in field_roles(site.world, node.entity).items() if not me.sees(role)}
        for root in found.roots
        for node in root.all()
    }
    return render(request, "trace.html", q=text, trace=found, hidden=hidden)


ROUTES = [trace_page]
