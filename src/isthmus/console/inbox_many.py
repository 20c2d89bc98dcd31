"""Deciding many questions: a few while the page waits, more by a job, whose page says how far it is and what it did not
do."""

from __future__ import annotations

from typing import Any

from litestar import get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Response

from isthmus.app.bootstrap import clock
from isthmus.app.inbox_many import AT_ONCE, Task
from isthmus.console.front import Form
from isthmus.console.inbox import BULK, SHOWN, desk_for, filters_of, show_inbox
from isthmus.console.jobs import desk_of
from isthmus.console.pages import Call, render
from isthmus.errors import NeedsPerson
from isthmus.model.state import InboxKind

__all__ = ["ROUTES"]

CORRECT = "correct"
"""Give a field of many records the same value, and try them again."""


@post("/inbox/bulk", status_code=200)
async def bulk(request: Call, data: Form) -> Response[Any]:
    """The same decision for those that are ticked, or for all of a cause."""
    chosen, choice = filters_of(data), str(data.get("choice", ""))
    kind = chosen["kind"] or ""
    if choice not in BULK.get(kind, ()) and (kind, choice) != ("failure", CORRECT):
        raise NeedsPerson("This cannot be decided for many at once.")
    desk, ticked = desk_for(request), list[str]()
    if "all" in data:
        found = await desk.alike(kind=kind, flow=chosen["flow"], cause=chosen["cause"])
    else:
        ticked = [str(one) for one in (await request.form()).getall("entry", [])][:SHOWN]
        found = await desk.flows_of(ticked)
    ids = ticked or list(found)
    correct, empty = choice == CORRECT, bool(data.get("empty"))
    task = Task(
        kind=InboxKind(kind),
        choice="retry" if correct else choice,
        flow=chosen["flow"] or "",
        cause=(chosen["cause"] or "") if "all" in data else "",
        field=str(data.get("field", "")) if correct else "",
        text=str(data.get("value", "")) if correct else "",
    )
    try:
        if not ids or (correct and not task.field):
            raise NeedsPerson("Nothing is chosen.", advice="Tick the records, or take all of this cause.")
        desk.check(task, set(found.values()), empty=empty)
        if len(ids) > AT_ONCE:
            job = await desk.ask(task, ids)
            return Redirect(f"/inbox/bulk/{job.id}", status_code=303)
    except NeedsPerson as problem:
        return await show_inbox(request, chosen, "", 0, typed=data, problem=problem, ticked=ticked)
    return await show_inbox(request, chosen, "", 0, await desk.carry_out(task, ids))


@get("/inbox/bulk/{job:str}")
async def work(job: FromPath[str], request: Call) -> Response[str]:
    """How far it is, and what it did not do, with the reasons."""
    found = await desk_for(request).one_job(job)
    if found is None:
        raise NotFoundException
    return render(request, "inbox_work.html", work=found, at_work=await desk_of(request).at_work(), now=clock())


@post("/inbox/bulk/{job:str}/again", status_code=303)
async def again(job: FromPath[str], request: Call, data: Form) -> Redirect:
    """Try again what it was refused, and go on with what it did not come to."""
    made = await desk_for(request).again(job)
    return Redirect(f"/inbox/bulk/{made.id}", status_code=303)


ROUTES = [bulk, work, again]
