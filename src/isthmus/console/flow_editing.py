"""Writing a flow: its text with what is wrong beside it as one types, and what it would do to a real record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Response

from isthmus.app.bootstrap import clock
from isthmus.app.flow_check import FlowCheck, compare_rows, diff_lines
from isthmus.app.flow_desk import EditView, FlowDesk
from isthmus.app.flow_preview import RecordPreview, is_shown, preview_record
from isthmus.app.record_view import title_of
from isthmus.console.front import Form
from isthmus.console.guard import principal_of
from isthmus.console.pages import Call, render, site_of
from isthmus.errors import Conflict, NeedsPerson
from isthmus.sync.world import World

__all__ = ["ROUTES", "desk_of"]

FOUND = 8
SEARCHED = 50
LOOKED_AT = 300
"""Records that changed last, among which those of the flow's kind are offered."""


def desk_of(request: Call, flow: str) -> FlowDesk:
    """The desk, for whoever asks. There is no page for a flow that there is not."""
    site = site_of(request)
    if flow not in site.project.sources:
        raise NotFoundException
    return FlowDesk(site.store, site.project, principal_of(request))


def _edits(data: Mapping[str, Any]) -> int:
    """How often the draft was saved when the form was made."""
    given = str(data.get("edits", ""))
    return int(given) if given.isdecimal() and len(given) < 10 else 0


def _page(
    request: Call, view: EditView, *, text: str | None = None, note: str = "", problem: NeedsPerson | None = None
) -> Response[str]:
    status = 200 if problem is None else 409 if isinstance(problem, Conflict) else 422
    return render(
        request,
        "flow_edit.html",
        status=status,
        view=view,
        flow=site_of(request).world.flows[view.flow],
        text=view.text if text is None else text,
        note=note,
        problem=problem,
        now=clock(),
    )


@get("/flows/{name:str}/edit")
async def edit(name: FromPath[str], request: Call) -> Response[Any]:
    """The text as this person left it, or as it is in force."""
    return _page(request, await desk_of(request, name).open(name))


@post("/flows/{name:str}/edit/check", status_code=200)
async def check(name: FromPath[str], request: Call, data: Form) -> Response[Any]:
    """Keep what was typed; what is wrong with it, and what it does, as a part of the page."""
    desk, text = desk_of(request, name), str(data.get("text", ""))
    problem: NeedsPerson | None = None
    try:
        view = await desk.save(name, text, _edits(data))
    except NeedsPerson as error:
        problem, view = error, await desk.open(name)
    found = await desk.check(name, text) if problem is None or isinstance(problem, Conflict) else FlowCheck()
    site = site_of(request)
    new = found.project.flows[name] if found.project is not None else None
    systems, rows = compare_rows(site.world.flows[name], new or site.world.flows[name])
    record = str(data.get("record", ""))[:100]
    preview, why = await _preview(request, name, record, found, anew=bool(data.get("anew")))
    return render(
        request,
        "flow_checked.html",
        view=view,
        problem=problem,
        # Who could not save goes on with what this window knows, so that it is told again and overwrites nothing.
        edits=view.edits if problem is None else _edits(data),
        found=found,
        new=new,
        diff=diff_lines(view.present, text),
        systems=systems,
        rows=rows,
        record=record,
        preview=preview,
        why=why,
        now=clock(),
    )


async def _preview(
    request: Call, flow: str, record: str, found: FlowCheck, *, anew: bool
) -> tuple[RecordPreview | None, NeedsPerson | None]:
    """What the text does to the picked record, or why that cannot be said."""
    site = site_of(request)
    if not record or found.project is None or site.samples is None:
        return None, None
    project = found.project
    world = World(project.flows, project.converters, project.entities)
    for place in ((system, resource) for system in world.systems() for resource in world.resources(system)):
        world.lose(*place, site.world.gone(*place))
    try:
        sample = await site.samples.take(flow, record, clock(), anew=anew)
        return await preview_record(site.store, principal_of(request), site.world, world, sample, clock()), None
    except NeedsPerson as error:
        return None, error


@get("/flows/{name:str}/edit/records")
async def records(name: FromPath[str], request: Call) -> Response[Any]:
    """Records to look at: found ones, or those that changed last."""
    desk_of(request, name)
    site = site_of(request)
    entity, text = site.world.flows[name].entity.name, request.query_params.get("q", "").strip()[:200]
    found = await site.reads.search(text, SEARCHED, entity) if text else await site.reads.latest_items(LOOKED_AT)
    found = [item for item in found if item.entity == entity and item.deleted_at is None]
    # Several flows may keep this kind of thing, each its own ones.
    kept = {link.item for link in await site.reads.links_of_items([item.id for item in found]) if is_shown(link, name)}
    shown = [item for item in found if item.id in kept][:FOUND]
    return render(
        request, "flow_found.html", name=name, looked_for=text, found=[(item.id, title_of(item)) for item in shown]
    )


@post("/flows/{name:str}/edit/take-in", status_code=303)
async def take_in(name: FromPath[str], request: Call) -> Redirect:
    """The draft is a change of what the file holds now."""
    await desk_of(request, name).take_in(name)
    return Redirect(f"/flows/{name}/edit", status_code=303)


@post("/flows/{name:str}/edit/discard", status_code=303)
async def discard(name: FromPath[str], request: Call) -> Redirect:
    """Throw the draft away."""
    await desk_of(request, name).discard(name)
    return Redirect(f"/flows/{name}", status_code=303)


@post("/flows/{name:str}/edit/propose", status_code=303)
async def propose(name: FromPath[str], request: Call, data: Form) -> Response[Any]:
    """Let it wait for its review; when it cannot, the form comes back with all that was typed."""
    desk, text, note = desk_of(request, name), str(data.get("text", "")), str(data.get("note", ""))
    try:
        view = await desk.save(name, text, _edits(data))
        change = await desk.propose(name, note, view.edits)
    except NeedsPerson as problem:
        return _page(request, await desk.open(name), text=text, note=note, problem=problem)
    return Redirect(f"/flows/{name}/changes/{change.id}", status_code=303)


ROUTES = [edit, check, records, take_in, discard, propose]
