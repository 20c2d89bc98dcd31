"""Where people decide: questions by kind and cause, and one question. Many at once: :mod:`.inbox_many`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlencode

from litestar import get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Response

from isthmus.app.access import Permission
from isthmus.app.bootstrap import clock
from isthmus.app.inbox_many import AT_ONCE, MANY, ManyDesk
from isthmus.console.front import Form, back
from isthmus.console.guard import principal_of
from isthmus.console.jobs import desk_of as job_desk_of
from isthmus.console.pages import Call, render, site_of
from isthmus.errors import NeedsPerson
from isthmus.model.state import InboxKind

__all__ = ["BULK", "ROUTES", "SHOWN", "desk_for", "filters_of", "show_inbox"]

SHOWN = 50
BULK = {"failure": ("retry", "unlink"), "match": ("link", "separate", "ignore"), "conflict": ("hub", "far")}
"""What may be decided for many at once, by kind."""
LAST_JOBS = 10
SNOOZES = {"4": 4.0, "24": 24.0, "168": 168.0}
FIELD = "field."
SIDE = "side."


def desk_for(request: Call) -> ManyDesk:
    """The desk, for whoever asks."""
    site = site_of(request)
    return ManyDesk(site.store, site.world, principal_of(request))


def filters_of(values: Any) -> dict[str, str | None]:
    """Which questions an address or a form is about."""
    kind = str(values.get("kind") or "")
    return {
        "kind": kind if kind in set(InboxKind) else None,
        "flow": str(values.get("flow") or "")[:200] or None,
        "cause": str(values.get("cause"))[:300] if values.get("cause") else None,
    }


async def show_inbox(
    request: Call,
    chosen: dict[str, str | None],
    view: str,
    page: int,
    told: Any = None,
    *,
    typed: Mapping[str, Any] | None = None,
    problem: NeedsPerson | None = None,
    ticked: Collection[str] = (),
) -> Response[str]:
    """The inbox. ``told``: what deciding some came to; ``problem``: why not, with what was ``typed`` and ``ticked``."""
    desk, site, now, me = desk_for(request), site_of(request), clock(), principal_of(request)
    if view == "decided":
        entries = await desk.work.decided(SHOWN)
        groups, more = [], False
    else:
        mine = me.login if view == "mine" else None
        found = await desk.work.entries(
            now, **chosen, assignee=mine, snoozed=view == "snoozed", limit=SHOWN + 1, offset=page * SHOWN
        )
        entries, more = found[:SHOWN], len(found) > SHOWN
        grouped = view == "" and chosen["cause"] is None and page == 0
        groups = await desk.work.groups(now, kind=chosen["kind"], flow=chosen["flow"]) if grouped else []
        groups = [group for group in groups if group.entries > 1 and group.cause]
    works = await desk.jobs(LAST_JOBS) if view in ("", "decided") else []
    counts = await site.reads.inbox_counts()
    kinds = {kind: sum(count.entries for count in counts if count.kind == kind) for kind in InboxKind}
    return render(
        request,
        "inbox.html",
        status=200 if problem is None else 422,
        entries=[desk.shown(entry) for entry in entries],
        groups=groups[:20],
        correctable=desk.correctable(chosen["flow"]) if chosen["kind"] == "failure" else [],
        typed=typed or {},
        problem=problem,
        ticked=ticked,
        kinds=kinds,
        total=sum(kinds.values()),
        chosen=chosen,
        view=view,
        page=page,
        query=urlencode({name: value for name, value in {**chosen, "view": view}.items() if value}),
        more=more,
        care=await desk.work.care([entry.id for entry in entries]),
        headlines=await desk.headlines(entries),
        bulk=BULK.get(chosen["kind"] or "", ()),
        now=now,
        told=told,
        at_once=AT_ONCE,
        many=MANY,
        works=works,
        jobs=[work.job for work in works if work.job.done_at is None],
        at_work=await job_desk_of(request).at_work(),
    )


@get("/inbox")
async def inbox(request: Call) -> Response[str]:
    """Open questions, the oldest first; many of one cause stand together."""
    view = request.query_params.get("view", "")
    page = request.query_params.get("page", "")
    return await show_inbox(
        request,
        filters_of(request.query_params),
        view if view in ("mine", "snoozed", "decided") else "",
        int(page) if page.isdecimal() and len(page) < 5 else 0,
    )


async def _question(request: Call, id: str, status: int = 200, problem: Any = None) -> Response[str]:
    desk, me = desk_for(request), principal_of(request)
    question = await desk.question(id)
    if question is None:
        raise NotFoundException
    need = Permission.APPROVE if question.entry.kind is InboxKind.BRAKE else Permission.DECIDE
    people = [one.login for one in await site_of(request).access.people.people() if one.disabled_at is None]
    return render(
        request,
        "question.html",
        status=status,
        one=question,
        headline=(await desk.headlines([question.entry]))[id],
        allowed=me.may(need) and not question.secret,
        people=people,
        problem=problem,
        now=clock(),
    )


@get("/inbox/{entry:str}")
async def question(entry: FromPath[str], request: Call) -> Response[str]:
    """One question with all that is known of it."""
    return await _question(request, entry)


@post("/inbox/{entry:str}", status_code=200)
async def decide(entry: FromPath[str], request: Call, data: Form) -> Response[Any]:
    """Carry out a person's choice."""
    found = await site_of(request).reads.entry(entry)
    if found is None:
        raise NotFoundException
    if found.kind is InboxKind.BRAKE:
        raise NeedsPerson("A mass change is approved, not decided.")
    choice, fields = str(data.get("choice", "")), {}
    if found.kind is InboxKind.CONFLICT and choice == "fields":
        sides = {name.removeprefix(SIDE): str(side) for name, side in data.items() if name.startswith(SIDE)}
        fields = {n: str(data.get(FIELD + n, "")) if side == "value" else side for n, side in sides.items()}
        choice = "value"
    elif found.kind is InboxKind.FAILURE and choice == "retry":
        fields = {name.removeprefix(FIELD): str(text) for name, text in data.items() if name.startswith(FIELD)}
    item = str(data["item"]) if data.get("item") else None
    await desk_for(request).decide(entry, choice, fields=fields, item=item)
    return await _done(request, entry)


