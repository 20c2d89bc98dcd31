"""What the last dry run of a flow came to, for one reader, and what its brake holds now."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from isthmus.app.access import Principal
from isthmus.app.planning import PlanDigest, PlanLine
from isthmus.app.record_view import HIDDEN, field_roles
from isthmus.model.state import InboxEntry, InboxKind
from isthmus.store import Job, Reads
from isthmus.sync.world import World

__all__ = ["PlanView", "plan_view"]

BRAKES = 20


class PlanView(msgspec.Struct, frozen=True, kw_only=True):
    """One flow's plan."""

    digest: PlanDigest | None
    """None: there is none, or it failed."""
    held: Sequence[InboxEntry]
    """Mass changes of this flow that wait for an approval now."""

    def count(self, system: str, *kinds: str) -> int:
        """How many writes of these kinds in this system."""
        flows = self.digest.counts.get(system, {}) if self.digest is not None else {}
        return sum(found.get(kind, 0) for found in flows.values() for kind in kinds)

    def samples(self, system: str) -> list[PlanLine]:
        """Some of the writes in this system."""
        return [line for line in self.digest.samples if line.system == system] if self.digest is not None else []


async def plan_view(reads: Reads, world: World, me: Principal, flow: str, done: Job | None) -> PlanView:
    """The plan that ``done`` made, without the values that are not for this reader."""
    held = await reads.inbox(kind=InboxKind.BRAKE, flow=flow, limit=BRAKES)
    if done is None or not done.result:
        return PlanView(digest=None, held=held)
    digest = msgspec.convert(done.result, PlanDigest)
    secret = {n for n, role in field_roles(world, world.flows[flow].entity.name).items() if not me.sees(role)}
    shown = [replace(line, changes=_hidden(line, secret)) for line in digest.samples]
    return PlanView(digest=replace(digest, samples=shown), held=held)


def _hidden(line: PlanLine, secret: set[str]) -> dict[str, tuple[object, object]]:
    return {name: (HIDDEN, HIDDEN) if name in secret else (old, new) for name, (old, new) in line.changes.items()}
