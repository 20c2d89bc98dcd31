"""Approvals: requesting one, answering, what the process does with it. Everything in the caller's transaction.

Not to be confused with the brake's approvals, which allow a number of writes of a flow.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from isthmus.desk.approval_ports import ApprovalTransaction
from isthmus.desk.approval_rules import ApprovalRules, Facts, Seat, rule_for, staffed
from isthmus.desk.approval_state import (
    ApprovalAnswer,
    ApprovalRequest,
    Choice,
    RequestState,
    deadline_passed,
    deciders,
    free_seat,
    names_of,
    settled,
)
from isthmus.desk.notices import queue_notice
from isthmus.errors import AlreadyDecided, NeedsPerson, NotEntitled, TooLate
from isthmus.process import Definition, Process, ProcessState, Run, signal, start

__all__ = [
    "CUSTOMER",
    "ENTITY",
    "PROCESS",
    "Ask",
    "Weigh",
    "awaited_request",
    "decide",
    "end_request",
    "get_approval",
    "open_stage",
    "request_approval",
    "topic_of",
]

PROCESS = "approval_request"
"""Name of the process, see ``isthmus.desk.processes.approval``."""

CUSTOMER = "customer"
"""Role of requesters who are customers."""

ENTITY = "ApprovalRequest"
"""The kind of document that notices about approvals are about."""


async def _only_named(run: Run, given: Any) -> None:
    raise AssertionError("only its name is used to start it")


_DEFINITION = Definition(PROCESS, _only_named)


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be approved."""

    id: str
    """Of the request: the same id again is the same request."""
    key: str
    """Number of the document, as people call it."""
    title: str
    """The question in one line."""
    facts: Facts
    requester: str
    """Login (mail address) of whoever wants it."""
    details: Mapping[str, Any] = {}
    """More for whoever decides: label -> text."""


_TOPIC: Final = "approval "
"""Before the request's id: what its process waits for."""

type Weigh = Callable[[Any], Awaitable[Decimal | None]]
"""Tells the margin, in the transaction in which the request is made: a process's history is for more eyes than that."""


def awaited_request(process: Process) -> str:
    """Id of the request whose end a process waits for; empty when it waits for none."""
    return process.step.removeprefix(_TOPIC) if process.step.startswith(_TOPIC) else ""


async def get_approval(
    run: Run, rules: ApprovalRules, ask: Ask, clock: Callable[[], datetime], weigh: Weigh | None = None
) -> RequestState:
    """In a process: have it approved, and wait for the end of it. With no stages it is approved at once. Raises
    :class:`NeedsPerson` when no rule is for it or nobody could decide."""
    topic = f"{_TOPIC}{ask.id}"

    async def requested(tx: Any) -> str:
        facts = ask.facts if weigh is None else replace(ask.facts, margin=await weigh(tx))
        asked = replace(ask, facts=facts)
        return (await request_approval(tx, rules, asked, tell=(run.id, topic), now=clock())).state

    state = RequestState(await run.change(f"request {ask.id}", requested))
    if state is not RequestState.OPEN:
        return state
    answer = await run.wait(topic, ask.title, who=f"see: isthmus approve show {ask.id}")
    assert answer is not None, "a wait without a deadline ends by its signal"
    return RequestState(answer.value)


async def request_approval(
    tx: ApprovalTransaction,
    rules: ApprovalRules,
    ask: Ask,
    *,
    tell: tuple[str, str] | None = None,
    now: datetime,
) -> ApprovalRequest:
    """Store a request by the first rule that fits and start its process; the same id again gives the first one.
    ``tell`` is a (process, topic) that gets the end as a signal: approved, refused or expired. Raises
    :class:`NeedsPerson` when no rule is for it, or nobody but the requester could decide."""
    known = await tx.approvals.load(ask.id)
    if known is not None:
        return known
    requester = ask.requester.strip().lower()
    rule = rule_for(rules, ask.facts)
    if rule is None:
        raise NeedsPerson(
            f"No rule says who approves a {ask.facts.document}.", advice="Add one to approvals.yaml, ask: nobody too."
        )
    stages = staffed(rule, requester)
    if isinstance(stages, str):
        raise NeedsPerson(
            f"Rule '{rule.name}' leaves nobody to decide stage '{stages}' of what {requester} requests.",
            advice="Name somebody else, or an escalation, in approvals.yaml.",
        )
    request = ApprovalRequest(
        id=ask.id,
        process=f"approval/{ask.id}",
        document=ask.facts.document,
        key=ask.key,
        title=ask.title,
        facts=msgspec.to_builtins(ask.facts),
        details=ask.details,
        requester=requester,
        rule=rule.name,
        stages=stages,
        four_eyes=rule.four_eyes,
        state=RequestState.OPEN if stages else RequestState.APPROVED,
        since=now,
        requested_at=now,
        ended_at=None if stages else now,
        tell=tell,
    )
    await tx.approvals.add(request)
    if stages:
        given = {"id": ask.id, "title": ask.title, "stages": msgspec.to_builtins(stages)}
        await start(tx, _DEFINITION, given, id=request.process, now=now)
    return request


