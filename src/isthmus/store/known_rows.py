"""Items and links as this process read or saved them last, so that a row which nobody has changed since is not fetched,
parsed and made anew each time the engine comes back to it: one change is looked at in four transactions.

Nothing is believed that the database does not confirm: every transaction asks for (and locks) the rows it needs, and
what it gets is where each row's present version lies (``ctid``) and which transaction wrote it (``xmin``). Only when
both are the known ones is the known row taken; any write to the row by anybody makes another version.
"""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.model.state import Item, Link

__all__ = ["KnownRows", "Recent"]

MOST = 6_000
"""Rows of one kind kept, at least; never more than twice as many. A link takes about two kilobytes."""

type Version = tuple[str, str]
"""``ctid`` and ``xmin`` of a row as it is now."""


class Recent[S]:
    """The rows asked for or saved last, by id."""

    def __init__(self) -> None:
        self._young: dict[str, tuple[Version, S]] = {}
        self._old: dict[str, tuple[Version, S]] = {}

    def find(self, id: str, version: Version) -> S | None:
        """The row, if this is the version known of it."""
        known = self._young.get(id)
        if known is None:
            known = self._old.get(id)
            if known is None or known[0] != version:
                return None
            self.keep(id, *known)
        return known[1] if known[0] == version else None

    def keep(self, id: str, version: Version, row: S) -> None:
        """Know this row; those that nobody asked for are forgotten, a generation at a time."""
        if len(self._young) >= MOST:
            self._old, self._young = self._young, {}
        self._young[id] = (version, row)

    def drop(self, id: str) -> None:
        """Know nothing of this row."""
        self._young.pop(id, None)
        self._old.pop(id, None)


class KnownRows:
    """What one store knows of the rows in its database."""

    def __init__(self) -> None:
        self.links: Recent[Link] = Recent()
        self.items: Recent[Item] = Recent()

    def forget(self) -> None:
        """The connection broke: perhaps it is another database that answers next."""
        self.links, self.items = Recent(), Recent()

    def keep_links(self, links: Sequence[Link], versions: Sequence[tuple[str, str, str]]) -> None:
        """Links just saved, with (id, ctid, xmin) of each."""
        by_id = {link.id: link for link in links}
        for id, ctid, xmin in versions:
            self.links.keep(id, (ctid, xmin), by_id[id])

    def keep_items(self, items: Sequence[Item], versions: Sequence[tuple[str, str, str]]) -> None:
        """Items just saved, with (id, ctid, xmin) of each."""
        by_id = {item.id: item for item in items}
        for id, ctid, xmin in versions:
            self.items.keep(id, (ctid, xmin), by_id[id])
