"""What a comparison finds: one difference of one record, and its cause. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
import xxhash

from isthmus.mapping import ABSENT, Lens
from isthmus.mapping.lens import holds
from isthmus.merge import may_set
from isthmus.model.fields import Canonical, completed
from isthmus.model.flow import CreatePolicy, Flow
from isthmus.model.state import Item, Link, LinkState

__all__ = ["Drift", "DriftKind", "Shown", "differences", "is_lacking", "of_link", "of_record"]


class DriftKind(StrEnum):
    """Why a record and its item differ."""

    MISSED = "missed change"
    """The system shows what the hub has not seen, although it looked since."""
    PAUSED = "edited while paused"
    """The system shows what the hub has not seen because it has not looked since; it will."""
    MAPPING = "mapping changed"
    """The record is the one that the hub knows, but reads otherwise under the present mapping."""
    PENDING = "waiting to be written"
    CONFLICT = "conflict"
    NOT_HELD = "not held"
    PARKED = "set aside"
    UNLINKED = "never linked"
    """A record that the flow wants and that has no item yet."""
    DOUBTFUL = "doubtful"
    MISSING = "not created"
    """An item whose record in this system is still to be made (waiting, set aside, unsure, or forgotten)."""
    DELETED = "deleted"
    """A linked record that is not there any more."""


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """One difference of one record. ``id`` is the same as long as the difference is."""

    id: str
    kind: DriftKind
    flow: str
    system: str
    resource: str
    key: str
    """Empty for a record that is not there."""
    item: str | None = None
    link: str | None = None
    fields: Mapping[str, Any] = {}
    """Field -> {hub, far}."""
    found_at: datetime | None = None


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A linked record in entity terms."""

    fields: Mapping[str, Canonical]
    same_version: bool = False
    """Whether it surely is the record that the hub saw last."""
    remapped: bool = False
    """Whether the resource was not read whole yet as the flows map it now."""


def of_record(kind: DriftKind, flow: Flow, system: str, key: str) -> Drift:
    """A record that no link knows."""
    return _drift(kind, flow.name, system, flow.sides[system].resource, key=key)


def is_lacking(flow: Flow, system: str, item: Item) -> Drift | None:
    """The drift of an item that should have a record in this system and for which not even a link was made."""
    side = flow.sides[system]
    alive = item.deleted_at is None and item.alias_of is None
    if not alive or side.create is not CreatePolicy.ALWAYS or not all(holds(c, item.fields) for c in side.create_when):
        return None
    return _drift(DriftKind.MISSING, flow.name, system, side.resource, item=item.id)


def of_link(kind: DriftKind, link: Link, fields: Mapping[str, Any] | None = None) -> Drift:
    """A difference of a record that the hub knows."""
    return _drift(
        kind, link.flow, link.system, link.resource, key=link.key or "", item=link.item, link=link.id, fields=fields
    )


def _drift(
    kind: DriftKind,
    flow: str,
    system: str,
    resource: str,
    *,
    key: str = "",
    item: str | None = None,
    link: str | None = None,
    fields: Mapping[str, Any] | None = None,
) -> Drift:
    named = msgspec.json.encode([kind, flow, system, resource, key or link or item])
    return Drift(
        id=xxhash.xxh3_64_hexdigest(named),
        kind=kind,
        flow=flow,
        system=system,
        resource=resource,
        key=key,
        item=item,
        link=link,
        fields=fields or {},
    )


def differences(flow: Flow, lens: Lens, link: Link, item: Item | None, shown: Shown) -> Sequence[Drift]:
    """What a linked record and its item differ in, by cause; else what is still to be done to the record."""
    groups: dict[DriftKind, dict[str, dict[str, Any]]] = {}
    for field, far in shown.fields.items() if item is not None else ():
        raw = item.fields.get(field, ABSENT) if item is not None else ABSENT
        if raw is ABSENT and (far is None or not may_set(flow.fields[field], link.system)):
            # Nothing known in the hub, and this system may not tell it.
            continue
        wanted = None if raw is ABSENT else lens.view(field, raw)
        # Parts of a struct that one of them knows nothing about are no difference (SPEC 4).
        seen = completed(far, link.base.get(field), wanted)
        if seen != completed(wanted, seen):
            groups.setdefault(_cause(link, field, far, shown), {})[field] = {"hub": wanted, "far": far}
    if groups:
        return [of_link(kind, link, fields) for kind, fields in groups.items()]
    if link.doom is not None:
        return [of_link(DriftKind.PENDING, link)]
    return [of_link(DriftKind.PARKED, link)] if _parked(link) else []


def _cause(link: Link, field: str, far: Any, shown: Shown) -> DriftKind:
    if completed(far, link.far.get(field)) != link.far.get(field):
        return DriftKind.MAPPING if shown.same_version or shown.remapped else DriftKind.MISSED
    if field in link.conflicts:
        return DriftKind.CONFLICT
    if field in link.not_held and link.not_held[field].sure:
        return DriftKind.NOT_HELD
    return DriftKind.PARKED if _parked(link) else DriftKind.PENDING


def _parked(link: Link) -> bool:
    return link.state is LinkState.LINKED and link.problem is not None and link.due_at is None
