"""Ids of things that people call by name or code: countries, languages, payment terms, units."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from isthmus.connectors.tryton.rpc import Rpc
from isthmus.errors import Rejected

__all__ = ["Names"]

_LIFETIME = 300.0
"""Seconds an id is believed; names are changed rarely, and a wrong id is refused by Tryton itself."""


class Names:
    """Looks up ids by name and remembers them for a while."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc
        self._known: dict[tuple[str, str, str], tuple[float, int]] = {}

    async def find(self, model: str, field: str, value: str, domain: Sequence[Any] = ()) -> int | None:
        """Id of the one record of ``model`` whose ``field`` is ``value``; None when there is none.

        Raises ``Rejected`` when several have that name.
        """
        slot = (model, f"{field}{list(domain)}", value)
        known = self._known.get(slot)
        if known and known[0] > time.monotonic():
            return known[1]
        found = await self._rpc.call(
            f"model.{model}.search_read", [[field, "=", value], *domain], 0, 2, [["id", "ASC"]], ["id"]
        )
        if len(found) > 1:
            raise Rejected(f"Tryton has several records of {model} called '{value}'.")
        if not found:
            return None
        self._known[slot] = (time.monotonic() + _LIFETIME, int(found[0]["id"]))
        return int(found[0]["id"])

    async def need(
        self, model: str, field: str, value: str, *, ours: str, what: str, domain: Sequence[Any] = ()
    ) -> int:
        """Like :meth:`find`, but ``Rejected`` at our field ``ours`` when there is no such ``what``."""
        found = await self.find(model, field, value, domain)
        if found is None:
            raise Rejected(
                f"Tryton has no {what} '{value}'.", field=ours, advice=f"Make the {what} in Tryton, or map the value."
            )
        return found

    async def optional(
        self, model: str, field: str, value: str | None, *, ours: str, what: str, domain: Sequence[Any] = ()
    ) -> int | None:
        """Like :meth:`need`, with None for no value."""
        return await self.need(model, field, value, ours=ours, what=what, domain=domain) if value else None

    async def country(self, code: str | None, *, ours: str = "addresses") -> int | None:
        """Id of a country by its ISO 3166-1 alpha-2 code."""
        return await self.optional(
            "country.country", "code", code.strip().upper() if code else None, ours=ours, what="country"
        )

    async def subdivision(self, name: str | None, country: int | None) -> int | None:
        """Id of a region by name, or by code (``DE-BY``), within a country."""
        if not name:
            return None
        within = [["country", "=", country]] if country else []
        by_code = await self.find("country.subdivision", "code", name.strip().upper(), within)
        if by_code is not None:
            return by_code
        return await self.need(
            "country.subdivision", "name", name.strip(), ours="addresses", what="subdivision", domain=within
        )
