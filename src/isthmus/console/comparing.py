"""Comparing both sides: starting it, how far it is, what it found, and repairing that. A worker of the hub does the
work, so that closing the browser stops nothing."""

from __future__ import annotations

from typing import Any

from litestar import get, post
from litestar.response import Redirect, Response

from isthmus.app.bootstrap import clock
from isthmus.app.drift_view import drift_view
from isthmus.console.front import Form
from isthmus.console.guard import principal_of
from isthmus.console.jobs import desk_of
from isthmus.console.pages import Call, render, site_of
from isthmus.errors import NeedsPerson

__all__ = ["ROUTES"]

SHOWN = 50


@get("/compare")
async def compare(request: Call) -> Response[str]:
    """Every flow's last comparison; differences by flow and cause, and one by one."""
    site = site_of(request)
    chosen = _flow(request, request.query_params.get("flow", ""))
    after = request.query_params.get("after", "")[:200]
    view = await drift_view(
        site.reads,
        site.world,
        principal_of(request),
        flows=[chosen] if chosen else site.world.order,
        after=after,
        limit=SHOWN,
    )
    state = await desk_of(request).comparing()
    about = [job for job in state.jobs if job.done_at is not None and job.flow in (chosen, "")]
    return render(
        request, "compare.html", view=view, state=state, last=about[:1], chosen=chosen, after=after, now=clock()
    )


@post("/compare", status_code=303)
async def start_compare(request: Call, data: Form) -> Redirect:
    """Have the named flow compared, or all."""
    flow = str(data.get("flow", ""))
    await desk_of(request).compare(flow)
    return _back(flow)


@post("/compare/repair", status_code=303)
async def start_repair(request: Call, data: Form) -> Redirect:
    """Have the ticked differences repaired, or all of a flow."""
    flow, choice = str(data.get("flow", "")), str(data.get("choice", ""))
    if data.get("scope") == "all":
        choices = [choice]
    else:
        choices = [f"{id}={choice}" for id in (await request.form()).getall("entry", [])]
    if choice not in ("rule", "far", "hub"):
        raise NeedsPerson("Say who is right.")
    await desk_of(request).repair(flow, choices)
    return _back(flow)


def _flow(request: Call, name: Any) -> str:
    return str(name) if name in site_of(request).world.flows else ""


def _back(flow: str) -> Redirect:
    return Redirect(f"/compare?flow={flow}" if flow else "/compare", status_code=303)


ROUTES = [compare, start_compare, start_repair]
