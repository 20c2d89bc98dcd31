"""Which records of a page could mean anything: unchanged and stale readings fall out, cheaply. Pure."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime

from msgspec.structs import replace

from isthmus import events
from isthmus.connector import Change, Gone, Record, Traits
from isthmus.mapping import Got, Lens
from isthmus.model.state import Link, LinkState
from isthmus.sync.absorb import Seen, is_stale
from isthmus.sync.world import World

__all__ = ["READABLE", "Reading", "Sieve"]

_EMPTY = Got({})
READABLE = frozenset({LinkState.NEW, LinkState.DOUBTFUL, LinkState.LINKED, LinkState.GONE})

type Reading = tuple[str, Link | None, Change, bytes | None]
"""Flow, link, what was read, and the digest of that where it was made already."""


class Sieve:
    """For one resource of one system."""

    def __init__(self, world: World, system: str, name: str, traits: Traits, clock: Callable[[], datetime]) -> None:
        self._world, self._system, self._name, self._traits, self._clock = world, system, name, traits, clock

    def sift(
        self, latest: Mapping[str, Change], by_key: Mapping[str, Mapping[str, Link]], read_at: datetime
    ) -> tuple[list[Reading], list[Link]]:
        """What could mean anything: unchanged and stale readings fall out here, cheaply. And the links whose reading
        came so soon after the last one, or after our write, that it may show the state before: they are read again."""
        found: list[Reading] = []
        early: list[Link] = []
        for key, change in latest.items():
            for flow in self._world.flows_of(self._system, self._name):
                link = by_key.get(key, {}).get(flow.name)
                lens = self._world.lenses[(flow.name, self._system)]
                until = _unsettled(link, change, read_at, self._traits) if link is not None else None
                if link is not None and until is not None and _differs(link, change, lens):
                    early.append(replace(link, waits_for="read", due_at=until))
                    continue
                if isinstance(change, Gone):
                    if link is not None and not _older(link, read_at):
                        found.append((flow.name, link, change, None))
                    continue
                if link is None:
                    if flow.sides[self._system].adopt and lens.selects(change.fields):
                        found.append((flow.name, None, change, None))
                    continue
                digest = lens.digest(change.fields)
                if self._is_stale(link, change, digest, read_at):
                    if self._may_be_news(link, change, digest):
                        early.append(replace(link, waits_for="read", due_at=self._clock()))
                    elif link.state in READABLE and digest != link.digest:
                        events.emit(events.STALE_DROPPED, logging.DEBUG, system=self._system, key=change.key)
                elif link.state in READABLE and not _is_calm(link, digest):
                    found.append((flow.name, link, change, digest))
        return found, early

    def _is_stale(self, link: Link, change: Record, digest: bytes, read_at: datetime) -> bool:
        seen = Seen(key=change.key, got=_EMPTY, version=change.version, digest=digest, read_at=read_at)
        return is_stale(link, seen, self._traits)

    def _may_be_news(self, link: Link, change: Record, digest: bytes) -> bool:
        """Whether a reading that must be dropped as stale may be news all the same: it began before our last write
        ended and shows something else. A feed will not show it again, so the record is read once more."""
        versions = change.version is not None and link.far_version is not None
        ordered = self._traits.ordered_versions and versions
        return link.state is LinkState.LINKED and not ordered and digest != link.digest


def _is_calm(link: Link, digest: bytes) -> bool:
    """Whether the link stands as it was last read, and waits for nothing."""
    return link.state is not LinkState.GONE and link.waits_for is None and digest == link.digest


def _older(link: Link, read_at: datetime) -> bool:
    """Whether the read began before the link's last read, or before our last write ended."""
    return any(at is not None and read_at < at for at in (link.seen_at, link.written_at))


def _differs(link: Link, change: Change, lens: Lens) -> bool:
    """Whether the reading shows something else than the last one did."""
    if isinstance(change, Gone):
        return link.state is not LinkState.GONE
    return link.state is LinkState.GONE or lens.digest(change.fields) != link.digest


def _unsettled(link: Link, change: Change, read_at: datetime, traits: Traits) -> datetime | None:
    """Until when a reading that began then may show an older state than the hub knows already: within the settle time
    after our write, and after the last reading, whoever had changed the record before that: somebody in the far system,
    or a write of ours that was not answered. None: it may not, or its version tells."""
    if not traits.settle or link.state not in READABLE or _older(link, read_at):
        return None
    version = None if isinstance(change, Gone) else change.version
    same = version is not None and version == link.far_version and link.state is not LinkState.GONE
    told = same or (traits.ordered_versions and version is not None and link.far_version is not None)
    known = [at for at in (link.written_at, None if told else link.seen_at) if at is not None]
    until = max(known) + traits.settle if known else read_at
    return until if read_at < until else None
