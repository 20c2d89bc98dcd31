"""Noticing that a far system's schema has changed: fields that appear, vanish, come back or change their type.

A vanished field is *absent*: nothing is known of it, so nothing is blanked and nothing is written there, and all other
fields go on. When it is back its resource is read anew, and what waited for it is written.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from isthmus import events
from isthmus.app.bootstrap import Hub, clock, wanted_custom_fields
from isthmus.connector import Preparable, System
from isthmus.errors import IsthmusError, StoreUnavailable
from isthmus.mapping.shape import CUSTOM, places
from isthmus.model.state import FarField
from isthmus.store import Reads
from isthmus.sync.decide import retry
from isthmus.sync.world import ANY, World, missing_fields

__all__ = ["present_fields", "used_places", "watch_fields", "what_happened"]

PARKED = 100_000
"""Most parked links that are tried again when a field vanishes."""


async def watch_fields(hub: Hub) -> list[FarField]:
    """Hold the fields of every open system against those that it had, remember them, and let the flows do without those
    that are missing; what has changed since the last time. A system that fails is left for the next time."""
    known: dict[tuple[str, str], dict[str, FarField]] = {}
    for field in await Reads(hub.store).far_fields():
        known.setdefault((field.system, field.resource), {})[field.name] = field
    changed: list[FarField] = []
    for system, opened in list(hub.engine.systems.items()):
        if hub.engine.pauses.of(system) is not None:
            continue
        try:
            present = await present_fields(hub.world, system, opened)
        except StoreUnavailable:
            raise
        except IsthmusError as error:
            events.emit(events.CHORE_FAILED, logging.WARNING, system=system, code=error.code, message=error.message)
            present = {}
        for resource in hub.world.resources(system):
            before = known.get((system, resource), {})
            news = _news(system, resource, before, present.get(resource, {}), clock())
            await hub.store.save_far_fields(news)
            now = before | {field.name: field for field in news}
            await _follow(hub, system, resource, missing_fields(now.values()).get((system, resource), set()))
            if before:
                changed += news
                _tell(hub.world, news)
    return changed


async def present_fields(world: World, system: str, opened: System) -> dict[str, dict[str, str]]:
    """Resource -> field -> type, of the resources that flows use; custom fields that flows want by their own names."""
    found: dict[str, dict[str, str]] = {}
    resources = opened.resources()
    for resource in world.resources(system):
        if resource in resources:
            found[resource] = {name: info.type for name, info in (await resources[resource].fields()).items()}
    if isinstance(opened, Preparable):
        wanted = wanted_custom_fields(world, system)
        missing = set(await opened.missing(wanted))
        for resource, paths in wanted.items():
            have = {path: info.type for path, info in paths.items() if f"{resource}.{path}" not in missing}
            found.setdefault(resource, {}).update(have)
    return found


def used_places(world: World, system: str, resource: str) -> dict[str, list[str]]:
    """Far place -> flows that read or write it."""
    used: dict[str, list[str]] = {}
    for flow in world.flows_of(system, resource):
        for expr in world.lenses[(flow.name, system)].exprs.values():
            for place in places(expr):
                if flow.name not in used.setdefault(place, []):
                    used[place].append(flow.name)
    return used


def _news(
    system: str, resource: str, before: Mapping[str, FarField], present: Mapping[str, str], now: datetime
) -> list[FarField]:
    """The fields of a resource that are not as they were. One that shows no field at all was not read."""
    news: list[FarField] = []
    for name, kind in present.items():
        old = before.get(name)
        if old is None:
            # The first time everything is as it should be.
            at = now if before else None
            news.append(FarField(system=system, resource=resource, name=name, type=kind, changed_at=at))
        elif old.type != kind and ANY not in (old.type, kind):
            news.append(replace(old, type=kind, former_type=old.type, changed_at=now, gone_at=None))
        elif old.gone_at is not None:
            news.append(replace(old, former_type="", changed_at=now, gone_at=None))
    gone = [field for name, field in before.items() if name not in present and field.gone_at is None]
    return news + [replace(field, gone_at=now) for field in gone if present]


async def _follow(hub: Hub, system: str, resource: str, gone: Collection[str]) -> None:
    """Let the flows of this process do without what is missing, try again what was refused for it, and read anew what
    is back. Each process does so when it learns of it: what one reads that does not know yet is read once more."""
    gone = frozenset(gone)
    gone_before = hub.world.gone(system, resource)
    hub.world.lose(system, resource, gone)
    if gone - gone_before:
        parked = await Reads(hub.store).parked(system=system, limit=PARKED)
        stuck = [
            link.id
            for link in parked
            if link.resource == resource and link.problem is not None and _about(link.problem.field, gone)
        ]
        await retry(hub.store, stuck, clock())
    if gone_before - gone:
        await hub.store.read_anew(system, resource)


def what_happened(field: FarField) -> str:
    """appeared, vanished or retyped."""
    return "vanished" if field.gone_at is not None else "retyped" if field.former_type else "appeared"


def _about(named: str | None, gone: Collection[str]) -> bool:
    """Whether a refusal names a missing field, as the system or as the hub calls custom fields."""
    return named is not None and (named in gone or f"{CUSTOM}.{named}" in gone)


def _tell(world: World, news: Sequence[FarField]) -> None:
    for field in news:
        flows = used_places(world, field.system, field.resource).get(field.name, [])
        levels = {"vanished": logging.ERROR, "retyped": logging.WARNING}
        events.emit(
            events.FIELD_CHANGED,
            levels.get(what_happened(field), logging.INFO) if flows else logging.INFO,
            system=field.system,
            resource=field.resource,
            field=field.name,
            what=what_happened(field),
            type=field.type,
            flows=",".join(flows),
        )
