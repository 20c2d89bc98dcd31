"""Approvals: what waits for whom, one request, and the answer."""

from __future__ import annotations

from typing import Any

from litestar import get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Response

from isthmus.app.approval_desk import ApprovalDesk
from isthmus.app.bootstrap import clock
from isthmus.console.front import Form
from isthmus.console.guard import principal_of
from isthmus.console.pages import Call, render, site_of
from isthmus.errors import NeedsPerson
from isthmus.pages import in_address

__all__ = ["ROUTES"]


def _desk(request: Call) -> ApprovalDesk:
    return ApprovalDesk(site_of(request).store, principal_of(request))


@get("/approvals")
async def approvals(request: Call) -> Response[str]:
    """Those that wait for the reader first, then all that are open; or those that are decided."""
    desk, decided = _desk(request), request.query_params.get("view") == "decided"
    rows = await (desk.decided() if decided else desk.waiting())
    mine = [row for row in rows if row.rights]
    others = [row for row in rows if not row.rights]
    return render(request, "approvals.html", mine=mine, others=others, decided=decided, now=clock())


async def _sheet(request: Call, id: str, comment: str = "", problem: NeedsPerson | None = None) -> Response[str]:
    sheet = await _desk(request).sheet(id)
    if sheet is None:
        raise NotFoundException
    login = principal_of(request).login
    here = (sheet.request.stage, sheet.request.escalated)
    answered = any(one.by == login and (one.stage, one.escalated) == here for one in sheet.answers)
    return render(
        request,
        "approval.html",
        status=200 if problem is None else 422,
        sheet=sheet,
        one=sheet.request,
        answered=answered,
        comment=comment,
        problem=problem,
        now=clock(),
    )


@get("/approvals/{id:str}")
async def approval(id: FromPath[str], request: Call) -> Response[str]:
    """One request with its facts, stages and answers."""
    return await _sheet(request, id)


@post("/approvals/{id:str}", status_code=303)
async def answer(id: FromPath[str], request: Call, data: Form) -> Response[Any]:
    """Approve or refuse."""
    comment, stage = str(data.get("comment", "")), str(data.get("stage", ""))
    asked_at = (int(stage), data.get("escalated") == "1") if stage.isdecimal() and len(stage) < 4 else None
    try:
        await _desk(request).answer(
            id,
            str(data.get("choice", "")),
            comment=comment,
            on_behalf_of=str(data.get("on_behalf_of", "")),
            asked_at=asked_at,
        )
    except NeedsPerson as problem:
        return await _sheet(request, id, comment, problem)
    return Redirect(f"/approvals/{in_address(id)}", status_code=303)


ROUTES = [approvals, approval, answer]
