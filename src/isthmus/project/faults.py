"""Collects what is wrong with a project, so that a person sees all of it at once."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Sequence

from isthmus.errors import Misconfigured, Place

__all__ = ["Faults", "ProjectErrors", "nearest"]


class ProjectErrors(Misconfigured):
    """Everything that is wrong in a project: ``errors`` in the order of files and lines, at least one."""

    code = Misconfigured.code

    def __init__(self, errors: Sequence[Misconfigured]) -> None:
        first = errors[0]
        super().__init__(first.message, place=first.place, advice=first.advice)
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


def nearest(name: str, known: Iterable[str]) -> str:
    """Advice for an unknown name: the likeliest known one, else all of them; empty when there are none."""
    names = sorted(str(word) for word in known)
    folded = {word.casefold(): word for word in names}
    close = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    if close:
        return f"Did you mean '{folded[close[0]]}'?"
    if not names:
        return ""
    shown = names[:20]
    return f"Known: {', '.join(shown)}{' …' if len(names) > len(shown) else ''}."


class Faults:
    """A list of errors being collected while reading goes on."""

    def __init__(self) -> None:
        self.found: list[Misconfigured] = []

    def add(self, place: Place | None, message: str, advice: str = "") -> None:
        """Remember one error; the same one is kept once."""
        error = Misconfigured(message, place=place, advice=advice)
        if str(error) not in map(str, self.found):
            self.found.append(error)

    def unknown(self, place: Place, what: str, name: str, known: Collection[str]) -> None:
        """Remember that ``name`` is no known ``what``, with the nearest known one."""
        self.add(place, f"Unknown {what} '{name}'.", nearest(name, known))

    def check(self) -> None:
        """Raise :class:`ProjectErrors` when anything was found."""
        if self.found:
            raise ProjectErrors(sorted(self.found, key=_position))


def _position(error: Misconfigured) -> tuple[str, int, int]:
    place = error.place
    return (place.file, place.line, place.column) if place else ("", 0, 0)
