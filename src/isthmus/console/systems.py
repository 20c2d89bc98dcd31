"""The far systems: how each answers, how fresh what is known of it is, what has changed in its fields; pausing one."""

from __future__ import annotations

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Redirect, Response

from isthmus.app.bootstrap import clock
from isthmus.app.pausing import Pausing, system_views
from isthmus.console.front import Form
from isthmus.console.guard import principal_of
from isthmus.console.pages import Call, render, site_of

__all__ = ["ROUTES"]


@get("/systems")
async def systems(request: Call) -> Response[str]:
    """All of them."""
    site, now = site_of(request), clock()
    return render(
        request,
        "systems.html",
        view=await site.pulse.look(),
        known=await system_views(site.reads, site.project, now),
        world=site.world,
        now=now,
    )


def _pausing(request: Call) -> Pausing:
    site = site_of(request)
    return Pausing(site.store, site.world, principal_of(request))


@post("/systems/{name:str}/pause", status_code=303)
async def pause(name: FromPath[str], request: Call, data: Form) -> Redirect:
    """Have no process of the hub call it, or one resource of it."""
    await _pausing(request).pause(name, str(data.get("resource", "")), str(data.get("reason", "")))
    return Redirect("/systems", status_code=303)


@post("/systems/{name:str}/resume", status_code=303)
async def resume(name: FromPath[str], request: Call, data: Form) -> Redirect:
    """Go on with it."""
    await _pausing(request).resume(name, str(data.get("resource", "")))
    return Redirect("/systems", status_code=303)


ROUTES = [systems, pause, resume]
