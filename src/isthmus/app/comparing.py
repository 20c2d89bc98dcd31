"""``compare`` and ``compare --repair``: proof that both sides are equal, and the way back when they are not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from isthmus.app.bootstrap import Hub, clock, new_id
from isthmus.errors import Misconfigured, Unavailable
from isthmus.reconcile import Choice, Drift, Repairer, Report, compare_flow
from isthmus.store import Reads
from isthmus.sync.engine import Round

__all__ = ["Comparison", "compare", "parse_choices", "repair"]

SHOWN = 1000
"""Differences given back one by one unless more are asked for."""
CHUNK = 500
"""Differences repaired together."""
AGAIN = 1.0
"""Seconds between looks whether another comparison is done."""
LONGEST_PATIENCE = 60.0
"""Most seconds to wait for a running hub to deal with what it is about to see."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The differences of the compared flows; ``drifts`` holds the first of them, ``counts`` all."""

    flows: Sequence[str]
    counts: Mapping[str, int]
    """Cause -> how many."""
    drifts: Sequence[Drift]
    refused: Mapping[str, str] = {}
    """Id of a difference -> why it could not be repaired as wished."""

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.counts.values())


def chosen(hub: Hub, flows: Sequence[str]) -> list[str]:
    """The named flows, or all. Raises ``Misconfigured`` for an unknown one."""
    unknown = [name for name in flows if name not in hub.world.flows]
    if unknown:
        raise Misconfigured(f"There is no flow '{unknown[0]}'.", advice=f"Known: {', '.join(hub.world.order)}.")
    return [name for name in hub.world.order if not flows or name in flows]


def parse_choices(texts: Sequence[str]) -> tuple[Choice | None, dict[str, Choice]]:
    """``rule``, ``far`` or ``hub`` for all differences (None: only those named), and ``ID=far`` for single ones."""
    general: Choice | None = None if texts else Choice.RULE
    single: dict[str, Choice] = {}
    for text in texts:
        id, equals, word = text.rpartition("=")
        if word not in set(Choice):
            raise Misconfigured(f"'{text}' is no way to repair.", advice="One of rule, far, hub, or ID=far and so on.")
        if equals:
            single[id] = Choice(word)
        else:
            general = Choice(word)
    return general, single


def _check_pauses(hub: Hub, flows: Sequence[str]) -> None:
    """Raise ``Paused`` when one of their places is to be left alone."""
    for name in flows:
        for side in hub.world.flows[name].sides.values():
            hub.engine.pauses.check(side.system, side.resource)


async def compare(
    hub: Hub, flows: Sequence[str] = (), report: Report | None = None, *, limit: int = SHOWN, wait: bool = False
) -> Comparison:
    """Read both sides completely and name every difference, while the hub goes on. Changes nothing. ``wait``: for
    another comparison of a flow that is under way, instead of raising ``Unavailable``."""
    names = chosen(hub, flows)
    if hub.down:
        system, error = next(iter(hub.down.items()))
        raise type(error)(f"{system} cannot be read, so nothing would be proven: {error.message}")
    _check_pauses(hub, names)
    resources = {name: system.resources() for name, system in hub.engine.systems.items()}

    def watched(system: str, what: str, count: int) -> None:
        # Told of every page: a pause in the middle ends it.
        _check_pauses(hub, names)
        if report is not None:
            report(system, what, count)

    at_work = bool(await Reads(hub.store).workers())
    for name in names:
        flow = hub.world.flows[name]
        while not await hub.store.try_lock(f"compare/{name}"):
            if not wait:
                raise Unavailable(f"{name} is being compared already.", advice="Wait until that comparison is done.")
            watched(next(iter(flow.sides)), "waits for another comparison", 0)
            await asyncio.sleep(AGAIN)
        try:
            # Twice the longest interval: once to see it, once more in case the first look failed.
            every = max(hub.world.every(side.system, side.resource) for side in flow.sides.values())
            patience = min(LONGEST_PATIENCE, 2 * every + 1) if at_work else 0.0
            await compare_flow(hub.store, hub.world, flow, resources, clock=clock, patience=patience, report=watched)
        finally:
            await hub.store.unlock(f"compare/{name}")
    reads = Reads(hub.store)
    drifts = await reads.drifts(names, limit)
    return Comparison(flows=names, counts=await reads.drift_counts(names), drifts=drifts)


async def repair(
    hub: Hub,
    flows: Sequence[str] = (),
    choices: Sequence[str] = (),
    report: Report | None = None,
    *,
    by: str,
    limit: int = SHOWN,
    wait: bool = False,
) -> Comparison:
    """Repair what a comparison made now finds (of single differences: what the last one found), settle what follows,
    and compare again: what is left needs a person."""
    general, single = parse_choices(choices)
    names = chosen(hub, flows)
    _check_pauses(hub, names)
    if general is not None:
        await compare(hub, names, report, limit=0, wait=wait)
    repairer = Repairer(hub.engine, by=by, clock=clock, new_id=new_id)
    reads, after = Reads(hub.store), ""
    only = None if general is not None else list(single)
    refused: dict[str, str] = {}
    unknown = set(single)
    while drifts := await reads.drifts(names, CHUNK, after, only):
        after = drifts[-1].id
        unknown -= {drift.id for drift in drifts}
        for choice in Choice:
            refused |= await repairer.repair([d for d in drifts if single.get(d.id, general) is choice], choice)
    refused |= dict.fromkeys(unknown, "The last comparison of these flows found no such difference.")
    await hub.engine.settle(Round())
    found = await compare(hub, names, report, limit=limit, wait=wait)
    return msgspec.structs.replace(found, refused=refused)
