"""The far systems: how each answers, how fresh what is known of it is, its resources and fields; pausing one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from litestar import get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Response

from isthmus.app.bootstrap import clock
from isthmus.app.pausing import Pausing, system_views
from isthmus.app.schema_view import SchemaField, schema_view
from isthmus.console.front import Form
from isthmus.console.guard import principal_of
from isthmus.console.pages import Call, render, site_of

__all__ = ["ROUTES"]

MOST_FIELDS = 250
SHOW: Mapping[str, Callable[[SchemaField], bool]] = {
    "": lambda field: True,
    "kept": lambda field: bool(field.kept),
    "free": lambda field: not field.kept,
    "changed": lambda field: bool(field.what),
}
"""Which fields may be asked for."""


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


@get("/systems/{name:str}/schema")
async def schema(name: FromPath[str], request: Call) -> Response[str]:
    """Its resources, and the fields of one: ``?show=`` those kept, free or changed, ``?q=`` by a part of the name."""
    site = site_of(request)
    if name not in site.project.systems:
        raise NotFoundException
    chosen, show, text = (str(request.query_params.get(one, ""))[:200] for one in ("resource", "show", "q"))
    view = await schema_view(site.reads, site.world, site.samples, name, chosen)
    fields = [field for field in view.fields if text.strip().lower() in f"{field.name} {field.label}".lower()]
    counts = {one: sum(matches(field) for field in fields) for one, matches in SHOW.items()}
    shown = [field for field in fields if SHOW.get(show, SHOW[""])(field)]
    return render(
        request, "schema.html", system=name, kind=site.project.systems[name].kind, view=view, counts=counts, show=show,
        looked_for=text, fields=shown[:MOST_FIELDS], more=max(0, len(shown) - MOST_FIELDS), now=clock(),
    )  # fmt: skip


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


ROUTES = [systems, schema, pause, resume]
