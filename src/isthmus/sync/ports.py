"""What the engine needs from a store. Implemented by ``isthmus.store`` on PostgreSQL.

Everything is set-based: one call handles a whole batch. A :class:`Transaction` is short, and no far system is ever
called inside one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

import msgspec

from isthmus.model.state import Effect, FeedState, InboxEntry, Item, JournalEntry, Link, Sighting

__all__ = ["LANES", "Approval", "Batch", "DueAt", "DueCount", "Evidence", "FarKey", "LaneDue", "Store", "Transaction"]

type FarKey = tuple[str, str, str]
"""(system, resource, key)"""

LANES = 64
"""Shares in which the due links of one flow and system are handed to workers, by a hash of the link's id. A link stays
in its lane whatever becomes of its item; so no record is written by two workers at a time."""


class Evidence(msgspec.Struct, frozen=True):
    """One exact value by which an item can be found at first contact."""

    entity: str
    rule: str
    """Names of the rule's exact fields, e.g. ``tax_id`` or ``city+name``; the same for all flows of an entity."""
    value: str
    item: str


class DueCount(msgspec.Struct, frozen=True):
    """What waits to be written to one system for one flow."""

    creates: int
    updates: int
    deletes: int
    asked: bool
    """Whether a person has been asked about one of them and has not answered."""
    approved: bool = False
    """Whether a person has allowed anything that was not used up and done: see :meth:`Transaction.brake_approvals`."""
    noted: Mapping[str, int] = {}
    """Kind -> links noted as written without approval since then, by any worker; those noted twice count twice."""


class DueAt(msgspec.Struct, frozen=True):
    """When there is something to do next for one flow in one system."""

    at: datetime
    """Of anything."""
    read: datetime | None = None
    """Of records that must be read again."""


class LaneDue(msgspec.Struct, frozen=True):
    """What waits in one lane."""

    lane: int
    due: int
    oldest: datetime


class Approval(msgspec.Struct, frozen=True):
    """What a person allowed past a brake."""

    writes: int = 0
    """Writes not yet used."""
    granted: frozenset[str] = frozenset()
    """Links that are due now and were counted already: a worker is at them, or died over them. They cost nothing."""


class Batch(msgspec.Struct, kw_only=True):
    """All writes of one transaction, by table. Rows are whole (upserts); journal and effects only append."""

    items: list[Item] = []
    links: list[Link] = []
    drop_links: list[str] = []
    journal: list[JournalEntry] = []
    effects: list[Effect] = []
    open_inbox: list[InboxEntry] = []
    """Replaces the open entry of the same kind and subject, keeping its id and time, when there is one."""
    close_inbox: list[tuple[str, str]] = []
    """(kind, subject) whose open entry no longer matters."""
    decided: list[InboxEntry] = []
    """Open entries that a person has decided, with the decision."""
    evidence: list[Evidence] = []
    """New values of the items in ``evidence_of``."""
    evidence_of: list[str] = []
    """Items whose evidence is replaced by ``evidence``."""
    feeds: list[FeedState] = []
    wake: list[str] = []
    """``waits_for`` values that have come true: links waiting for them become due."""
    meet: list[str] = []
    """Flows whose new readings may meet their items now, though nothing was read or written that asks for it."""

    def extend(self, other: Batch) -> None:
        """Add all of ``other``."""
        for name in self.__struct_fields__:
            getattr(self, name).extend(getattr(other, name))


