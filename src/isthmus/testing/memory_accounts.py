"""The brake's accounts of one transaction in memory: what is due, approved, granted, and written without approval."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from msgspec.structs import replace

from isthmus.model.state import InboxEntry, Link, LinkState
from isthmus.sync.ports import Approval, DueCount
from isthmus.testing.memory_database import MemoryDatabase

__all__ = ["BrakeAccounts"]


class BrakeAccounts:
    """A part of :class:`~isthmus.testing.memory_transaction.MemoryTransaction`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self._approvals: dict[str, Approval] = {}
        self._traffic: dict[str, list[tuple[datetime, frozenset[str]]]] = {}

    def _all_links(self) -> Sequence[Link]:
        raise NotImplementedError

    def _entries(self) -> Sequence[InboxEntry]:
        raise NotImplementedError

    async def count_due(self, flow: str, system: str, now: datetime, since: datetime) -> DueCount:
        """What is due by kind, and what was allowed and noted."""
        mine = [link for link in self._all_links() if (link.flow, link.system) == (flow, system)]
        due = [link for link in mine if link.due_at is not None and link.due_at <= now and link.waits_for is None]
        brakes = {f"{flow}/{system}/{kind}": kind for kind in ("creates", "updates", "deletes")}
        noted = {k: sum(len(ids) for at, ids in self._notes(s) if at > since) for s, k in brakes.items()}
        return DueCount(
            creates=sum(link.state is LinkState.CREATING and link.doom is None for link in due),
            updates=sum(link.state is LinkState.LINKED and link.doom is None for link in due),
            deletes=sum(link.doom is not None for link in due),
            asked=any(e.kind == "brake" and e.decided_at is None and e.subject in brakes for e in self._entries()),
            approved=any(self._known(subject) for subject in brakes),
            noted={kind: links for kind, links in noted.items() if links},
        )

    async def count_linked(self, flow: str, system: str, enough: int | None = None) -> int:
        """How many are linked, counted up to ``enough``."""
        mine = (link for link in self._all_links() if (link.flow, link.system) == (flow, system))
        linked = sum(link.state is LinkState.LINKED for link in mine)
        return linked if enough is None else min(linked, enough)

    async def brake_approvals(self, subjects: Collection[str], now: datetime) -> dict[str, Approval]:
        """What is still allowed; granted links that are not due any more need nothing."""
        known = {subject: self._approval(subject) for subject in subjects if self._known(subject)}
        due = {link.id for link in self._all_links() if link.due_at is not None and link.due_at <= now} if known else ()
        return {subject: replace(one, granted=one.granted.intersection(due)) for subject, one in known.items()}

    def _approval(self, subject: str) -> Approval:
        return self._approvals.get(subject) or self._database.approvals.get(subject) or Approval()

    def _known(self, subject: str) -> bool:
        return subject in self._approvals or subject in self._database.approvals

    async def use_approval(self, subject: str, links: Collection[str]) -> None:
        """Count links; those counted before cost nothing."""
        if self._known(subject):
            known = self._approval(subject)
            left = max(0, known.writes - len(set(links) - known.granted))
            self._approvals[subject] = Approval(left, known.granted | set(links))

    async def end_approval(self, subject: str, links: Collection[str]) -> None:
        """Forget granted links."""
        if self._known(subject):
            known = self._approval(subject)
            self._approvals[subject] = replace(known, granted=known.granted - set(links))

    async def approve(self, subject: str, writes: int) -> None:
        """Allow this many writes, in place of what was allowed before."""
        self._approvals[subject] = replace(self._approval(subject), writes=writes)

    async def note_traffic(self, subject: str, links: Collection[str], now: datetime, since: datetime) -> None:
        """Remember what is being written without approval; what is older is forgotten."""
        kept = [note for note in self._notes(subject) if note[0] > since]
        self._traffic[subject] = [*kept, (now, frozenset(links))]

    async def recent_traffic(self, subject: str, since: datetime, now: datetime) -> int:
        """How many different links that are not due now were noted after ``since``."""
        notes = [links for at, links in self._notes(subject) if at > since]
        due = {link.id for link in self._all_links() if link.due_at is not None and link.due_at <= now}
        return len(frozenset[str]().union(*notes) - due)

    def _notes(self, subject: str) -> list[tuple[datetime, frozenset[str]]]:
        return self._traffic.get(subject, self._database.traffic.get(subject, []))

    def _commit_accounts(self) -> None:
        self._database.approvals |= self._approvals
        for subject, approval in self._approvals.items():
            if approval == Approval():
                del self._database.approvals[subject]
        self._database.traffic |= self._traffic
