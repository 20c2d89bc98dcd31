"""The dry run of one flow: asking for it, what it would write on each side, and letting a held mass change pass."""

from __future__ import annotations

from typing import Any

from litestar import get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Response

from isthmus.app.bootstrap import clock
from isthmus.app.plan_view import plan_view
from isthmus.console.guard import principal_of
from isthmus.console.jobs import desk_of
from isthmus.console.pages import Call, render, site_of

__all__ = ["ROUTES"]


@get("/flows/{name:str}/plan")
async def plan(name: FromPath[str], request: Call) -> Response[Any]:
    """The last dry run of this flow."""
    site, desk = site_of(request), desk_of(request)
    if name not in site.world.flows:
        raise NotFoundException
    under_way, done = await desk.latest_plan(name)
    return render(
        request,
        "plan.html",
        flow=site.world.flows[name],
        under_way=under_way,
        at_work=await desk.at_work(),
        done=done,
        view=await plan_view(site.reads, site.world, principal_of(request), name, done),
        now=clock(),
    )


@post("/flows/{name:str}/plan", status_code=303)
async def start_plan(name: FromPath[str], request: Call) -> Redirect:
    """Have one made."""
    if name not in site_of(request).world.flows:
        raise NotFoundException
    await desk_of(request).plan(name)
    return Redirect(f"/flows/{name}/plan", status_code=303)


ROUTES = [plan, start_plan]
