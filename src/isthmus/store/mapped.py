"""Where flows kept each field in each system when they were in force last, and what is forgotten when that moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from isthmus.store.codec import payload

__all__ = ["MappedPlaces"]

_FACT = "mapped places"


class _Rows(Protocol):
    """The store itself, or a scratch copy of it."""

    async def rows(self, name: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run one named query on its own."""


class MappedPlaces:
    """The noted places, and the bases of links."""

    def __init__(self, store: _Rows) -> None:
        self._store = store

    async def known(self) -> dict[str, str]:
        """What was noted last, place by path; empty at first."""
        rows = await self._store.rows("recall", {"name": _FACT})
        return dict(msgspec.json.decode(rows[0][0])[""]) if rows else {}

    async def note(self, places: Mapping[str, str]) -> None:
        """Note these instead."""
        await self._store.rows("remember", {"name": _FACT, "value": payload({"": places})})

    async def forget(self, flow: str, system: str, path: Sequence[str]) -> int:
        """Nothing is agreed on any more about this field, or part of it, in this system; how many links had it."""
        found = await self._store.rows("forget_base", {"flow": flow, "system": system, "path": list(path)})
        return int(found[0][0])
