"""Where people decide: questions by kind and cause, one question, many at once."""

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
from isthmus.app.inbox_desk import InboxDesk
from isthmus.console.front import Form, back
from isthmus.console.guard import principal_of
from isthmus.console.pages import Call, render, site_of
from isthmus.errors import NeedsPerson
from isthmus.model.state import InboxKind

__all__ = ["ROUTES"]

SHOWN = 50
BULK = {"failure": ("retry", "unlink"), "match": ("link", "separate", "ignore"), "conflict": ("hub", "far")}
"""What may be decided for many at once, by kind."""
CORRECT = "correct"
"""Give a field of many records the same value, and try them again."""
SNOOZES = {"4": 4.0, "24": 24.0, "168": 168.0}
FIELD = "field."
SIDE = "side."


def _desk(request: Call) -> InboxDesk:
    site = site_of(request)
    return InboxDesk(site.store, site.world, principal_of(request))


def _filters(values: Any) -> dict[str, str | None]:
    kind = str(values.get("kind") or "")
    return {
        "kind": kind if kind in set(InboxKind) else None,
        "flow": str(values.get("flow") or "")[:200] or None,
        "cause": str(values.get("cause"))[:300] if values.get("cause") else None,
    }


async def _page(
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
    desk, site, now, me = _desk(request), site_of(request), clock(), principal_of(request)
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
    )


@get("/inbox")
async def inbox(request: Call) -> Response[str]:
    """Open questions, the oldest first; many of one cause stand together."""
    view = request.query_params.get("view", "")
    page = request.query_params.get("page", "")
    return await _page(
        request,
        _filters(request.query_params),
        view if view in ("mine", "snoozed", "decided") else "",
        int(page) if page.isdecimal() and len(page) < 5 else 0,
    )


async def _question(request: Call, id: str, status: int = 200, problem: Any = None) -> Response[str]:
    desk, me = _desk(request), principal_of(request)
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
    await _desk(request).decide(entry, choice, fields=fields, item=item)
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
    await _desk(request).decide(entry, str(data.get("choice", "")))
    if "place" in data:
        return Redirect(back(request, data), status_code=303)
    return await _done(request, entry)


@post("/inbox/{entry:str}/comment", status_code=303)
async def comment(entry: FromPath[str], request: Call, data: Form) -> Redirect:
    """Say something about it."""
    await _desk(request).comment(entry, str(data.get("text", "")))
    return Redirect(f"/inbox/{entry}", status_code=303)


@post("/inbox/{entry:str}/care", status_code=303)
async def care(entry: FromPath[str], request: Call, data: Form) -> Redirect:
    """Give it to somebody, or put it off."""
    desk = _desk(request)
    if "assignee" in data:
        login = str(data["assignee"])
        if login and await site_of(request).access.people.person(login) is None:
            raise NeedsPerson(f"Nobody has the login {login}.")
        await desk.assign(entry, login or None)
    if "hours" in data:
        await desk.snooze(entry, SNOOZES.get(str(data["hours"])))
    return Redirect(f"/inbox/{entry}", status_code=303)


@post("/inbox/bulk", status_code=200)
async def bulk(request: Call, data: Form) -> Response[str]:
    """The same decision for those that are ticked, or for all of a cause."""
    chosen, choice = _filters(data), str(data.get("choice", ""))
    kind = chosen["kind"] or ""
    if choice not in BULK.get(kind, ()) and (kind, choice) != ("failure", CORRECT):
        raise NeedsPerson("This cannot be decided for many at once.")
    desk = _desk(request)
    if "all" in data:
        entries = await desk.alike(kind=kind, flow=chosen["flow"], cause=chosen["cause"])
        ids = [entry.id for entry in entries]
    else:
        ids = [str(one) for one in (await request.form()).getall("entry", [])]
        entries = [e for e in [await site_of(request).reads.entry(id) for id in ids[:SHOWN]] if e is not None]
    if choice == CORRECT:
        if not entries:
            problem = NeedsPerson("Nothing is chosen.", advice="Tick the records, or take all of this cause.")
            return await _page(request, chosen, "", 0, typed=data, problem=problem)
        try:
            field, text, empty = str(data.get("field", "")), str(data.get("value", "")), bool(data.get("empty"))
            told = await desk.correct_many(entries, field, text, empty=empty)
        except NeedsPerson as problem:
            return await _page(request, chosen, "", 0, typed=data, problem=problem, ticked=ids)
        return await _page(request, chosen, "", 0, told)
    told = await (desk.retry_many(entries) if choice == "retry" else desk.decide_many(ids, choice))
    return await _page(request, chosen, "", 0, told)


ROUTES = [inbox, question, decide, approve, comment, care, bulk]
