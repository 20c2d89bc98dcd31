"""Complete scans over lists that move while they are read.

BottleCRM pages by limit and offset. While records are added or deleted, the rest of the list shifts, and a plain walk
skips records. What makes a walk complete: every list used here has a *place* per record that never changes (its id, or
the moment it was made), and is sorted by it. Each page starts a few rows before the last one ended; when its first
row does not reach back to the last row seen, records were deleted in between and the walk steps further back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from isthmus.errors import Rejected

__all__ = ["Walk", "Where", "next_page"]

_OVERLAP = 5
"""Rows read twice at the seam of two pages; grows when more were deleted in between."""


class Where(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Position of a walk, as it is kept in a cursor."""

    part: int = 0
    """Which of the lists that make up the walk."""
    offset: int = 0
    last: str | None = None
    """Place of the last row seen in this part."""

    def cursor(self) -> str:
        """As text."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def of(cls, cursor: str | None) -> Where:
        """Back from text; the start for None. Raises ``Rejected`` on a cursor of something else."""
        if cursor is None:
            return cls()
        try:
            return msgspec.json.decode(cursor, type=cls)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise Rejected("This cursor is not from a scan of BottleCRM.", advice="Start the scan again.") from error


class Walk(msgspec.Struct, frozen=True, kw_only=True):
    """How one resource is walked."""

    read: Callable[[Mapping[str, str]], Awaitable[Sequence[Mapping[str, Any]]]]
    """Rows of the list for these query parameters."""
    place: Callable[[Mapping[str, Any]], str]
    """The unchanging place of a row; the lists are sorted by it, descending."""
    unique: bool
    """No two rows share a place."""
    parts: Sequence[Mapping[str, str]] = ({},)
    """Extra parameters of the lists that are walked one after the other."""
    size: int = 200
    """Rows per page."""


async def next_page(walk: Walk, where: Where) -> tuple[list[Mapping[str, Any]], Where | None]:
    """The rows after ``where`` and the position after them, None when the walk is over."""
    overlap = _OVERLAP
    while True:
        start = max(0, where.offset - overlap)
        # Reads as far as a page without stepping back would, so that every page gets on.
        limit = walk.size + where.offset - start
        rows = await walk.read({"limit": str(limit), "offset": str(start), **walk.parts[where.part]})
        if start == 0 or where.last is None or (rows and _joins(walk, walk.place(rows[0]), where.last)):
            break
        overlap *= 8
    fresh = [row for row in rows if where.last is None or not _seen(walk, walk.place(row), where.last)]
    if len(rows) >= limit:
        return fresh, Where(part=where.part, offset=start + len(rows), last=walk.place(rows[-1]))
    if where.part + 1 < len(walk.parts):
        return fresh, Where(part=where.part + 1)
    return fresh, None


def _joins(walk: Walk, first: str, last: str) -> bool:
    """Whether a page whose first row is at ``first`` leaves no gap behind ``last``. Rows with equal places have no
    order among themselves, so then the page must start before all of them."""
    return first >= last if walk.unique else first > last


def _seen(walk: Walk, place: str, last: str) -> bool:
    """Whether a row was surely given by an earlier page."""
    return place >= last if walk.unique else place > last
