"""What the last comparison of each flow found, for one reader."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from isthmus.app.access import Principal
from isthmus.app.record_view import field_roles, title_of, without
from isthmus.reconcile import Drift
from isthmus.store import Reads
from isthmus.sync.world import World

__all__ = ["DriftView", "drift_view"]


class DriftView(msgspec.Struct, frozen=True, kw_only=True):
    """Differences of some flows."""

    counts: Mapping[str, Mapping[str, int]]
    """Flow -> cause -> how many, of all flows."""
    drifts: Sequence[Drift]
    """Those that are asked for; values that need a role are left out."""
    titles: Mapping[str, str]
    """Item -> what people call it."""
    more: bool


async def drift_view(
    reads: Reads, world: World, me: Principal, *, flows: Collection[str], after: str, limit: int
) -> DriftView:
    """Differences of these flows by id, after this one."""
    counts = {flow: found for flow in world.order if (found := await reads.drift_counts([flow]))}
    drifts = await reads.drifts(flows, limit + 1, after)
    shown, roles = drifts[:limit], {}
    for flow in {drift.flow for drift in shown} & set(world.flows):
        needed = field_roles(world, world.flows[flow].entity.name)
        roles[flow] = {name for name, role in needed.items() if not me.sees(role)}
    items = await reads.items({drift.item for drift in shown if drift.item is not None})
    return DriftView(
        counts=counts,
        drifts=[replace(one, fields=without(one.fields, roles.get(one.flow, set()))) for one in shown],
        titles={id: title_of(item) for id, item in items.items()},
        more=len(drifts) > limit,
    )