class Transaction(Protocol):
    """One database transaction. Rows read through it are locked until it ends. Whoever reads rows in several steps
    takes the lock of their entities first: no two transactions then wait for each other."""

    async def lock(self, entities: Collection[str]) -> None:
        """Wait until this is the only transaction that handles links and items of these entities."""

    async def links_by_key(self, system: str, resource: str, keys: Collection[str]) -> list[Link]:
        """Links of these records, of all flows."""

    async def links_by_item(self, items: Collection[str]) -> list[Link]:
        """All links of these items."""

    async def links(self, ids: Collection[str]) -> list[Link]:
        """These links."""

    async def families(self, links: Collection[Link]) -> list[Link]:
        """These links as they are now, and all others of their items."""

    async def asked_about(self, items: Collection[str]) -> list[Link]:
        """Links of items that were merged into one of these and about which a person is asked, by id."""

    async def items(self, ids: Collection[str]) -> dict[str, Item]:
        """These items by id."""

    async def due_links(
        self,
        flow: str,
        system: str,
        now: datetime,
        limit: int,
        held: Collection[str] = (),
        lanes: Collection[int] | None = None,
    ) -> list[Link]:
        """Links of this flow and system whose ``due_at`` has come, oldest first. Not ``new`` and not ``waiting`` ones,
        and none of the kinds (creates, updates, deletes) in ``held``; only those in ``lanes`` (None: in any)."""

    async def due_lanes(self, flow: str, system: str, now: datetime) -> list[LaneDue]:
        """The lanes in which links are due, the one with the oldest first. Nothing is locked."""

    async def due_reads(self, system: str, now: datetime, limit: int) -> list[Link]:
        """Links of this system that wait no longer for a parent and must be read again (``state`` new or linked with
        a key, woken, far not mapped whole): those with ``due_at`` set and ``waits_for`` = ``read``."""

    async def new_links(self, flow: str, limit: int, after: str = "") -> list[Link]:
        """Links in state ``new`` that wait for nothing, by id, after this id."""

    async def unmet(self, flow: str, system: str) -> list[Link]:
        """Links of this flow and system in state ``new``, those that wait included, by id."""

    async def unsure(self, flow: str, system: str) -> list[Link]:
        """Links whose create was sent and has no known outcome: in state ``creating``, or set apart since."""

    async def creating(self, flow: str, system: str) -> list[Link]:
        """Links of this flow and system whose record is still to be made."""

    async def last_decided(self, kind: str, subject: str) -> InboxEntry | None:
        """The entry of this kind and subject that was decided (not withdrawn) last."""

    async def count_due(self, flow: str, system: str, now: datetime, since: datetime) -> DueCount:
        """For the brake: in one go, because it is asked before every write."""

    async def count_linked(self, flow: str, system: str, enough: int | None = None) -> int:
        """How many records are linked; any number from ``enough`` on says only that there are so many."""

    async def resolve(self, keys: Collection[FarKey]) -> dict[FarKey, str]:
        """Item of each linked record; keys not linked are left out."""

    async def far_keys(self, wanted: Collection[tuple[str, str, str]]) -> dict[tuple[str, str, str], str]:
        """(system, resource, item) -> key of the linked record; those without are left out."""

    async def find_evidence(self, entity: str, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[str]]:
        """(rule, value) -> items (not deleted, not aliases) that carry it, at most 200 each."""

    async def feed(self, system: str, resource: str) -> FeedState | None:
        """How far this resource was read."""

    async def scan_seen(self, system: str, resource: str, keys: Collection[str], *, start: bool) -> None:
        """Remember keys that the running scan showed; ``start`` forgets those of an earlier scan."""

    async def scan_missing(self, system: str, resource: str, started: datetime) -> list[str]:
        """Keys linked before ``started`` that the finished scan did not show."""

    async def take_sightings(self, system: str, resource: str, keys: Collection[str]) -> list[Sighting]:
        """What was told lately of these records, oldest first; forgotten when this transaction commits."""

    async def last_writes(self, links: Collection[str]) -> dict[str, Effect]:
        """Link -> the last write to its record that was done, for those that have one."""

    async def updates_since(self, links: Collection[str], since: datetime) -> list[Effect]:
        """Updates of these links' records that were, or may have been, done since then, newest first."""

    async def linked_keys(self, flow: str, system: str) -> dict[str, str]:
        """Key -> item of every linked record of this flow and system (for a complete comparison)."""

    async def inbox_entry(self, id: str) -> InboxEntry | None:
        """One entry, open or decided."""

    async def open_entries(self, kind: str, subjects: Collection[str]) -> list[InboxEntry]:
        """Open entries of this kind for these subjects."""

    async def all_open_entries(self) -> list[InboxEntry]:
        """All open entries, oldest first."""

    async def brake_approvals(self, subjects: Collection[str], now: datetime) -> dict[str, Approval]:
        """What is still allowed past these brakes (``flow/system/kind``), where anything was; locked until the end of
        the transaction."""

    async def use_approval(self, subject: str, links: Collection[str]) -> None:
        """Count these links against the approval: they are *granted* until :meth:`end_approval`."""

    async def end_approval(self, subject: str, links: Collection[str]) -> None:
        """These links are written, or turned out not to be; when no write is left either, the brake is armed again."""

    async def note_traffic(self, subject: str, links: Collection[str], now: datetime, since: datetime) -> None:
        """Remember that these links are being written without approval; what is older than ``since`` is forgotten."""

    async def recent_traffic(self, subject: str, since: datetime, now: datetime) -> int:
        """How many different links that are not due now were noted after ``since``, by any worker. Costs more."""

    async def approve(self, subject: str, writes: int) -> None:
        """Allow this many writes past the brake."""

    async def journal_since(self, items: Collection[str], since: datetime) -> list[JournalEntry]:
        """What changed in these items since then, in order. Not locked."""

    async def retry_now(self, system: str, codes: Collection[str], now: datetime) -> int:
        """Links of this system whose next try is still to come after a failure with one of these codes are due now, as
        if they had never failed; how many."""

    async def save(self, batch: Batch) -> None:
        """Write all of it, set-based."""

    def posting(self) -> AbstractAsyncContextManager[None]:
        """Within, :meth:`save` sends and does not wait until it is done: for work in parts. Nothing that was saved
        within may be read there. Whoever waits for any of it is woken at the end."""


class Store(Protocol):
    """The hub's memory."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Begin; commits at the end of the block, rolls back on an exception."""

    async def try_lock(self, name: str) -> bool:
        """Take a session-wide advisory lock; False when somebody else holds it. Freed when this process dies."""

    async def unlock(self, name: str) -> None:
        """Give the lock back."""

    async def take_lanes(self, place: str, lanes: Sequence[LaneDue], enough: int) -> set[int]:
        """Take lanes of this place that nobody else has, in this order, until ``enough`` links are due in them. Each is
        a session-wide advisory lock like those of :meth:`try_lock`."""

    async def give_lanes(self, place: str, lanes: Collection[int]) -> None:
        """Give lanes back."""

    async def workers(self) -> int:
        """How many workers share this store now; at least one, whoever asks."""

    async def due_at(self) -> Mapping[tuple[str, str], DueAt]:
        """When there is something to do next, per (flow, system)."""

    async def wake_ready(self) -> int:
        """Wake links whose parent is there although the wake-up was lost (two writers at the same moment); how many."""

    async def close(self) -> None:
        """Release connections."""
