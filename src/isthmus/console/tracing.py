"""One document and everything that hangs on it, across systems."""

from __future__ import annotations

from litestar import get
from litestar.response import Response

from isthmus.app.record_view import field_roles, title_of
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
    nodes = [node for root in found.roots for node in _all(root)]
    referred = {line["product"] for node in nodes for line in _lines(node) if line.get("product")}
    referred |= {str(node.fields["customer"]) for node in nodes if node.fields.get("customer")}
    names = {item.id: title_of(item) for item in (await site.reads.items(referred)).values()} if referred else {}
    hidden = {
        node.entity: {n for n, role in field_roles(site.world, node.entity).items() if not me.sees(role)}
        for node in nodes
    }
    return render(request, "trace.html", q=text, trace=found, names=names, hidden=hidden)


def _all(node: TraceNode) -> list[TraceNode]:
    return [node, *(below for child in node.children for below in _all(child))]


def _lines(node: TraceNode) -> list[dict[str, str]]:
    lines = node.fields.get("lines")
    return [line for line in lines if isinstance(line, dict)] if isinstance(lines, list) else []


ROUTES = [trace_page]
