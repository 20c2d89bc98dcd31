"""What read models need of a store: running one named query on its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

__all__ = ["SingleQueries"]


class SingleQueries(Protocol):
    """A store, as far as single queries go."""

    async def rows(self, name: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run one named query on its own."""
