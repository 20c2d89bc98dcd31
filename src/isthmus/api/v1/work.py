"""What people and processes work at: approvals, processes, the inbox."""

from __future__ import annotations

from typing import Annotated

from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from isthmus.api.v1.door import caller
from isthmus.api.v1.orders import KEY
from isthmus.api.v1.paging import Cursor, Limit, after_time, cursor_of
from isthmus.api.v1.problems import Failed
from isthmus.api.v1.site import ApiSite, Call
from isthmus.api.v1.views import (
    ApprovalAnswerAsked,
    ApprovalPage,
    ApprovalShown,
    DecisionAsked,
    InboxPage,
    Me,
    ProcessPage,
    ProcessShown,
    QuestionShown,
    shown,
)
from isthmus.app.access import ROLES, Permission
from isthmus.app.approvals import decide_approval
from isthmus.app.bootstrap import clock
from isthmus.app.inbox_desk import InboxDesk
from isthmus.app.stopping import stop
from isthmus.desk.approval_state import ApprovalRequest, RequestState, deciders
from isthmus.model.state import InboxKind
from isthmus.process import Process, ProcessState, retry

__all__ = ["ROUTES"]


@get("/me", operation_id="me", summary="Whom the token acts for, and what it may")
async def me(request: Call) -> Me:
    """Scopes that the person's roles do not grant count for nothing."""
    who = caller(request)
    return Me(
        login=who.login,
        name=who.name,
        roles=sorted(who.roles),
        scopes=sorted([one for one in Permission if who.may(one)])
        + sorted(role for role in who.roles if role not in ROLES and who.sees(role)),
    )


def _approval(found: ApprovalRequest) -> ApprovalShown:
    seats = {member for seat in deciders(found) for member in seat.members}
    return shown(ApprovalShown, found, amount=found.amount, deciders=sorted(seats))


@get("/approvals", operation_id="listApprovals", summary="Approval requests")
async def approvals(
    request: Call,
    state_: Annotated[RequestState, QueryParameter(name="state", required=False)] = RequestState.OPEN,
    mine: Annotated[bool, QueryParameter(description="Only those that wait for the token's person.")] = False,
    limit: Limit = 50,
) -> ApprovalPage:
    """The oldest first. ``mine`` counts people for whom one is a deputy now."""
    site, who = request.app.state.api, caller(request)
    found = await site.approvals.requests(state_, 200 if mine else limit)
    if mine:
        delegations = await site.approvals.delegations(clock(), all=False)
        rights = {who.login} | {one.person for one in delegations if one.deputy == who.login and one.from_at <= clock()}
        found = [one for one in found if rights & {m for seat in deciders(one) for m in seat.members}]
    return ApprovalPage(items=[_approval(one) for one in found[:limit]])


async def _request(site: ApiSite, id: str) -> ApprovalRequest:
    found: ApprovalRequest | None = await site.approvals.request(id)
    if found is None:
        raise Failed(404, "not-found", f"There is no approval request {id[:200]}.")
    return found


@get("/approvals/{id:str}", operation_id="getApproval", summary="One approval request")
async def approval(id: FromPath[str], request: Call) -> ApprovalShown:
    """With who may answer now."""
    return _approval(await _request(request.app.state.api, id))


@post("/approvals/{id:str}/answer", operation_id="answerApproval", summary="Approve or refuse", status_code=200)
async def answer(
    id: FromPath[str], request: Call, data: JSONBody[ApprovalAnswerAsked], idempotency_key: KEY = None
) -> ApprovalShown:
    """By whoever the token acts for; who may answer is decided by the request's rule."""
    site, who = request.app.state.api, caller(request)
    await _request(site, id)
    await site.access.note(who.login, "approval answered", id, {"choice": data.choice, "via": "api"})
    done = await decide_approval(
        site.store,
        id,
        by=who.login,
        choice=data.choice,
        via="api",
        comment=data.comment.replace("\x00", ""),
        on_behalf_of=data.on_behalf_of,
        now=clock(),
    )
    return _approval(done)


def _process(found: Process) -> ProcessShown:
    return shown(ProcessShown, found, problem=found.problem.message if found.problem is not None else None)


