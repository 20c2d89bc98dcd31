"""Which systems and resources people have paused: asked before every call to a far system (SPEC 9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from isthmus.errors import Paused
from isthmus.model.state import Pause

__all__ = ["PauseBook"]


class PauseBook:
    """What is paused, as this process knows it. Filled from the store at the start and whenever somebody pauses or
    resumes anything."""

    def __init__(self) -> None:
        self._pauses: Mapping[tuple[str, str], Pause] = {}

    def fill(self, pauses: Iterable[Pause]) -> set[str]:
        """These are paused now, and no others; the systems for which something has changed."""
        before, now = self._pauses, {(one.system, one.resource): one for one in pauses}
        self._pauses = now
        return {system for system, _ in before.keys() ^ now.keys()}

    def of(self, system: str, resource: str = "") -> Pause | None:
        """Why this resource (or the system as a whole) is left alone; None: it is not."""
        return self._pauses.get((system, "")) or self._pauses.get((system, resource))

    def check(self, system: str, resource: str = "") -> None:
        """Raise :class:`Paused` when it is to be left alone."""
        pause = self.of(system, resource)
        if pause is not None:
            raise Paused(pause.sentence, advice=f"isthmus system resume {system}")
