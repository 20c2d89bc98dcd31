"""Complete comparison of one flow (CH-5): every record of every system is read and held against its item.

Works on any store; on a scratch copy nothing of the hub's memory changes. No input, no state of its own: a comparison
always starts from nothing, so it finds what feeds and hints may have missed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from isthmus.connector import Record, Resource
from isthmus.mapping import Got, Lens, Refs
from isthmus.model.flow import Flow
from isthmus.model.state import Item, Link, LinkState
from isthmus.sync.ports import Store, Transaction
from isthmus.sync.world import World

__all__ = ["Drift", "DriftKind", "compare_flow"]


class DriftKind(StrEnum):
    """Why a record and its item differ."""

    MISSED = "missed change"
    """The system shows what the hub has not seen yet."""
    PENDING = "waiting to be written"
    CONFLICT = "conflict"
    NOT_HELD = "not held"
    PARKED = "set aside"
    UNLINKED = "not linked"
    """A record that no link knows."""
    DOUBTFUL = "doubtful"
    MISSING = "not created"
    """An item whose record in this system is still to be made (waiting, set aside or unsure)."""
    DELETED = "deleted"
    """A linked record that is not there any more."""


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """One difference of one record."""

    kind: DriftKind
    flow: str
    system: str
    resource: str
    key: str
    item: str | None = None
    fields: Mapping[str, Mapping[str, Any]] = {}
    """Field -> {hub, far}."""


async def compare_flow(
    store: Store,
    world: World,
    flow: Flow,
    resources: Mapping[str, Mapping[str, Resource]],
    report: Callable[[str, int], None] | None = None,
) -> list[Drift]:
    """All differences of a flow. ``resources``: system -> resource name -> resource, for the systems that are up.
    Raises what the systems raise: a comparison that did not read everything proves nothing."""
    found: list[Drift] = []
    for system, side in flow.sides.items():
        if system in resources:
            resource = resources[system][side.resource]
            found += await _compare_side(store, world, flow, system, resource, report)
    return found


async def _compare_side(
    store: Store,
    world: World,
    flow: Flow,
    system: str,
    resource: Resource,
    report: Callable[[str, int], None] | None,
) -> list[Drift]:
    found: list[Drift] = []
    seen: set[str] = set()
    cursor = None
    while True:
        page = await resource.scan(cursor)
        records = {c.key: c for c in page.items if isinstance(c, Record) and c.key not in seen}
        seen |= set(records)
        async with store.transaction() as tx:
            found += await _compare_page(tx, world, flow, system, resource.name, records)
        if report is not None:
            report(system, len(seen))
        cursor = page.cursor
        if not page.more:
            break
    async with store.transaction() as tx:
        links = await tx.linked_keys(flow.name, system)
        creating = await tx.creating(flow.name, system)
    found += [
        Drift(kind=DriftKind.MISSING, flow=flow.name, system=system, resource=resource.name, key="", item=link.item)
        for link in creating
    ]
    found += [
        Drift(kind=DriftKind.DELETED, flow=flow.name, system=system, resource=resource.name, key=key, item=item)
        for key, item in links.items()
        if key not in seen
    ]
    return found


async def _compare_page(
    tx: Transaction, world: World, flow: Flow, system: str, name: str, records: Mapping[str, Record]
) -> list[Drift]:
    lens = world.lenses[(flow.name, system)]
    links = {link.key: link for link in await tx.links_by_key(system, name, records) if link.flow == flow.name}
    items = await tx.items({link.item for link in links.values() if link.item is not None})
    wanted = {ref for record in records.values() for ref in lens.refs_in(record.key, record.fields)}
    resolved = await tx.resolve([(system, *ref) for ref in wanted]) if wanted else {}
    refs = Refs(items={(resource, key): item for (_, resource, key), item in resolved.items()})
    found: list[Drift] = []
    for key, record in records.items():
        link = links.get(key)
        if link is None:
            if flow.sides[system].adopt and lens.selects(record.fields):
                found.append(Drift(kind=DriftKind.UNLINKED, flow=flow.name, system=system, resource=name, key=key))
            continue
        if link.state is LinkState.DOUBTFUL:
            found.append(Drift(kind=DriftKind.DOUBTFUL, flow=flow.name, system=system, resource=name, key=key))
        if link.state is LinkState.LINKED and link.item in items:
            found += _compare_record(lens, link, items[link.item], lens.get(key, record.fields, refs))
    return found


def _compare_record(lens: Lens, link: Link, item: Item, got: Got) -> Sequence[Drift]:
    groups: dict[DriftKind, dict[str, dict[str, Any]]] = {}
    for field, far in got.fields.items():
        if field not in item.fields:
            continue
        wanted = lens.view(field, item.fields[field])
        if far == wanted:
            continue
        groups.setdefault(_cause(link, field, far), {})[field] = {"hub": wanted, "far": far}
    assert link.key is not None
    return [
        Drift(
            kind=kind,
            flow=link.flow,
            system=link.system,
            resource=link.resource,
            key=link.key,
            item=link.item,
            fields=fields,
        )
        for kind, fields in groups.items()
    ]


def _cause(link: Link, field: str, far: Any) -> DriftKind:
    if link.far.get(field) != far:
        return DriftKind.MISSED
    if field in link.conflicts:
        return DriftKind.CONFLICT
    if field in link.not_held:
        return DriftKind.NOT_HELD
    return DriftKind.PARKED if link.problem is not None and link.due_at is None else DriftKind.PENDING
