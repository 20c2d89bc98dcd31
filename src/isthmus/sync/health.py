"""Which systems and resources are left alone for a while because they failed, and for how long.

A system that cannot be reached, asks us to slow down or refuses our login is down as a whole; any other error concerns
one resource only, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from isthmus.errors import IsthmusError, Retryable, Unauthorized
from isthmus.sync.outcome import pause

__all__ = ["LONGEST", "Health"]

LONGEST = timedelta(seconds=10)
"""A system that is down is tried again at least this often: when it is back, people wait for it."""
STUCK = timedelta(seconds=60)
"""Longest pause after an error that does not pass by itself. The first ones are short all the same: a system that
starts may say anything for a second."""

type Place = tuple[str, str | None]


class Health:
    """Failures and pauses, in memory: every process finds out for itself."""

    def __init__(self, clock: Callable[[], datetime], jitter: Callable[[], float]) -> None:
        self._clock, self._jitter = clock, jitter
        self._failed: dict[Place, tuple[int, datetime]] = {}

    def failed(self, system: str, resource: str, error: IsthmusError) -> bool:
        """Note a failure; True when it is the first since the last success."""
        whole = isinstance(error, Retryable | Unauthorized)
        place: Place = (system, None if whole else resource)
        now = self._clock()
        tries, back = self._failed.get(place, (0, now))
        if tries and now < back:
            # Several calls were under way when it went down: one outage, one pause.
            return False
        longest, wait = (LONGEST, error.wait) if isinstance(error, Retryable) else (STUCK, None)
        # Logins are tried less often: many systems lock an account after a few that fail.
        delay = pause(tries + 3 if isinstance(error, Unauthorized) else tries, self._jitter(), wait)
        delay = max(min(delay, longest), timedelta(seconds=wait or 0))
        self._failed[place] = (tries + 1, now + delay)
        return tries == 0

    def answered(self, system: str, resource: str) -> bool:
        """Note a success; True when it was down before."""
        was_down = self._failed.pop((system, None), None) is not None
        return self._failed.pop((system, resource), None) is not None or was_down

    def back_at(self, system: str, resource: str | None = None) -> datetime | None:
        """When the system (or this resource of it) is tried again; None when it is fine."""
        places: list[Place] = [(system, None), (system, resource)]
        times = [self._failed[place][1] for place in places if place in self._failed]
        return max(times, default=None)

    def is_down(self, system: str, resource: str | None = None) -> bool:
        """Whether it is left alone now."""
        back = self.back_at(system, resource)
        return back is not None and self._clock() < back
