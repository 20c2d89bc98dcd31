"""Proposed changes of flows: what they change, what they would do, and whether they come into force."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Response

from isthmus.app.bootstrap import clock
from isthmus.app.flow_check import compare_rows, diff_lines
from isthmus.app.flow_desk import FlowDesk
from isthmus.app.plan_view import plan_view
from isthmus.console.flow_editing import desk_of
from isthmus.console.front import Form
from isthmus.console.guard import principal_of
from isthmus.console.jobs import desk_of as jobs_of
from isthmus.console.pages import Call, render, site_of
from isthmus.errors import Conflict, NeedsPerson
from isthmus.store import FlowChange
from isthmus.sync.world import World

__all__ = ["ROUTES"]


async def _page(
    request: Call, name: str, id: str, *, answer: str = "", problem: NeedsPerson | None = None
) -> Response[Any]:
    site = site_of(request)
    review = await desk_of(request, name).review(id)
    if review is None or review.change.flow != name:
        raise NotFoundException
    under_way, done = await jobs_of(request).latest_preview(name, id)
    new = review.check.project
    world = World(new.flows, new.converters, new.entities) if new is not None and name in new.flows else site.world
    systems, rows = compare_rows(site.world.flows[name], world.flows[name])
    return render(
        request,
        "flow_change.html",
        status=200 if problem is None else 409 if isinstance(problem, Conflict) else 422,
        flow=world.flows[name],
        review=review,
        change=review.change,
        diff=diff_lines(review.change.base, review.change.content),
        systems=systems,
        rows=[row for row in rows if row.changed],
        under_way=under_way,
        done=done,
        at_work=await jobs_of(request).at_work(),
        view=await plan_view(site.reads, world, principal_of(request), name, done),
        answer=answer,
        problem=problem,
        now=clock(),
    )


@get("/flows/{name:str}/changes/{id:str}")
async def change(name: FromPath[str], id: FromPath[str], request: Call) -> Response[Any]:
    """One change."""
    return await _page(request, name, id)


@post("/flows/{name:str}/changes/{id:str}/plan", status_code=303)
async def start_preview(name: FromPath[str], id: FromPath[str], request: Call) -> Response[Any]:
    """Have a dry run of it made."""
    if await desk_of(request, name).review(id) is None:
        raise NotFoundException
    await jobs_of(request).preview(name, id)
    return Redirect(f"/flows/{name}/changes/{id}", status_code=303)


async def _decide(
    request: Call, name: str, id: str, answer: str, act: Callable[[FlowDesk], Awaitable[FlowChange]]
) -> Response[Any]:
    desk = desk_of(request, name)
    if await desk.review(id) is None:
        raise NotFoundException
    try:
        await act(desk)
    except NeedsPerson as problem:
        return await _page(request, name, id, answer=answer, problem=problem)
    return Redirect(f"/flows/{name}/changes/{id}", status_code=303)


@post("/flows/{name:str}/changes/{id:str}/approve", status_code=303)
async def approve(name: FromPath[str], id: FromPath[str], request: Call, data: Form) -> Response[Any]:
    """Let it come into force; without a dry run only when that is said."""
    answer = str(data.get("answer", ""))
    _, done = await jobs_of(request).latest_preview(name, id)
    if (done is None or done.problem) and not data.get("unseen") and name in site_of(request).project.sources:
        problem = NeedsPerson("There is no dry run of it.", advice="Make one, or say that it may do without.")
        return await _page(request, name, id, answer=answer, problem=problem)
    return await _decide(request, name, id, answer, lambda desk: desk.approve(id, answer))


@post("/flows/{name:str}/changes/{id:str}/refuse", status_code=303)
async def refuse(name: FromPath[str], id: FromPath[str], request: Call, data: Form) -> Response[Any]:
    """Do not let it come into force."""
    answer = str(data.get("answer", ""))
    return await _decide(request, name, id, answer, lambda desk: desk.refuse(id, answer))


@post("/flows/{name:str}/changes/{id:str}/withdraw", status_code=303)
async def withdraw(name: FromPath[str], id: FromPath[str], request: Call) -> Response[Any]:
    """Take one's own back."""
    return await _decide(request, name, id, "", lambda desk: desk.withdraw(id))


@post("/flows/{name:str}/versions/{number:int}", status_code=303)
async def go_back(name: FromPath[str], number: FromPath[int], request: Call) -> Redirect:
    """Propose to go back to an earlier version."""
    found = await desk_of(request, name).propose_version(name, number)
    return Redirect(f"/flows/{name}/changes/{found.id}", status_code=303)


ROUTES = [change, start_preview, approve, refuse, withdraw, go_back]