def topic_of(stage: int, escalated: bool) -> str:
    """What the process waits for at a stage."""
    return f"stage {stage + 1}{' escalated' if escalated else ''}"


async def open_stage(
    tx: ApprovalTransaction, id: str, number: int, now: datetime, *, escalated: bool
) -> datetime | None:
    """Let a stage's seats, or those of its escalation, decide from now on, and tell them; its deadline."""
    request = await _loaded(tx, id)
    stage = request.stages[number]
    due_at = None if stage.within is None else now + timedelta(seconds=stage.within)
    request = replace(request, stage=number, escalated=escalated, since=now, due_at=due_at)
    await tx.approvals.save(request)
    people = {login for seat in deciders(request) for login in seat.members}
    for delegation in await tx.approvals.deputies(tuple(sorted(people)), now):
        if not (request.four_eyes and delegation.deputy == request.requester):
            people.add(delegation.deputy)
    for login in sorted(people):
        await queue_notice(
            tx,
            "approval_needed",
            document=ENTITY,
            key=id,
            detail=topic_of(number, escalated),
            recipient=login,
            context={
                **_told(request),
                "stage": number,
                "escalated": escalated,
                "due": _moment(due_at),
                "until": None if due_at is None else int(due_at.timestamp()),
            },
            now=now,
        )
    return due_at


async def end_request(tx: ApprovalTransaction, id: str, outcome: RequestState, now: datetime) -> None:
    """Close a request; tell the requester, and the process that waits for it."""
    request = await _loaded(tx, id)
    request = replace(request, state=outcome, ended_at=now, due_at=None)
    await tx.approvals.save(request)
    answers = await tx.approvals.answers(id)
    said = [answer for answer in answers if answer.choice is Choice.REFUSE] or answers
    comments = [f"{answer.by}: {answer.comment}" for answer in said if answer.comment]
    # A customer hears of the document, in its own words, not of who decided about it.
    if request.facts.get("role") != CUSTOMER:
        await _tell_requester(tx, request, outcome, comments, now)
    if request.tell is not None:
        process, topic = request.tell
        # One that is over has nothing to do with the answer any more.
        with contextlib.suppress(NeedsPerson):
            await signal(tx, process, topic, str(outcome), id=f"approval/{id}", by=PROCESS, now=now)


async def _tell_requester(
    tx: ApprovalTransaction, request: ApprovalRequest, outcome: RequestState, comments: Sequence[str], now: datetime
) -> None:
    await queue_notice(
        tx,
        "request_approved" if outcome is RequestState.APPROVED else "request_refused",
        document=ENTITY,
        key=request.id,
        recipient=request.requester,
        context={**_told(request), "comments": comments, "expired": outcome is RequestState.EXPIRED},
        now=now,
    )


async def decide(
    tx: ApprovalTransaction,
    id: str,
    *,
    by: str,
    choice: Choice,
    via: str,
    comment: str = "",
    on_behalf_of: str = "",
    asked_at: tuple[int, bool] | None = None,
    now: datetime,
) -> ApprovalRequest:
    """Take one answer in. ``on_behalf_of`` names whose deputy answers; when left out, one's own right comes first.
    ``asked_at`` is the (stage, escalated) that the question was about. The request afterwards; its process goes on
    by itself when this answer settled the stage.

    Raises :class:`AlreadyDecided`, :class:`TooLate` or :class:`NotEntitled`; each says who decides, or who did.
    """
    login = by.strip().lower()
    request = await _loaded(tx, id)
    answers = await tx.approvals.answers(id)
    await _check_open(tx, request, answers, login, asked_at, now)
    seat, right_of = await _seat_of(tx, request, answers, login, on_behalf_of.strip().lower(), now)
    answer = ApprovalAnswer(
        request=id,
        stage=request.stage,
        escalated=request.escalated,
        seat=seat.name,
        choice=choice,
        by=login,
        on_behalf_of=right_of,
        comment=comment.strip(),
        via=via,
        at=now,
    )
    if not await tx.approvals.add_answer(answer):
        raise AlreadyDecided(f"{seat.name} has answered already.")
    here = [a for a in (*answers, answer) if (a.stage, a.escalated) == (request.stage, request.escalated)]
    outcome = settled(request.stages[request.stage], deciders(request), here)
    if outcome is not None:
        topic = topic_of(request.stage, request.escalated)
        await signal(tx, request.process, topic, str(outcome), id=topic, by=login, now=now)
    return request


