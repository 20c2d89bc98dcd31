"""Items together with those they were merged into (SPEC 7)."""

from __future__ import annotations

from collections.abc import Collection

from isthmus.model.state import Item
from isthmus.sync.ports import Transaction

__all__ = ["with_heirs"]


async def with_heirs(tx: Transaction, ids: Collection[str]) -> dict[str, Item]:
    """These items by id, and of those that were merged what they were merged into, to the end."""
    found = await tx.items(ids)
    while missing := {item.alias_of for item in found.values() if item.alias_of is not None} - set(found):
        more = await tx.items(missing)
        if not more:
            break
        found |= more
    return found
