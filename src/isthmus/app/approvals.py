"""Approvals as people use them: what waits for whom, answering it, deputies. Not the brake's approvals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from isthmus.app.bootstrap import clock, new_id, open_store
from isthmus.desk.approval_state import ApprovalAnswer, ApprovalRequest, Choice, Delegation, RequestState
from isthmus.desk.approvals import ENTITY, Ask, decide, request_approval
from isthmus.desk.costing import without_margin
from isthmus.desk.notices import Notice
from isthmus.errors import Misconfigured, NeedsPerson
from isthmus.store import ApprovalReads, NoticeOutbox, PostgresStore

__all__ = [
    "ApprovalView",
    "ask_approval",
    "decide_approval",
    "delegate",
    "end_delegation",
    "list_approvals",
    "list_delegations",
    "show_approval",
]


class ApprovalView(msgspec.Struct, frozen=True, kw_only=True):
    """One request with all that is known of it."""

    request: ApprovalRequest
    answers: Sequence[ApprovalAnswer]
    notices: Sequence[Notice]
    """Mails about it, bounced ones among them."""


async def decide_approval(
    store: PostgresStore,
    request: str,
    *,
    by: str,
    choice: Choice,
    via: str,
    comment: str = "",
    on_behalf_of: str = "",
    asked_at: tuple[int, bool] | None = None,
    now: datetime,
) -> ApprovalRequest:
    """Take one answer in, wherever it comes from (``via``: cli, mail, console, api). See
    :func:`isthmus.desk.approvals.decide`, which says what it raises."""
    async with store.transaction() as tx:
        found = await decide(
            tx,
            request,
            by=by,
            choice=choice,
            via=via,
            comment=comment,
            on_behalf_of=on_behalf_of,
            asked_at=asked_at,
            now=now,
        )
    return without_margin(found)


async def ask_approval(folder: Path, ask: Ask) -> ApprovalRequest:
    """Request an approval by the project's rules; the same id again gives the first request."""
    async with open_store(folder) as (project, store):
        if project.approvals is None:
            raise Misconfigured("The project has no approvals.yaml.", advice="It says who approves what.")
        async with store.transaction() as tx:
            return await request_approval(tx, project.approvals, ask, now=clock())


async def list_approvals(folder: Path, state: RequestState | None, limit: int) -> list[ApprovalRequest]:
    """Requests in this state (None: any), oldest first, without their margins."""
    async with open_store(folder) as (_, store):
        return [without_margin(one) for one in await ApprovalReads(store).requests(state, limit)]


async def show_approval(folder: Path, id: str, *, margin: bool = False) -> ApprovalView:
    """One request, with its margin for whoever may see it. Raises :class:`NeedsPerson` when there is no such one."""
    async with open_store(folder) as (_, store):
        return await view_of(store, id, margin=margin)


async def view_of(store: PostgresStore, id: str, *, margin: bool = False) -> ApprovalView:
    """One request; see :func:`show_approval`."""
    reads = ApprovalReads(store)
    request = await reads.request(id)
    if request is None:
        raise NeedsPerson(f"There is no approval request {id}.", advice="See: isthmus approve list")
    return ApprovalView(
        request=request if margin else without_margin(request),
        answers=await reads.answers(id),
        notices=await NoticeOutbox(store).about(ENTITY, id),
    )


async def delegate(
    folder: Path, *, person: str, deputy: str, from_at: datetime, until_at: datetime, by: str
) -> Delegation:
    """Let a deputy answer for a person from one moment until another."""
    made = Delegation(
        id=new_id(),
        person=person.strip().lower(),
        deputy=deputy.strip().lower(),
        from_at=from_at,
        until_at=until_at,
        made_by=by,
        made_at=clock(),
    )
    for login in (made.person, made.deputy):
        if "@" not in login:
            raise NeedsPerson(f"'{login}' is no login.", advice="Logins are mail addresses.")
    if made.person == made.deputy:
        raise NeedsPerson(f"{made.person} needs no deputy to be one's own.")
    if until_at <= max(from_at, clock()):
        raise NeedsPerson("The delegation would end before it begins, or is over already.")
    async with open_store(folder) as (_, store), store.transaction() as tx:
        await tx.approvals.add_delegation(made)
    return made


async def list_delegations(folder: Path, *, all: bool) -> list[Delegation]:  # noqa: A002 - the plain word
    """Delegations that are valid or still to come; all of them."""
    async with open_store(folder) as (_, store):
        return await ApprovalReads(store).delegations(clock(), all=all)


async def end_delegation(folder: Path, id: str) -> None:
    """End a delegation before its time. Raises :class:`NeedsPerson` when there is none that is still to end."""
    async with open_store(folder) as (_, store), store.transaction() as tx:
        if not await tx.approvals.end_delegation(id, clock()):
            raise NeedsPerson(
                f"There is no delegation {id} that is still to end.", advice="See: isthmus delegation list"
            )
