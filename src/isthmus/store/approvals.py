"""Rows of approval requests, answers and delegations."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import msgspec
from psycopg import AsyncConnection

from isthmus.desk.approval_state import ApprovalAnswer, ApprovalRequest, Delegation, RequestState
from isthmus.store.codec import from_row, payload
from isthmus.store.queries import query
from isthmus.store.single import SingleQueries

__all__ = ["ApprovalReads", "PostgresApprovals"]


class PostgresApprovals:
    """:class:`~isthmus.desk.approval_ports.ApprovalRows` on a connection that is inside a transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, request: ApprovalRequest) -> bool:
        """Store a new request; False when there is one of this id."""
        return bool(await self._rows("add_approval_request", {"rows": payload([request])}))

    async def load(self, id: str) -> ApprovalRequest | None:
        """The request, locked."""
        rows = await self._rows("approval_request", {"id": id})
        return from_row(ApprovalRequest, rows[0]) if rows else None

    async def save(self, request: ApprovalRequest) -> None:
        """Store where it stands."""
        await self._rows("save_approval_request", {"rows": payload([request])})

    async def answers(self, id: str) -> list[ApprovalAnswer]:
        """Its answers, oldest first."""
        return [from_row(ApprovalAnswer, row) for row in await self._rows("approval_answers", {"id": id})]

    async def add_answer(self, answer: ApprovalAnswer) -> bool:
        """Store an answer; False when this seat has one."""
        return bool(await self._rows("add_approval_answer", {"rows": payload([answer])}))

    async def deputies(self, people: tuple[str, ...], now: datetime) -> list[Delegation]:
        """Delegations of these people that are valid now."""
        return await self._valid(list(people), [], now)

    async def delegators(self, deputy: str, now: datetime) -> list[Delegation]:
        """Delegations to this deputy that are valid now."""
        return await self._valid([], [deputy], now)

    async def add_delegation(self, delegation: Delegation) -> None:
        """Store a delegation."""
        await self._rows("add_delegation", {"rows": payload([delegation])})

    async def end_delegation(self, id: str, now: datetime) -> bool:
        """End a delegation before its time; False when there is none that is still to end."""
        return bool(await self._rows("end_delegation", {"id": id, "now": now}))

    async def _valid(self, people: list[str], deputies: list[str], now: datetime) -> list[Delegation]:
        rows = await self._rows("valid_delegations", {"people": people, "deputies": deputies, "now": now})
        return [from_row(Delegation, row) for row in rows]

    async def _rows(self, name: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        cursor = await self._connection.execute(query(name), parameters)
        return await cursor.fetchall() if cursor.description else []


class ApprovalReads:
    """Approvals as people see them."""

    def __init__(self, store: SingleQueries) -> None:
        self._store = store

    async def requests(self, state: RequestState | None, limit: int) -> list[ApprovalRequest]:
        """Requests in this state (None: any), oldest first."""
        return await self._all(ApprovalRequest, "list_approvals", state=state and str(state), limit=limit)

    async def request(self, id: str) -> ApprovalRequest | None:
        """One request."""
        found = await self._all(ApprovalRequest, "one_approval", id=id)
        return found[0] if found else None

    async def answers(self, id: str) -> list[ApprovalAnswer]:
        """Its answers, oldest first."""
        return await self._all(ApprovalAnswer, "approval_answers", id=id)

    async def decided(self, limit: int) -> list[ApprovalRequest]:
        """Requests that are over, the last first."""
        return await self._all(ApprovalRequest, "decided_approvals", limit=limit)

    async def answers_of(self, ids: Collection[str]) -> dict[str, list[ApprovalAnswer]]:
        """The answers of many requests, oldest first."""
        found: dict[str, list[ApprovalAnswer]] = {id: [] for id in ids}
        for answer in await self._all(ApprovalAnswer, "answers_of_approvals", ids=list(ids)):
            found[answer.request].append(answer)
        return found

    async def delegations(self, now: datetime, *, all: bool) -> list[Delegation]:  # noqa: A002 - the plain word
        """Delegations that are valid or still to come; all of them."""
        return await self._all(Delegation, "list_delegations", now=now, all=all)

    async def _all[S: msgspec.Struct](self, struct: type[S], name: str, **parameters: Any) -> list[S]:
        return [from_row(struct, row) for row in await self._store.rows(name, parameters)]
