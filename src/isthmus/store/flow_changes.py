"""Changes of flows that people make: drafts, proposals, and what was decided about them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

import msgspec

from isthmus.store.codec import from_row
from isthmus.store.postgres import PostgresStore

__all__ = ["ChangeState", "FlowChange", "FlowChanges"]


class ChangeState(StrEnum):
    """How far a change is."""

    DRAFT = "draft"
    PROPOSED = "proposed"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class FlowChange(msgspec.Struct, frozen=True, kw_only=True):
    """A change of one flow's file."""

    id: str
    flow: str
    file: str
    """The project's own file of this flow, relative to its folder."""
    base: str | None
    """The file's text that it was made from; None: there was no file."""
    content: str | None
    """The file's text as wanted; None: the file is to be taken away."""
    edits: int = 0
    """How often the draft was saved."""
    note: str = ""
    state: ChangeState = ChangeState.DRAFT
    made_by: str
    made_at: datetime
    saved_at: datetime
    """Last typed at; of a proposal: when it was proposed."""
    decided_by: str | None = None
    decided_at: datetime | None = None
    answer: str = ""
    """What whoever decided said about it."""
    place: int | None = None
    """Order of the approvals."""
    in_force_at: datetime | None = None
    problem: str = ""
    """Why it could not be brought into force where that was tried last."""


class FlowChanges:
    """Reads and writes over a store."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store

    async def add(
        self,
        *,
        id: str,
        flow: str,
        file: str,
        base: str | None,
        content: str | None,
        by: str,
        now: datetime,
        state: ChangeState = ChangeState.DRAFT,
        note: str = "",
    ) -> FlowChange | None:
        """A new one; None when this person has a draft of this flow already."""
        values = {"id": id, "flow": flow, "file": file, "base": base, "content": content, "note": note}
        return await self._one("add_flow_change", **values, state=str(state), made_by=by, now=now)

    async def one(self, id: str) -> FlowChange | None:
        """The change of this id."""
        return await self._one("flow_change", id=id)

    async def find(
        self, flow: str | None = None, states: Collection[ChangeState] = tuple(ChangeState), limit: int = 50
    ) -> list[FlowChange]:
        """Changes of a flow or of all, the newest first."""
        given = {"flow": flow, "states": [str(state) for state in states], "limit": limit}
        return [from_row(FlowChange, row) for row in await self._store.rows("flow_changes", given)]

    async def draft(self, flow: str, by: str) -> FlowChange | None:
        """What this person is writing."""
        return await self._one("flow_draft", flow=flow, made_by=by)

    async def save_draft(self, id: str, content: str, edits: int, now: datetime) -> FlowChange | None:
        """Keep what was typed; None when it was saved elsewhere since ``edits``, or is no draft any more."""
        return await self._one("save_flow_draft", id=id, content=content, edits=edits, now=now)

    async def rebase(self, id: str, base: str | None, now: datetime) -> FlowChange | None:
        """What the file holds by now has been taken in."""
        return await self._one("rebase_flow_draft", id=id, base=base, now=now)

    async def drop(self, id: str) -> bool:
        """Throw a draft away."""
        return bool(await self._store.rows("drop_flow_draft", {"id": id}))

    async def propose(self, id: str, note: str, edits: int, now: datetime) -> FlowChange | None:
        """Let a draft wait for its review; None when it is another one by now."""
        return await self._one("propose_flow_change", id=id, note=note, edits=edits, now=now)

    async def decide(self, id: str, state: ChangeState, *, by: str, answer: str, now: datetime) -> FlowChange | None:
        """End the review; None when it has ended already. An approval is told to every process."""
        given = {"id": id, "state": str(state), "by": by, "answer": answer, "now": now}
        rows = await self._store.decide_flow_change(given, tell=state is ChangeState.APPROVED)
        return from_row(FlowChange, rows[0]) if rows else None

    async def approved(self) -> list[FlowChange]:
        """All approved ones in their order."""
        rows = await self._store.rows("approved_flow_changes", {})
        return [from_row(FlowChange, row) for row in rows]

    async def note(self, id: str, *, at: datetime | None, problem: str = "") -> None:
        """It is in force since then, or cannot be."""
        await self._store.rows("note_flow_change", {"id": id, "at": at, "problem": problem})

    async def _one(self, name: str, **values: object) -> FlowChange | None:
        rows = await self._store.rows(name, values)
        return from_row(FlowChange, rows[0]) if rows else None
