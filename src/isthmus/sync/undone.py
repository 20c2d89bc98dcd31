"""Writes of ours that a save inside the far system has undone (SPEC 2, 3). Pure.

A system that saves whole records writes back everything that a form, or a call, had loaded, so that it undoes what we
have written since then. What it shows in our fields afterwards is nobody's edit, but what they had before. Taken for
one, it would go over the newer value in every other system. :mod:`isthmus.sync.regain` is about the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from isthmus.model.fields import Canonical, completed
from isthmus.model.state import Effect, Link

__all__ = ["MEMORY", "undone"]

MEMORY = timedelta(minutes=5)
"""So long after our write a save is expected that was made of what had been loaded before it, as by a form that was
open; the time until the hub reads the record is included."""
MOMENT = timedelta(seconds=2)
"""So soon after our write nobody has looked at it and taken it back by hand."""


def undone(
    link: Link, shown: Mapping[str, Canonical], writes: Sequence[Effect], read_at: datetime
) -> dict[str, Canonical]:
    """Fields that one save has set back to what they had been before our last writes, and that value: what the save was
    made upon, so the base to merge it with. ``writes``: what was, or may have been, done to the record within
    ``MEMORY``, newest first.

    A person may also mean it. So all that we wrote since then must show its old value, and something else must have
    changed with it, or no time have passed; and what is set back a second time stays so.
    """
    before: dict[str, Canonical] = {}
    found: dict[str, Canonical] = {}
    for write in writes:
        before |= {name: old for name, (old, _) in write.changes.items() if name in shown}
        if all(_shows(shown[name], old) for name, old in before.items()):
            found = {**before}
    found = {name: old for name, old in found.items() if not _shows(shown[name], link.base.get(name))}
    if any(_times(writes, name, old) > 1 for name, old in found.items()):
        return {}
    alone = not any(name not in found and not _shows(value, link.far.get(name)) for name, value in shown.items())
    return {} if alone and read_at > writes[0].at + MOMENT else found


def _times(writes: Sequence[Effect], name: str, old: Canonical) -> int:
    """How often this very value was written over."""
    return sum(name in w.changes and w.changes[name][0] == old for w in writes if w.outcome == "done")


def _shows(shown: Canonical, value: Canonical) -> bool:
    """Whether this is the value, as far as it says anything."""
    return bool(completed(shown, value) == value)
