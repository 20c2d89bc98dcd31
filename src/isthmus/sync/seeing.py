"""A far record in the terms of its link: what the lens makes of it, and which items its references mean."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from isthmus.connector import Record
from isthmus.mapping import Refs
from isthmus.model.state import Link, LinkState
from isthmus.sync.absorb import Seen
from isthmus.sync.ports import FarKey, Transaction
from isthmus.sync.world import World

__all__ = ["load_refs", "see"]


def see(world: World, link: Link, record: Record, refs: Refs, read_at: datetime) -> Seen:
    """A far record in the link's terms."""
    lens = world.lenses[(link.flow, link.system)]
    contact = link.state in (LinkState.NEW, LinkState.DOUBTFUL)
    return Seen(
        key=record.key,
        got=lens.get(record.key, record.fields, refs, created=not contact),
        version=record.version,
        digest=lens.digest(record.fields),
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
