"""Workers as the database sees them: sessions that hold the workers' lock, with who they are in their title."""

from __future__ import annotations

from datetime import datetime

import msgspec

__all__ = ["Worker", "seen_worker"]

_LONGEST = 63
"""Bytes of a session's title that PostgreSQL keeps."""


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """One process of the hub. ``kind`` is the command that runs it: ``run`` or ``worker``."""

    kind: str
    host: str
    pid: int
    since: datetime | None = None
    """When its session began; None for one that is about to join."""

    @property
    def title(self) -> str:
        """The name of its session; a long host name is cut."""
        head, tail = f"isthmus {self.kind} ", f":{self.pid}"
        room = _LONGEST - len(head) - len(tail)
        return head + self.host.encode("ascii", "replace").decode()[:room] + tail


def seen_worker(title: str, since: datetime) -> Worker:
    """The worker whose session has this title."""
    _, kind, place = title.split(" ", 2)
    host, _, pid = place.rpartition(":")
    return Worker(kind=kind, host=host, pid=int(pid), since=since)
