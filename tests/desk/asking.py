"""A request for approval, its process taken turn by turn on made-up time, and the answers of people."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from isthmus.desk.approval_rules import ApprovalRules, rule_for, staffed
from isthmus.desk.approval_state import ApprovalAnswer, ApprovalRequest, Choice, Delegation, RequestState
from isthmus.desk.approvals import Ask, decide, request_approval
from isthmus.desk.notices import Notice
from isthmus.desk.processes.approval import approval_process
from isthmus.process import Definition, Process, Run
from isthmus.process.turn import take_turn
from isthmus.store import ApprovalReads, NoticeOutbox, PostgresStore
from tests.desk.rules import LI, RULES, facts

START = datetime(2031, 5, 6, 7, 0, tzinfo=UTC)


def ask(id: str = "so-1", amount: str = "5000", requester: str = LI) -> Ask:
    return Ask(id=id, key=id.upper(), title=f"Order for {amount}?", facts=facts(amount), requester=requester)


class Desk:
    """Time moves only by :meth:`later`; each call leaves the process where it waits."""

    def __init__(self, store: PostgresStore, rules: ApprovalRules = RULES) -> None:
        self.store, self.rules, self.now = store, rules, START
        self.process = approval_process(lambda: self.now)

    async def request(self, wanted: Ask, tell: tuple[str, str] | None = None) -> ApprovalRequest:
        async with self.store.transaction() as tx:
            await request_approval(tx, self.rules, wanted, tell=tell, now=self.now)
        await self.turn(wanted.id)
        return await self.found(wanted.id)

    async def turn(self, id: str) -> None:
        definitions = {self.process.name: self.process}
        await take_turn(self.store, definitions, f"approval/{id}", clock=lambda: self.now, jitter=lambda: 0.0)

    async def later(self, id: str, seconds: float) -> ApprovalRequest:
        self.now += timedelta(seconds=seconds)
        await self.turn(id)
        return await self.found(id)

    async def answer(
        self, id: str, by: str, choice: Choice = Choice.APPROVE, *, turn: bool = True, **more: Any
    ) -> ApprovalRequest:
        async with self.store.transaction() as tx:
            await decide(tx, id, by=by, choice=choice, via="cli", now=self.now, **more)
        if turn:
            await self.turn(id)
        return await self.found(id)

    async def delegate(self, person: str, deputy: str, *, hours: tuple[float, float] = (-1, 1)) -> str:
        made = Delegation(
            id=f"{person}-{deputy}",
            person=person,
            deputy=deputy,
            from_at=self.now + timedelta(hours=hours[0]),
            until_at=self.now + timedelta(hours=hours[1]),
            made_by=person,
            made_at=self.now,
        )
        async with self.store.transaction() as tx:
            await tx.approvals.add_delegation(made)
        return made.id

    async def found(self, id: str) -> ApprovalRequest:
        found = await ApprovalReads(self.store).request(id)
        assert found is not None
        return found

    async def answers(self, id: str) -> list[ApprovalAnswer]:
        return await ApprovalReads(self.store).answers(id)

    async def told(self, id: str) -> list[tuple[str, str]]:
        """(milestone, address) of all notices about a request."""
        return [(one.milestone, one.recipient) for one in await self.notices(id)]

    async def notices(self, id: str) -> list[Notice]:
        return await NoticeOutbox(self.store).about("ApprovalRequest", id)


class ApprovalStage:
    """The process on the hub's own tables, for ``run_every_step_twice``. ``says`` gives the outcome for a stage's
    topic, and nothing where the deadline passes. Each has a request of its own, stored in a step before the others."""

    made = itertools.count()

    def __init__(self, store: PostgresStore, wanted: Ask, says: Mapping[str, RequestState]) -> None:
        self._store, self._says = store, says
        self._wanted = replace(wanted, id=f"{wanted.id}-{next(self.made)}")
        rule = rule_for(RULES, wanted.facts)
        assert rule is not None
        stages = staffed(rule, wanted.requester)
        self.given = {"id": self._wanted.id, "title": wanted.title, "stages": msgspec.to_builtins(stages)}
        inner = approval_process(lambda: START)

        async def whole(run: Run, given: Any) -> Any:
            await run.change("request", self._request)
            return await inner.function(run, given)

        self.definition = Definition("approval_request", whole)

    async def _request(self, tx: Any) -> None:
        await request_approval(tx, RULES, self._wanted, now=START)

    def answer(self, waiting: Process) -> Mapping[str, Any] | None:
        said = self._says.get(waiting.step)
        return None if said is None else {"value": str(said), "by": "whoever"}

    async def effects(self) -> Any:
        request = await ApprovalReads(self._store).request(self._wanted.id)
        assert request is not None
        notices = await NoticeOutbox(self._store).about("ApprovalRequest", request.id)
        stands = (request.state, request.stage, request.escalated, request.ended_at is not None)
        return stands, sorted((one.milestone, one.recipient) for one in notices)
