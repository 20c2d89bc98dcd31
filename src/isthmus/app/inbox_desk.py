"""Working through the inbox: one question with all that is known of it, and decisions on many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any

import msgspec

from isthmus.app.acting import Acting
from isthmus.app.record_view import field_roles, title_of
from isthmus.app.redacting import redacted
from isthmus.errors import NeedsPerson, Unmappable
from isthmus.model.fields import Canonical, FieldType, Kind, canonical
from isthmus.model.state import Effect, InboxEntry, InboxKind, Item, Link
from isthmus.store import Care, Comment, EntryNote, EntryState, InboxWork
from isthmus.sync.decide import decide_in
from isthmus.sync.standing import pending

__all__ = ["Candidate", "InboxDesk", "Question", "typed"]

SIMPLE = (Kind.TEXT, Kind.INTEGER, Kind.DECIMAL, Kind.BOOLEAN, Kind.DATE)
"""Kinds of fields that people type."""
LONGEST_COMMENT = 4000
LONGEST_TYPED = 2000
"""Characters of a value that is edited in one line of a form."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """An item that may be the same thing as a record."""

    item: str
    score: float
    reason: str
    taken: bool
    """It has a record in that place already."""
    deleted: bool
    """It was deleted by the time of the question."""
    fields: Mapping[str, Canonical]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One entry with all that is known of it."""

    entry: InboxEntry
    care: Care
    comments: Sequence[Comment]
    link: Link | None
    item: Item | None
    conflicts: Mapping[str, Any]
    """Field -> what base, hub and far hold, as it is now."""
    candidates: Sequence[Candidate]
    editable: Mapping[str, Canonical]
    """Fields of the item that may be corrected here, and what they hold."""
    effects: Sequence[Effect]
    """The last writes to this record."""
    secret: bool
    """It is about a value that needs a role the reader has not."""
    typable: Sequence[str]
    """Fields in conflict for which a person can type a value."""


