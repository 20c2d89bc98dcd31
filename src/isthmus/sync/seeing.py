"""A far record in the terms of its link: what the lens makes of it, and which items its references mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from isthmus.connector import Record, Traits
from isthmus.mapping import Refs
from isthmus.model.fields import Canonical
from isthmus.model.state import Effect, Link, LinkState
from isthmus.sync.absorb import Seen
from isthmus.sync.ports import FarKey, Transaction
from isthmus.sync.undone import MEMORY
from isthmus.sync.world import World

__all__ = ["load_given", "load_recent", "load_refs", "see"]

UNDER_WAY = timedelta(minutes=10)
"""The hub may move while a write is under way, before its answer counts as agreed; no write takes longer than this."""
_EVER = datetime(1, 1, 1, tzinfo=UTC)


def see(world: World, link: Link, record: Record, refs: Refs, read_at: datetime, digest: bytes | None = None) -> Seen:
    """A far record in the link's terms. ``digest``: the record's, where it is known already."""
    lens = world.lenses[(link.flow, link.system)]
    contact = link.state in (LinkState.NEW, LinkState.DOUBTFUL)
    return Seen(
        key=record.key,
        got=lens.get(record.key, record.fields, refs, created=not contact),
        version=record.version,
        digest=lens.digest(record.fields) if digest is None else digest,
        read_at=read_at,
    )


async def load_refs(tx: Transaction, world: World, records: Sequence[tuple[Link, Record]]) -> Refs:
    """Items of all parents that these records refer to."""
    wanted: set[FarKey] = set()
    for link, record in records:
        lens = world.lenses[(link.flow, link.system)]
        wanted |= {(link.system, r, k) for r, k in lens.refs_in(record.key, record.fields)}
    found = await tx.resolve(wanted) if wanted else {}
    return Refs(items={(r, k): item for (_, r, k), item in found.items()})


async def load_given(tx: Transaction, links: Sequence[Link]) -> dict[tuple[str, str], list[Canonical]]:
    """(link, field) -> values the hub had since link and hub last agreed; see :attr:`Working.given`."""
    if not links:
        return {}
    since = {link.id: link.agreed_at - UNDER_WAY if link.agreed_at is not None else _EVER for link in links}
    by_item: dict[str, list[Link]] = {}
    for link in links:
        by_item.setdefault(link.item or "", []).append(link)
    found: dict[tuple[str, str], list[Canonical]] = {}
    for entry in await tx.journal_since(by_item.keys() - {""}, min(since.values())):
        for link in by_item.get(entry.item, ()):
            if entry.at >= since[link.id]:
                for field, (_, new) in entry.changes.items():
                    found.setdefault((link.id, field), []).append(new)
    return found


async def load_recent(tx: Transaction, traits: Traits, links: Iterable[Link], now: datetime) -> dict[str, list[Effect]]:
    """Link -> what we wrote lately, newest first, where a save there may have undone it; see :attr:`Working.recent`."""
    if not traits.whole_saves:
        return {}
    # Not only where our last answer is so young: an answer may have been lost.
    known = [link.id for link in links if link.item is not None and link.key is not None]
    found: dict[str, list[Effect]] = {}
    for effect in await tx.updates_since(known, now - MEMORY) if known else ():
        found.setdefault(effect.link, []).append(effect)
    return found
