"""What is kept of approval requests, answers and delegations; and what answers come to. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from isthmus.desk.approval_rules import Need, Seat, Stage

__all__ = [
    "ApprovalAnswer",
    "ApprovalRequest",
    "Choice",
    "Delegation",
    "RequestState",
    "deadline_passed",
    "deciders",
    "free_seat",
    "names_of",
    "settled",
]


class Choice(StrEnum):
    """What a person may answer."""

    APPROVE = "approve"
    REFUSE = "refuse"


class RequestState(StrEnum):
    """Where an approval request stands."""

    OPEN = "open"
    APPROVED = "approved"
    REFUSED = "refused"
    EXPIRED = "expired"
    """The last deadline passed without an answer: not approved."""


class ApprovalRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that people must approve."""

    id: str
    process: str
    """The process that carries it."""
    document: str
    """Kind of document."""
    key: str
    """Which one, as people call it: a number."""
    title: str
    """What is asked, in one line."""
    facts: Mapping[str, Any]
    """What the rule was chosen by, as JSON."""
    details: Mapping[str, Any] = {}
    """More for whoever decides: label -> text."""
    requester: str
    rule: str
    stages: tuple[Stage, ...]
    """As they were when it was requested: later changes of the rules do not touch it."""
    four_eyes: bool
    state: RequestState
    stage: int = 0
    """Which stage is open, from 0 on."""
    escalated: bool = False
    """The deadline of this stage has passed, and its escalation decides."""
    since: datetime
    """When this stage was opened."""
    due_at: datetime | None = None
    """Deadline of this stage."""
    requested_at: datetime
    ended_at: datetime | None = None
    tell: tuple[str, str] | None = None
    """(process, topic) that is told the end."""

    @property
    def amount(self) -> str:
        """Amount and currency as text; empty when it has none."""
        amount = self.facts.get("amount")
        return f"{Decimal(str(amount)):,.2f} {self.facts.get('currency') or ''}".strip() if amount is not None else ""


class ApprovalAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer: for a seat, by a person, in his own right or as somebody's deputy."""

    request: str
    stage: int
    escalated: bool
    seat: str
    choice: Choice
    by: str
    on_behalf_of: str
    """Whose right it was: ``by`` itself, or the person whose deputy that is."""
    comment: str
    via: str
    """Where it was given: cli, mail, console, api."""
    at: datetime


class Delegation(msgspec.Struct, frozen=True, kw_only=True):
    """A deputy answers for a person, from a moment until another."""

    id: str
    person: str
    deputy: str
    from_at: datetime
    until_at: datetime
    made_by: str
    made_at: datetime
    ended_at: datetime | None = None
    """When it was ended before its time."""


def deciders(request: ApprovalRequest) -> tuple[Seat, ...]:
    """The seats that decide now."""
    if request.state is not RequestState.OPEN or request.stage >= len(request.stages):
        return ()
    stage = request.stages[request.stage]
    return stage.escalate if request.escalated else stage.seats


def names_of(seats: Collection[Seat]) -> str:
    """The seats for people: names, and a team's members."""
    return ", ".join(
        seat.name if seat.members == (seat.name,) else f"{seat.name} ({', '.join(seat.members)})" for seat in seats
    )


def deadline_passed(request: ApprovalRequest, now: datetime) -> bool:
    """Whether this stage takes no answers any more."""
    return request.due_at is not None and now >= request.due_at


def free_seat(request: ApprovalRequest, answers: Sequence[ApprovalAnswer], right_of: str) -> Seat | None:
    """The first seat that decides now, has no answer yet and on which this person sits."""
    taken = {a.seat for a in answers if (a.stage, a.escalated) == (request.stage, request.escalated)}
    return next((seat for seat in deciders(request) if right_of in seat.members and seat.name not in taken), None)


def settled(stage: Stage, seats: Sequence[Seat], answers: Sequence[ApprovalAnswer]) -> RequestState | None:
    """What the answers to these seats of one stage come to; None: others must answer too. The order of the answers
    counts where any of them decides."""
    given = [answer for answer in answers if any(answer.seat == seat.name for seat in seats)]
    if any(answer.choice is Choice.REFUSE for answer in given) and stage.need is Need.ALL:
        return RequestState.REFUSED
    if stage.need is Need.ANY:
        if not given:
            return None
        return RequestState.APPROVED if given[0].choice is Choice.APPROVE else RequestState.REFUSED
    answered = {answer.seat for answer in given}
    return RequestState.APPROVED if seats and all(seat.name in answered for seat in seats) else None