@get("/processes", operation_id="listProcesses", summary="Processes")
async def processes(
    request: Call,
    state_: Annotated[ProcessState | None, QueryParameter(name="state", required=False)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ProcessPage:
    """The newest first."""
    site: ApiSite = request.app.state.api
    before, id = after_time(cursor)
    states = [str(state_)] if state_ is not None else []
    found = await site.pages.processes(states, limit=limit + 1, before=before, id=id)
    last = found[limit - 1] if len(found) > limit else None
    return ProcessPage(
        items=[_process(one) for one in found[:limit]],
        next=cursor_of(last.started_at.isoformat(), last.id) if last is not None else None,
    )


async def _one_process(site: ApiSite, id: str) -> Process:
    found = await site.reads.process(id)
    if found is None:
        raise Failed(404, "not-found", f"There is no process {id[:200]}.")
    return found[0]


@get("/processes/{id:str}", operation_id="getProcess", summary="One process")
async def process(id: FromPath[str], request: Call) -> ProcessShown:
    """Where it stands."""
    return _process(await _one_process(request.app.state.api, id))


@post("/processes/{id:str}/retry", operation_id="retryProcess", summary="Go on where it failed", status_code=200)
async def retry_process(id: FromPath[str], request: Call, idempotency_key: KEY = None) -> ProcessShown:
    """Only for one that failed."""
    site, who = request.app.state.api, caller(request)
    await _one_process(site, id)
    await site.access.note(who.login, "process retried", id, {"via": "api"})
    async with site.store.transaction() as tx:
        await retry(tx, id, now=clock())
    return _process(await _one_process(site, id))


@post("/processes/{id:str}/cancel", operation_id="cancelProcess", summary="Stop it for good", status_code=200)
async def cancel_process(id: FromPath[str], request: Call, idempotency_key: KEY = None) -> ProcessShown:
    """What it has done stays done."""
    site, who = request.app.state.api, caller(request)
    await _one_process(site, id)
    await site.access.note(who.login, "process cancelled", id, {"via": "api"})
    async with site.store.transaction() as tx:
        await stop(tx, site.world, id, by=who.login, now=clock())
    return _process(await _one_process(site, id))


@get("/inbox", operation_id="listInbox", summary="Open questions")
async def inbox(
    request: Call,
    kind: FromQuery[InboxKind | None] = None,
    flow: Annotated[str | None, QueryParameter(max_length=200)] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> InboxPage:
    """The oldest first."""
    site: ApiSite = request.app.state.api
    after, id = after_time(cursor)
    wanted = flow or None
    found = await site.pages.inbox(kind=kind and str(kind), flow=wanted, limit=limit + 1, after=after, id=id)
    last = found[limit - 1] if len(found) > limit else None
    return InboxPage(
        items=[shown(QuestionShown, one) for one in found[:limit]],
        next=cursor_of(last.opened_at.isoformat(), last.id) if last is not None else None,
    )


@get("/inbox/{id:str}", operation_id="getQuestion", summary="One question, open or decided")
async def question(id: FromPath[str], request: Call) -> QuestionShown:
    """With its choices."""
    found = await request.app.state.api.reads.entry(id)
    if found is None:
        raise Failed(404, "not-found", f"There is no question {id[:200]}.")
    return shown(QuestionShown, found)


@post("/inbox/{id:str}/decision", operation_id="decideQuestion", summary="Decide a question", status_code=200)
async def decide(
    id: FromPath[str], request: Call, data: JSONBody[DecisionAsked], idempotency_key: KEY = None
) -> QuestionShown:
    """One of its choices. Mass changes are approved in the console."""
    site, who = request.app.state.api, caller(request)
    found = await site.reads.entry(id)
    if found is None:
        raise Failed(404, "not-found", f"There is no question {id[:200]}.")
    if found.kind is InboxKind.BRAKE:
        raise Failed(422, "refused", "A mass change is approved, not decided.", advice="Approve it in the console.")
    desk = InboxDesk(site.store, site.world, who)
    return shown(QuestionShown, await desk.decide(id, data.choice, fields=data.fields, item=data.item))


ROUTES = [
    me,
    approvals,
    approval,
    answer,
    processes,
    process,
    retry_process,
    cancel_process,
    inbox,
    question,
    decide,
]
