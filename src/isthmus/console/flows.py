"""Flows: which fields are kept in step between which places, by which rules, and since when it is so."""

from __future__ import annotations

from litestar import get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Response

from isthmus.app.bootstrap import clock
from isthmus.app.flow_history import flow_versions
from isthmus.app.flow_view import flow_rows
from isthmus.console.pages import Call, render, site_of
from isthmus.store import ChangeState, FlowChanges

__all__ = ["ROUTES"]

CHANGES = 10
SHOWN_STATES = [state for state in ChangeState if state is not ChangeState.DRAFT]
VERSIONS = 20
"""Newest versions that are shown."""


@get("/flows")
async def flows(request: Call) -> Response[str]:
    """All flows, parents first."""
    site = site_of(request)
    waiting = await FlowChanges(site.store).find(None, [ChangeState.PROPOSED])
    return render(request, "flows.html", flows=[site.world.flows[name] for name in site.world.order], waiting=waiting)


@get("/flows/{name:str}")
async def flow(name: FromPath[str], request: Call) -> Response[str]:
    """One flow: its fields, its rules, its versions; ``?version=`` shows the text of one."""
    site = site_of(request)
    found = site.world.flows.get(name)
    if found is None:
        raise NotFoundException
    versions, count = await flow_versions(site.store, site.project, name, site.counts, VERSIONS)
    wanted = request.query_params.get("version", "")
    texts = await site.reads.flow_versions(name) if wanted else []
    read = next((version for version in texts if str(version.number) == wanted), None)
    return render(
        request,
        "flow.html",
        flow=found,
        rows=flow_rows(found),
        versions=versions,
        older=count - len(versions),
        read=read,
        changes=await FlowChanges(site.store).find(name, SHOWN_STATES, CHANGES),
        now=clock(),
    )


ROUTES = [flows, flow]
