"""``compare`` and ``compare --repair``: proof that both sides are equal, and the way back when they are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from isthmus.app.bootstrap import Hub
from isthmus.errors import Misconfigured
from isthmus.reconcile import Drift, compare_flow

__all__ = ["Comparison", "compare", "repair"]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """All differences of the compared flows."""

    flows: Sequence[str]
    drifts: Sequence[Drift]

    @property
    def counts(self) -> dict[str, int]:
        """Cause -> how many records."""
        return dict(Counter(str(drift.kind) for drift in self.drifts))


def chosen(hub: Hub, flows: Sequence[str]) -> list[str]:
    """The named flows, or all. Raises ``Misconfigured`` for an unknown one."""
    unknown = [name for name in flows if name not in hub.world.flows]
    if unknown:
        raise Misconfigured(f"There is no flow '{unknown[0]}'.", advice=f"Known: {', '.join(hub.world.order)}.")
    return [name for name in hub.world.order if not flows or name in flows]


async def compare(hub: Hub, flows: Sequence[str] = (), report: Callable[[str, int], None] | None = None) -> Comparison:
    """Read both sides completely and name every difference; changes nothing."""
    names = chosen(hub, flows)
    if hub.down:
        system, error = next(iter(hub.down.items()))
        raise type(error)(f"{system} cannot be read, so nothing would be proven: {error.message}")
    resources = {name: system.resources() for name, system in hub.engine.systems.items()}
    drifts: list[Drift] = []
    async with hub.store.scratch() as scratch:
        for name in names:
            drifts += await compare_flow(scratch, hub.world, hub.world.flows[name], resources, report)
    return Comparison(flows=names, drifts=drifts)


async def repair(hub: Hub, flows: Sequence[str] = ()) -> Comparison:
    """Take in everything as it is now (complete readings, whatever the feeds said), settle what follows by the flows'
    rules, and compare again: what is left needs a person."""
    for name in chosen(hub, flows):
        for system, side in hub.world.flows[name].sides.items():
            if system in hub.engine.observers:
                await hub.engine.observers[system].scan(side.resource)
    await hub.engine.catch_up()
    return await compare(hub, flows)
