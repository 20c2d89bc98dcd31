"""Pausing systems, and one system with all that is known of how it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from isthmus.app.access import Access, Principal
from isthmus.app.bootstrap import clock
from isthmus.errors import NeedsPerson
from isthmus.model.state import FeedState, Pause
from isthmus.project import Project
from isthmus.project.references import Reference, references_of
from isthmus.store import PostgresStore, Reads
from isthmus.store.reads import HookCount, SystemWrites
from isthmus.sync.world import World

__all__ = ["Pausing", "SystemView", "system_views"]

LONGEST_REASON = 200
RECENT = timedelta(hours=1)
"""The time whose writes are told."""
REFUSED = "unauthorized"


class SystemView(msgspec.Struct, frozen=True, kw_only=True):
    """One far system."""

    name: str
    kind: str
    pauses: Sequence[Pause]
    writes: SystemWrites | None
    """Of the last hour."""
    hooks: HookCount | None
    feeds: Sequence[FeedState]
    references: Sequence[Reference]
    """Where its secrets stand."""
    accepted_at: datetime | None
    """When it last answered a look, and so took our credentials."""
    refused_since: datetime | None
    """Since when it refuses our credentials, if it does."""

    @property
    def paused(self) -> Pause | None:
        """The pause of the system as a whole."""
        return next((one for one in self.pauses if not one.resource), None)

    def paused_resource(self, resource: str) -> Pause | None:
        """The pause of this one resource."""
        return next((one for one in self.pauses if one.resource == resource), None)


async def system_views(reads: Reads, project: Project, now: datetime) -> dict[str, SystemView]:
    """All systems of the project, by name."""
    pauses, feeds = await reads.pauses(), await reads.feeds()
    writes = {one.system: one for one in await reads.system_writes(now - RECENT)}
    hooks = {one.system: one for one in await reads.hook_counts()}
    found = {}
    for name, system in project.systems.items():
        mine = [feed for feed in feeds if feed.system == name]
        refusing = [f.failing_since for f in mine if f.failing_since and f.problem and f.problem.code == REFUSED]
        found[name] = SystemView(
            name=name,
            kind=system.kind,
            pauses=[pause for pause in pauses if pause.system == name],
            writes=writes.get(name),
            hooks=hooks.get(name),
            feeds=mine,
            references=references_of(project.folder, name),
            accepted_at=max((feed.polled_at for feed in mine if feed.polled_at is not None), default=None),
            refused_since=min(refusing, default=None),
        )
    return found


class Pausing:
    """The use cases, for one person."""

    def __init__(
        self, store: PostgresStore, world: World, me: Principal, *, now: Callable[[], datetime] = clock
    ) -> None:
        self._store, self._world, self._me, self._now = store, world, me, now
        self._access = Access(store, now=now)

    async def pause(self, system: str, resource: str = "", reason: str = "") -> Pause:
        """No process of the hub calls the system (or this resource of it) from now on; a call that is under way ends.
        Raises ``NeedsPerson`` when there is no such place, or it is paused already."""
        self._check(system, resource)
        pause = Pause(system, resource, self._me.login, self._now(), reason.strip()[:LONGEST_REASON])
        await self._note("system paused", system, resource, pause.reason)
        if not await self._store.add_pause(pause):
            raise NeedsPerson(f"{_name(system, resource)} is paused already.")
        return pause

    async def resume(self, system: str, resource: str = "") -> None:
        """It is looked at and written again, at once. Raises ``NeedsPerson`` when it is not paused."""
        await self._note("system resumed", system, resource, "")
        if not await self._store.end_pause(system, resource):
            raise NeedsPerson(f"{_name(system, resource)} is not paused.")

    def _check(self, system: str, resource: str) -> None:
        if system not in self._world.systems():
            known = ", ".join(self._world.systems())
            raise NeedsPerson(f"No flow uses a system '{system}'.", advice=f"Known: {known}.")
        if resource and resource not in self._world.resources(system):
            known = ", ".join(self._world.resources(system))
            raise NeedsPerson(f"No flow uses '{resource}' of {system}.", advice=f"Used by flows: {known}.")

    async def _note(self, action: str, system: str, resource: str, reason: str) -> None:
        detail = {name: value for name, value in (("resource", resource), ("reason", reason)) if value}
        await self._access.note(self._me.login, action, system, detail)


def _name(system: str, resource: str) -> str:
    return f"{system} {resource}".strip()
