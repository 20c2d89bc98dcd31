"""The schema of a far system as people read it: resources, fields with their types, which flow keeps each, and what has
changed or differs there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from isthmus.app.flow_preview import Samples
from isthmus.app.flow_view import expression_text
from isthmus.app.watching import what_happened
from isthmus.connector import FieldInfo
from isthmus.errors import IsthmusError
from isthmus.mapping.shape import places
from isthmus.model.flow import Use
from isthmus.model.state import FarField
from isthmus.store import Reads
from isthmus.sync.world import World

__all__ = ["KeptField", "ResourceRow", "SchemaField", "SchemaView", "schema_view"]

PATIENCE = 10.0
"""Seconds that a system may take to show its fields."""


class KeptField(msgspec.Struct, frozen=True, kw_only=True):
    """A flow that keeps a far field."""

    flow: str
    field: str
    """Of the entity; empty: the flow only looks there which records are its own."""
    text: str
    use: Use | None = None
    differing: int = 0
    """Records that differed in it at the last comparison."""


class SchemaField(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a resource."""

    name: str
    type: str
    label: str = ""
    readonly: bool = False
    target: str | None = None
    kept: Sequence[KeptField] = ()
    known: FarField | None = None
    """As the hub has last seen it; None: it never did."""
    there: bool = True
    """The system has it."""

    @property
    def what(self) -> str:
        """appeared, vanished, retyped, or nothing."""
        known = self.known
        changed = known is not None and (known.changed_at is not None or known.gone_at is not None)
        return what_happened(known) if known is not None and changed else ""

    @property
    def since(self) -> datetime | None:
        """When that was."""
        return None if self.known is None else self.known.gone_at or self.known.changed_at


class ResourceRow(msgspec.Struct, frozen=True, kw_only=True):
    """One resource."""

    name: str
    flows: Sequence[str]
    fields: int | None
    """How many are known; None: nobody has looked."""
    kept: int
    changed: int
    differences: int
    """Records that differed at the last comparison."""


class SchemaView(msgspec.Struct, frozen=True, kw_only=True):
    """A system, and the fields of one of its resources."""

    resources: Sequence[ResourceRow]
    """Those that flows use first."""
    chosen: str
    fields: Sequence[SchemaField]
    live: bool
    """The fields are as the system has them now; else as the hub has last seen them."""
    problem: str
    """Why they are not live."""


async def schema_view(reads: Reads, world: World, samples: Samples | None, system: str, chosen: str) -> SchemaView:
    """The system's resources, and the fields of ``chosen`` (of the first one when there is no such resource)."""
    known: dict[str, dict[str, FarField]] = {}
    for field in await reads.far_fields():
        if field.system == system:
            known.setdefault(field.resource, {})[field.name] = field
    differing = await reads.drift_fields(system)
    opened = samples.systems.get(system) if samples is not None else None
    used = world.resources(system)
    others = sorted(set(opened.resources()) - set(used)) if opened is not None else []
    rows = [_row(world, system, name, known.get(name, {}), differing) for name in [*used, *others]]
    names = [row.name for row in rows]
    chosen = chosen if chosen in names else next(iter(names), "")
    live, problem = await _live(samples, system, chosen) if chosen else ({}, "")
    return SchemaView(
        resources=rows,
        chosen=chosen,
        fields=_fields(world, system, chosen, known.get(chosen, {}), live, differing),
        live=bool(live),
        problem=problem,
    )


def _row(
    world: World, system: str, name: str, known: Mapping[str, FarField], differing: Mapping[tuple[str, str, str], int]
) -> ResourceRow:
    fields = _fields(world, system, name, known, {}, {})
    return ResourceRow(
        name=name,
        flows=[flow.name for flow in world.flows_of(system, name)],
        fields=sum(field.there for field in fields) if known else None,
        kept=sum(bool(field.kept) for field in fields),
        changed=sum(bool(field.what) for field in fields),
        differences=sum(count for (resource, _, field), count in differing.items() if (resource, field) == (name, "")),
    )


async def _live(samples: Samples | None, system: str, resource: str) -> tuple[Mapping[str, FieldInfo], str]:
    if samples is None or system not in samples.systems:
        return {}, ""
    try:
        samples.pauses.check(system, resource)
        async with asyncio.timeout(PATIENCE):
            return await samples.systems[system].resources()[resource].fields(), ""
    except (IsthmusError, TimeoutError) as error:
        return {}, str(error) or "It does not answer."


def _fields(
    world: World,
    system: str,
    resource: str,
    known: Mapping[str, FarField],
    live: Mapping[str, FieldInfo],
    differing: Mapping[tuple[str, str, str], int],
) -> list[SchemaField]:
    kept = _kept(world, system, resource, differing)
    found = []
    for name in sorted({*known, *live, *kept}):
        info, seen = live.get(name), known.get(name)
        found.append(
            SchemaField(
                name=name,
                type=info.type if info is not None else seen.type if seen is not None else "",
                label=info.label if info is not None else "",
                readonly=info is not None and info.readonly,
                target=info.target if info is not None else None,
                kept=kept.get(name, ()),
                known=seen,
                there=info is not None or (seen is not None and seen.gone_at is None),
            )
        )
    return found


def _kept(
    world: World, system: str, resource: str, differing: Mapping[tuple[str, str, str], int]
) -> dict[str, list[KeptField]]:
    """Far place -> what flows keep there."""
    found: dict[str, list[KeptField]] = {}
    for flow in world.flows_of(system, resource):
        for name, expr in world.lenses[(flow.name, system)].exprs.items():
            count = differing.get((resource, flow.name, name), 0)
            one = KeptField(flow=flow.name, field=name, text=expression_text(expr), use=expr.use, differing=count)
            for place in places(expr):
                found.setdefault(place, []).append(one)
        for condition in flow.sides[system].where:
            only = KeptField(flow=flow.name, field="", text=condition.field)
            found.setdefault(condition.field.split(".")[0], []).append(only)
    return found
