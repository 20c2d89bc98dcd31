"""How often somebody may fail to sign in, or do what anybody may."""

from __future__ import annotations

from collections.abc import MutableMapping
from time import monotonic
from typing import Any

__all__ = ["Throttle"]

TRIES = 10
WINDOW_SECONDS = 300.0
REMEMBERED = 10_000


class Throttle:
    """So many failed tries for each name in a while, then no more: guessing passwords takes years."""

    def __init__(self, tries: int = TRIES, seconds: float = WINDOW_SECONDS) -> None:
        self._tries, self._seconds = tries, seconds
        self._failed: dict[str, list[float]] = {}

    @classmethod
    def of(cls, state: MutableMapping[str, Any]) -> Throttle:
        """The one of this web server: all its doors count together."""
        found: Throttle = state.setdefault("throttle", cls())
        return found

    def closed(self, *names: str) -> bool:
        """Whether one of them has used up its tries."""
        now = monotonic()
        for name in names:
            self._failed[name] = [at for at in self._failed.get(name, ()) if now - at < self._seconds]
        return any(len(self._failed[name]) >= self._tries for name in names)

    def failed(self, *names: str) -> None:
        """One more."""
        if len(self._failed) > REMEMBERED:
            self._failed.clear()
        for name in names:
            self._failed.setdefault(name, []).append(monotonic())
