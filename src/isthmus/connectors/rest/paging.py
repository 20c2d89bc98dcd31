"""Lists page by page, so that no record that is there all the time is ever skipped.

Cursors of the server (``cursor``, ``link``, ``next``) are trusted. Page numbers and offsets shift when records are
deleted or inserted during the scan; each request therefore overlaps with the page before, and if none of its last
records is found there, the scan goes back until it stands on known ground.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from isthmus.connector import Response
from isthmus.connectors.rest.definition import ListDef
from isthmus.connectors.rest.session import Session, refusal
from isthmus.connectors.rest.values import MISSING, at
from isthmus.errors import Misconfigured, Unavailable

__all__ = ["Lister", "Listing", "Place"]

_ANCHORS = 3
"""Records at the end of a page by which the next one is tied to it."""


_ENDS = frozenset({404, 416})
"""How some systems answer a page after the last."""


class Place(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a listing goes on."""

    start: int = 0
    """Offset of the next record, or number of pages read."""
    anchors: list[str] = []
    mark: str = ""
    """The server's own cursor or address."""


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """One page as it came."""

    raws: Sequence[Any]
    next: Place | None
    answer: Response


class Lister:
    """Reads the list of one resource; ``key_of`` gives the key of a raw record."""

    def __init__(
        self,
        session: Session,
        definition: ListDef,
        query: Mapping[str, Any],
        headers: Mapping[str, str],
        key_of: Callable[[Any], str],
    ) -> None:
        self._session = session
        self._definition = definition
        self._paging = definition.paging
        self._query = {**query, **definition.query}
        self._headers = headers
        self._key_of = key_of

    async def page(self, path: str, place: Place | None, more: Mapping[str, Any]) -> Listing:
        """The page at a place (None: the first), with further query parameters.

        Raises ``Unavailable`` if the answer is not a list, ``Misconfigured`` if the address is refused.
        """
        place = place or Place()
        match self._paging.kind:
            case "offset":
                return await self._by_offset(path, place, more)
            case "page":
                return await self._by_page(path, place, more)
            case "cursor":
                words = {self._paging.name or "cursor": place.mark} if place.mark else {}
                answer = await self._get(path, {**self._sized(), **more, **words})
                return self._marked(answer, at(answer.json(), self._paging.path))
            case "next" | "link":
                answer = await self._get(place.mark or path, {} if place.mark else {**self._sized(), **more})
                return self._marked(answer, self._address(answer))
        answer = await self._get(path, more)
        return Listing(raws=self._records(answer), next=None, answer=answer)

    def _sized(self) -> dict[str, Any]:
        return {self._paging.size_name: self._paging.size} if self._paging.size_name else {}

    async def _get(self, path: str, words: Mapping[str, Any], *, may_end: bool = False) -> Response:
        """One list call; ``may_end``: a 404 or 416 says that there is no such page any more."""
        constant = {} if "?" in path else self._query
        answer = await self._session.call("GET", path, query={**constant, **words}, headers=self._headers)
        if answer.status >= 400 and not (may_end and answer.status in _ENDS):
            error = refusal(answer, self._session.api.errors)
            raise Misconfigured(f"The list {path} was refused (status {answer.status}): {error.message}")
        return answer

    def _records(self, answer: Response) -> list[Any]:
        if answer.status in _ENDS:
            return []
        raws = at(answer.json(), self._definition.records)
        if not isinstance(raws, list):
            raise Unavailable(
                f"There is no list at '{self._definition.records}' in the answer.",
                advice="Correct list.records in the definition.",
            )
        return raws

    def _total(self, answer: Response) -> int | None:
        known = self._paging.total and answer.status not in _ENDS
        total = at(answer.json(), self._paging.total) if known else MISSING
        return total if isinstance(total, int) else None

    async def _by_offset(self, path: str, place: Place, more: Mapping[str, Any]) -> Listing:
        name, size = self._paging.name or "offset", self._paging.size
        anchors = place.anchors if self._paging.verify else []
        start = max(0, place.start - len(anchors))
        while True:
            answer = await self._get(path, {**self._sized(), **more, name: start}, may_end=start > 0)
            raws = self._records(answer)
            keys = [self._key_of(raw) for raw in raws]
            if start == 0 or not anchors or set(keys) & set(anchors):
                break
            start = max(0, start - size + 1)
        total, end = self._total(answer), start + len(raws)
        done = not set(keys) - set(anchors) or (total is not None and end >= total)
        return Listing(raws=raws, next=None if done else Place(start=end, anchors=_tail(keys)), answer=answer)

    async def _by_page(self, path: str, place: Place, more: Mapping[str, Any]) -> Listing:
        """The next page and the one before again: if the last known records are not there any more, the scan goes back
        until it finds them, or to the first page."""
        answer = await self._numbered(path, place.start, more)
        raws = self._records(answer)
        anchors = place.anchors if self._paging.verify else []
        number, done = place.start, not raws
        if number and anchors:
            raws = self._records(await self._numbered(path, number - 1, more)) + raws
            while number and not _known(raws, anchors, self._key_of):
                number, done = number - 1, False
                answer = await self._numbered(path, number, more)
                raws = self._records(answer)
        keys = [self._key_of(raw) for raw in raws]
        total = self._total(answer)
        done = done or (total is not None and (number + 1) * self._paging.size >= total)
        fresh = raws[_known(raws, anchors, self._key_of) :]
        return Listing(raws=fresh, next=None if done else Place(start=number + 1, anchors=_tail(keys)), answer=answer)

    async def _numbered(self, path: str, pages: int, more: Mapping[str, Any]) -> Response:
        name = self._paging.name or "page"
        words = {**self._sized(), **more, name: self._paging.first + pages}
        return await self._get(path, words, may_end=pages > 0)

    def _marked(self, answer: Response, mark: Any) -> Listing:
        following = Place(mark=str(mark)) if mark not in (None, MISSING, "", False) else None
        return Listing(raws=self._records(answer), next=following, answer=answer)

    def _address(self, answer: Response) -> str:
        """Path and query of the next page. Only the path is used: our credentials never go to another host."""
        if self._paging.kind == "next":
            found = at(answer.json(), self._paging.path)
            address = found if isinstance(found, str) else ""
        else:
            link = re.search(r'<([^>]*)>\s*;[^,]*rel="?next"?', answer.headers.get("link", ""))
            address = link[1] if link else ""
        if not address:
            return ""
        parts = urlsplit(address)
        base = self._session.base_path
        path = parts.path.removeprefix(base) if base else parts.path
        return path + (f"?{parts.query}" if parts.query else "")


def _tail(keys: Sequence[str]) -> list[str]:
    """The last keys of a page, but never all of them: a page must bring something new."""
    count = min(_ANCHORS, len(keys) - 1)
    return list(keys[len(keys) - count :]) if count > 0 else []


def _known(raws: Sequence[Any], anchors: Sequence[str], key_of: Callable[[Any], str]) -> int:
    """How many records there are up to the last anchor; 0 if none of the anchors is among them."""
    return max((at for at, raw in enumerate(raws, 1) if key_of(raw) in anchors), default=0)