async def _done(request: Call, entry: str) -> Response[Any]:
    """The question as it is now, in the place of the form."""
    if request.headers.get("hx-request") != "true":
        return Redirect(f"/inbox/{entry}", status_code=303)
    return await _question(request, entry)


@post("/inbox/{entry:str}/approve", status_code=200)
async def approve(entry: FromPath[str], request: Call, data: Form) -> Response[Any]:
    """Let a mass change pass, or hold it."""
    found = await site_of(request).reads.entry(entry)
    if found is None or found.kind is not InboxKind.BRAKE:
        raise NotFoundException
    await desk_for(request).decide(entry, str(data.get("choice", "")))
    if "place" in data:
        return Redirect(back(request, data), status_code=303)
    return await _done(request, entry)


@post("/inbox/{entry:str}/comment", status_code=303)
async def comment(entry: FromPath[str], request: Call, data: Form) -> Redirect:
    """Say something about it."""
    await desk_for(request).comment(entry, str(data.get("text", "")))
    return Redirect(f"/inbox/{entry}", status_code=303)


@post("/inbox/{entry:str}/care", status_code=303)
async def care(entry: FromPath[str], request: Call, data: Form) -> Redirect:
    """Give it to somebody, or put it off."""
    desk = desk_for(request)
    if "assignee" in data:
        login = str(data["assignee"])
        if login and await site_of(request).access.people.person(login) is None:
            raise NeedsPerson(f"Nobody has the login {login}.")
        await desk.assign(entry, login or None)
    if "hours" in data:
        await desk.snooze(entry, SNOOZES.get(str(data["hours"])))
    return Redirect(f"/inbox/{entry}", status_code=303)


ROUTES = [inbox, question, decide, approve, comment, care]