async def _check_open(
    tx: ApprovalTransaction,
    request: ApprovalRequest,
    answers: Sequence[ApprovalAnswer],
    login: str,
    asked_at: tuple[int, bool] | None,
    now: datetime,
) -> None:
    """Whether it still takes answers to what was asked."""
    for answer in answers if asked_at is not None else ():
        if (answer.stage, answer.escalated) == asked_at and answer.by == login:
            raise AlreadyDecided(f"You have answered already: {answer.choice}, {_moment(answer.at)}.")
    process = await tx.processes.load(request.process)
    if process is not None and process.state is ProcessState.CANCELLED:
        raise AlreadyDecided("The request was withdrawn; there is nothing to decide any more.")
    if request.state is not RequestState.OPEN:
        last = f" {answers[-1].by} answered last, {_moment(answers[-1].at)}." if answers else ""
        raise AlreadyDecided(f"This was decided already: {request.state}.{last}")
    here = [a for a in answers if (a.stage, a.escalated) == (request.stage, request.escalated)]
    if settled(request.stages[request.stage], deciders(request), here) is not None:
        raise AlreadyDecided(f"This stage was decided already by {here[-1].by}: {here[-1].choice}.")
    if asked_at is not None and asked_at < (request.stage, request.escalated):
        if asked_at[0] == request.stage:
            raise TooLate(f"The deadline has passed. Now {names_of(deciders(request))} decides.")
        raise AlreadyDecided(f"That stage is over. Now {names_of(deciders(request))} decides.")
    if deadline_passed(request, now):
        stage = request.stages[request.stage]
        following = names_of(stage.escalate) if stage.escalate and not request.escalated else ""
        told = f"Now {following} decides." if following else "Nobody decides any more: it counts as refused."
        raise TooLate(f"The deadline was {_moment(request.due_at)}. {told}")


async def _seat_of(
    tx: ApprovalTransaction,
    request: ApprovalRequest,
    answers: Sequence[ApprovalAnswer],
    login: str,
    on_behalf_of: str,
    now: datetime,
) -> tuple[Seat, str]:
    """The seat this answer is for, and by whose right."""
    if request.four_eyes and login == request.requester:
        raise NotEntitled("You requested this yourself; somebody else must decide (four eyes).")
    rights = [login] if on_behalf_of in ("", login) else []
    if on_behalf_of != login:
        given = sorted(one.person for one in await tx.approvals.delegators(login, now))
        rights += [person for person in given if on_behalf_of in ("", person)]
    for right_of in rights:
        seat = free_seat(request, answers, right_of)
        if seat is not None:
            _check_first(request, answers, login, right_of, on_behalf_of)
            return seat, right_of
    mine = [a for a in answers if a.by == login and (a.stage, a.escalated) == (request.stage, request.escalated)]
    if mine:
        raise AlreadyDecided(f"You have answered already: {mine[-1].choice}, {_moment(mine[-1].at)}.")
    if any(right_of in seat.members for seat in deciders(request) for right_of in rights):
        raise AlreadyDecided("Somebody has answered for your team already.")
    raise NotEntitled(f"{login} may not decide this. Now {names_of(deciders(request))} decides.")


def _check_first(
    request: ApprovalRequest, answers: Sequence[ApprovalAnswer], login: str, right_of: str, on_behalf_of: str
) -> None:
    """A second answer of one person at one stage only by saying for whom: a double click is no second vote."""
    before = [a for a in answers if a.by == login and (a.stage, a.escalated) == (request.stage, request.escalated)]
    if before and not on_behalf_of:
        raise AlreadyDecided(
            f"You have answered already: {before[-1].choice}, {_moment(before[-1].at)}.",
            advice=f"To answer for {right_of} as well, say so.",
        )


async def _loaded(tx: ApprovalTransaction, id: str) -> ApprovalRequest:
    request = await tx.approvals.load(id)
    if request is None:
        raise NeedsPerson(f"There is no approval request {id}.", advice="See: isthmus approve list")
    return request


def _told(request: ApprovalRequest) -> dict[str, Any]:
    """What notices say of a request."""
    return {
        "request": request.id,
        "document": request.document,
        "number": request.key,
        "title": request.title,
        "amount": request.amount,
        "requester": request.requester,
        "details": dict(request.details),
    }


def _moment(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"