class InboxDesk(Acting):
    """The use cases, for one person."""

    @cached_property
    def work(self) -> InboxWork:
        """Who works on which question, and what they say of it."""
        return InboxWork(self._store)

    async def question(self, id: str) -> Question | None:
        """One question; None when there is none of this id."""
        entry = await self._reads.entry(id)
        if entry is None:
            return None
        link = (await self._reads.links([entry.subject])).get(entry.subject)
        item = None
        if link is not None and link.item is not None:
            item = (await self._reads.items([link.item])).get(link.item)
        conflicts = {
            name: {"base": c.base, "hub": c.hub, "far": c.far} for name, c in (link.conflicts if link else {}).items()
        }
        if entry.decided_at is not None and entry.kind is InboxKind.CONFLICT:
            conflicts = dict(entry.detail.get("fields", {}))
        kinds = self._kinds(entry)
        return Question(
            entry=self.shown(entry),
            care=(await self.work.care([id])).get(id, Care(id)),
            comments=await self.work.comments(id),
            link=link,
            item=item,
            conflicts=conflicts,
            candidates=[_candidate(one) for one in entry.detail.get("candidates", ())],
            editable=self._editable(entry, link, item),
            effects=await self._reads.effects(link=link.id, limit=5) if link is not None else [],
            secret=bool(self._secret(entry) & self._about(entry, conflicts)),
            typable=[name for name in conflicts if name in kinds and _simple(kinds[name])],
        )

    def shown(self, entry: InboxEntry) -> InboxEntry:
        """The entry without values that this person's roles do not show."""
        return redacted(entry, self._world.flows.get(entry.flow), self._secret(entry))

    def _secret(self, entry: InboxEntry) -> set[str]:
        return {name for name, role in self._roles(entry).items() if not self._me.sees(role)}

    def _about(self, entry: InboxEntry, conflicts: Mapping[str, Any]) -> set[str]:
        """Fields that the question itself is about. What else a refused write carried is left out of sight instead."""
        about = {*conflicts, *entry.detail.get("fields", {}), str(entry.detail.get("field") or "")}
        return about if entry.kind is InboxKind.FAILURE else about | set(entry.detail.get("values", {}))

    def correctable(self, flow: str | None) -> list[str]:
        """Fields of a flow that may be corrected for many records at once."""
        found = self._world.flows.get(flow or "")
        if found is None:
            return []
        roles = field_roles(self._world, found.entity.name)
        kinds = found.entity.fields
        return [name for name in found.fields if _simple(kinds[name]) and self._me.sees(roles.get(name))]

    async def headlines(self, entries: Sequence[InboxEntry]) -> dict[str, str]:
        """What each is about, as people call it."""
        links = await self._reads.links([entry.subject for entry in entries])
        items = await self._reads.items({link.item for link in links.values() if link.item is not None})
        found = {}
        for entry in entries:
            link = links.get(entry.subject)
            item = items.get(link.item or "") if link is not None else None
            shown = entry.detail.get("fields", {})
            name = title_of(item) if item is not None else shown.get("name") or shown.get("number")
            found[entry.id] = str(name or (link.key if link is not None else None) or entry.subject)
        return found

    def _kinds(self, entry: InboxEntry) -> Mapping[str, FieldType]:
        flow = self._world.flows.get(entry.flow)
        return flow.entity.fields if flow is not None else {}

    def _roles(self, entry: InboxEntry) -> dict[str, str]:
        flow = self._world.flows.get(entry.flow)
        return field_roles(self._world, flow.entity.name) if flow is not None else {}

    def _editable(self, entry: InboxEntry, link: Link | None, item: Item | None) -> dict[str, Canonical]:
        if entry.kind is not InboxKind.FAILURE or link is None or item is None or entry.decided_at is not None:
            return {}
        flow, kinds, roles = self._world.flows[link.flow], self._kinds(entry), self._roles(entry)
        first = list(entry.detail.get("fields", {}))
        if entry.detail.get("field"):
            first.insert(0, str(entry.detail["field"]))
        waiting = pending(link, item, self._world.lenses[(link.flow, link.system)])
        order = [*first, *waiting, *flow.fields]
        return {
            name: item.fields.get(name)
            for name in dict.fromkeys(order)
            if name in flow.fields
            and name in kinds
            and _simple(kinds[name])
            and self._me.sees(roles.get(name))
            and len(str(item.fields.get(name))) <= LONGEST_TYPED
        }

    # -- deciding --------------------------------------------------------------------------------------------------

    async def decide(
        self,
        id: str,
        choice: str,
        *,
        fields: Mapping[str, str] | None = None,
        item: str | None = None,
        job: str | None = None,
    ) -> InboxEntry:
        """Carry out one decision. A ``job`` that it is a part of knows that it is done as soon as it is. Raises
        ``NeedsPerson`` when somebody was faster, or it cannot be done so."""
        question = await self.question(id)
        if question is None:
            raise NeedsPerson(f"There is no question {id}.")
        if question.secret:
            raise NeedsPerson("It is about a value that your roles do not show.")
        kinds = self._kinds(question.entry)
        values = {name: typed(kinds[name], text) if name in kinds else text for name, text in (fields or {}).items()}
        if question.entry.kind is InboxKind.FAILURE:
            # Only what was really changed is an edit of the item.
            held = question.editable
            values = {n: value for n, value in values.items() if n not in held or not _same(kinds[n], value, held[n])}
        await self._note(choice, id, {"fields": sorted(values)} if values else {})
        by, now = self._me.login, self._now()
        async with self._store.transaction() as tx:
            done = await decide_in(
                tx, self._world, id, choice, by=by, now=now, new_id=self._ids, fields=values, item=item
            )
            if job is not None:
                await tx.job_entries.note(job, [EntryNote(id, EntryState.DONE)])
            return done

    # -- care ------------------------------------------------------------------------------------------------------

    async def assign(self, id: str, login: str | None) -> None:
        """Somebody looks after it; None: nobody does."""
        care = (await self.work.care([id])).get(id, Care(id))
        await self._open(id)
        await self._access.note(self._me.login, "question given", id, {"to": login})
        await self.work.set_care(msgspec.structs.replace(care, assignee=login))

    async def snooze(self, id: str, hours: float | None) -> None:
        """Leave it alone for so long; None: it is there again."""
        care = (await self.work.care([id])).get(id, Care(id))
        await self._open(id)
        until = self._now() + timedelta(hours=hours) if hours is not None else None
        await self.work.set_care(msgspec.structs.replace(care, snoozed_until=until))

    async def comment(self, id: str, text: str) -> None:
        """Say something about it."""
        text = text.strip()
        if not text:
            raise NeedsPerson("An empty comment says nothing.")
        if len(text) > LONGEST_COMMENT:
            raise NeedsPerson(f"A comment has at most {LONGEST_COMMENT} characters.")
        if await self._reads.entry(id) is None:
            raise NeedsPerson(f"There is no question {id}.")
        await self.work.comment(Comment(id, self._now(), self._me.login, text))

    async def _open(self, id: str) -> None:
        entry = await self._reads.entry(id)
        if entry is None:
            raise NeedsPerson(f"There is no question {id}.")
        if entry.decided_at is not None:
            raise NeedsPerson(f"{entry.decided_by} has decided this already ({entry.decision}).")

    async def _note(self, choice: str, subject: str, detail: Mapping[str, Any]) -> None:
        await self._access.note(self._me.login, "question decided", subject, {"choice": choice, **detail})


def typed(kind: FieldType, text: str) -> Any:
    """What a person typed into a form as a value; empty means nothing."""
    text = text.strip()
    if text == "":
        return None
    if kind.kind is Kind.STRUCT and set(kind.fields) == {"amount", "currency"}:
        amount, _, currency = text.replace("\u00a0", " ").rpartition(" ")
        return {"amount": amount, "currency": currency}
    return text


def _same(kind: FieldType, value: Any, held: Canonical) -> bool:
    try:
        return bool(canonical(kind, value) == held)
    except Unmappable:
        return False


def _simple(kind: FieldType) -> bool:
    money = kind.kind is Kind.STRUCT and set(kind.fields) == {"amount", "currency"}
    return kind.kind in SIMPLE or money


def _candidate(given: Mapping[str, Any]) -> Candidate:
    return Candidate(
        item=str(given["item"]),
        score=float(given.get("score", 0)),
        reason=str(given.get("reason", "")),
        taken=bool(given.get("taken")),
        deleted=bool(given.get("deleted")),
        fields=given.get("fields", {}),
    )
