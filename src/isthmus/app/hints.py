"""Webhooks: subscribing at the far systems, and handing what they say on as hints."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from isthmus.connector import System, Webhook
from isthmus.errors import IsthmusError
from isthmus.model.state import Sighting

__all__ = ["HintDesk", "HintStore"]


class HintStore(Protocol):
    """Where hints are kept until a process of the hub follows them."""

    async def add_hints(self, hints: Collection[tuple[str, str, str]], sightings: Collection[Sighting] = ()) -> None:
        """Keep (system, resource, key); key "" means the whole resource."""

    async def count_hook(self, system: str, now: datetime, *, refused: bool) -> None:
        """Count a webhook."""


class HintDesk:
    """Takes webhooks for the systems that can send them."""

    def __init__(self, store: HintStore, systems: Mapping[str, System]) -> None:
        self._store = store
        self._all = systems
        """Asked anew each time: a system that is down or paused at the start is added later."""

    @property
    def _systems(self) -> dict[str, Webhook]:
        return {name: system for name, system in self._all.items() if isinstance(system, Webhook)}

    async def subscribe(self, public_url: str) -> dict[str, str]:
        """Ask every system that can to call us; system -> problem, for those where it failed (they are polled)."""
        problems: dict[str, str] = {}
        for name, system in self._systems.items():
            try:
                await system.subscribe(f"{public_url}/hooks/{name}")
            except IsthmusError as error:
                problems[name] = str(error)
        return problems

    async def take(self, system: str, headers: Mapping[str, str], body: bytes, now: datetime) -> int:
        """Check one webhook and remember where to look; how many places. Raises ``LookupError`` for an unknown
        system, ``Unauthorized`` for a bad signature, ``Rejected`` for a body that cannot be read."""
        sender = self._systems.get(system)
        if sender is None:
            raise LookupError(system)
        try:
            hints = sender.verify(headers, body, now)
        except IsthmusError:
            await self._store.count_hook(system, now, refused=True)
            raise
        await self._store.count_hook(system, now, refused=False)
        places = [(system, hint.resource, key) for hint in hints for key in (hint.keys or ("",))]
        sightings = [
            Sighting(system=system, resource=hint.resource, key=key, at=now, fields=hint.shown)
            for hint in hints
            if hint.shown
            for key in hint.keys
        ]
        await self._store.add_hints(places, sightings)
        return len(places)
