"""Approval requests for one person: which wait for an answer of theirs, in whose right, and giving it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from isthmus.app.access import Access, Principal
from isthmus.app.approvals import decide_approval
from isthmus.app.bootstrap import clock
from isthmus.desk.approval_rules import Seat
from isthmus.desk.approval_state import (
    ApprovalAnswer,
    ApprovalRequest,
    Choice,
    RequestState,
    deadline_passed,
    deciders,
    free_seat,
)
from isthmus.desk.costing import COST
from isthmus.errors import NeedsPerson
from isthmus.model.fields import decimal_text
from isthmus.process import ProcessState
from isthmus.store import ApprovalReads, PostgresStore, Reads

__all__ = ["ApprovalDesk", "ApprovalRow", "ApprovalSheet"]

MOST = 500
"""Open requests that are looked through."""
SHOWN = 50
LONGEST_COMMENT = 2000


class ApprovalRow(msgspec.Struct, frozen=True, kw_only=True):
    """One request in a list."""

    request: ApprovalRequest
    deciders: Sequence[Seat]
    """Who must act now."""
    rights: Sequence[str]
    """In whose right the person may answer now: the own login first, then those they are the deputy of."""


class ApprovalSheet(ApprovalRow, frozen=True, kw_only=True):
    """One request as a whole."""

    answers: Sequence[ApprovalAnswer]
    facts: Mapping[str, Any]
    """What the rule was chosen by and the person may see."""
    withdrawn: bool
    late: bool
    """The deadline has passed; the escalation is about to begin."""


class ApprovalDesk:
    """The use cases, for one person."""

    def __init__(self, store: PostgresStore, me: Principal, *, now: Callable[[], datetime] = clock) -> None:
        self._store, self._me, self._now = store, me, now
        self._reads, self._access = ApprovalReads(store), Access(store, now=now)

    async def waiting(self) -> list[ApprovalRow]:
        """Open requests, the oldest first."""
        requests = await self._reads.requests(RequestState.OPEN, MOST)
        answers = await self._reads.answers_of([one.id for one in requests])
        mine = await self._people()
        return [
            ApprovalRow(request=one, deciders=deciders(one), rights=self._rights(one, answers[one.id], mine))
            for one in requests
        ]

    async def decided(self) -> list[ApprovalRow]:
        """Those that ended last."""
        return [ApprovalRow(request=one, deciders=(), rights=()) for one in await self._reads.decided(SHOWN)]

    async def sheet(self, id: str) -> ApprovalSheet | None:
        """One request; None when there is none of this id."""
        request = await self._reads.request(id)
        if request is None:
            return None
        answers = await self._reads.answers(id)
        process = await Reads(self._store).process(request.process)
        withdrawn = process is not None and process[0].state is ProcessState.CANCELLED
        late = request.state is RequestState.OPEN and deadline_passed(request, self._now())
        rights = [] if withdrawn or late else self._rights(request, answers, await self._people())
        told = ("discount", "credit", "level", "role", *(("margin",) if self._me.sees(COST) else ()))
        facts = {
            name: _shown(name, fact, request) for name in told if (fact := request.facts.get(name)) not in (None, "")
        }
        return ApprovalSheet(
            request=request,
            deciders=deciders(request),
            rights=rights,
            answers=answers,
            facts=facts,
            withdrawn=withdrawn,
            late=late,
        )

    async def answer(
        self,
        id: str,
        choice: str,
        *,
        comment: str = "",
        on_behalf_of: str = "",
        asked_at: tuple[int, bool] | None = None,
    ) -> ApprovalRequest:
        """Approve or refuse. ``asked_at`` is the stage that the person saw, and whether it was escalated. Raises
        :class:`NeedsPerson` for another word, and what :func:`isthmus.desk.approvals.decide` raises for who is
        not entitled, too late or not the first."""
        if choice not in set(Choice):
            raise NeedsPerson("An answer is to approve or to refuse.")
        if len(comment) > LONGEST_COMMENT:
            raise NeedsPerson(f"A comment has at most {LONGEST_COMMENT} characters.")
        detail = {"choice": choice, **({"on behalf of": on_behalf_of} if on_behalf_of else {})}
        await self._access.note(self._me.login, "approval answered", id, detail)
        return await decide_approval(
            self._store,
            id,
            by=self._me.login,
            choice=Choice(choice),
            via="console",
            comment=comment,
            on_behalf_of=on_behalf_of,
            asked_at=asked_at,
            now=self._now(),
        )

    async def _people(self) -> list[str]:
        """The person and whom they are the deputy of now."""
        now = self._now()
        given = await self._reads.delegations(now, all=False)
        return [
            self._me.login,
            *sorted({one.person for one in given if one.deputy == self._me.login and one.from_at <= now}),
        ]

    def _rights(self, request: ApprovalRequest, answers: Sequence[ApprovalAnswer], people: Sequence[str]) -> list[str]:
        if request.four_eyes and request.requester == self._me.login:
            return []
        return [one for one in people if free_seat(request, answers, one) is not None]


def _shown(name: str, fact: Any, request: ApprovalRequest) -> str:
    """Shares and amounts as people read them."""
    if name == "credit":
        return f"{Decimal(str(fact)):,.2f} {request.facts.get('currency') or ''}".strip()
    return f"{decimal_text(Decimal(str(fact)) * 100)} %" if name in ("discount", "margin") else str(fact)
