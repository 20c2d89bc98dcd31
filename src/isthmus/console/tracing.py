"""One document and everything that hangs on it, across systems."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import get
from litestar.response import Response

from isthmus.app.record_view import field_roles
from isthmus.app.tracing import Trace, TraceNode, trace
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
        for node in _all(found.roots)
    }
    return render(request, "trace.html", q=text, trace=found, hidden=hidden)


def _all(nodes: Sequence[TraceNode]) -> list[TraceNode]:
    return [one for node in nodes for one in (node, *_all(node.children))]


ROUTES = [trace_page]
