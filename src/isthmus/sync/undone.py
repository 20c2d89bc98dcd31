"""Writes of ours that a save inside the far system has undone (SPEC 2, 3). Pure.

A system that saves whole records writes back everything that a form, or a call, had loaded, so that it undoes what we
have written since then. What it shows in our fields afterwards is nobody's edit, but what they had before. Taken for
one, it would go over the newer value in every other system. :mod:`isthmus.sync.regain` is about the other way round.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from isthmus.model.fields import Canonical, completed, covers
from isthmus.model.state import Effect, Link

__all__ = ["MEMORY", "seen_again", "set_back", "undone"]

MEMORY = timedelta(minutes=5)
"""So long after our write a save is expected that was made of what had been loaded before it, as by a form that was
open; the time until the hub reads the record is included."""
MOMENT = timedelta(seconds=2)
"""So soon after our write nobody has looked at it and taken it back by hand."""


def undone(
    link: Link,
    shown: Mapping[str, Canonical],
    hub: Mapping[str, Canonical],
    writes: Sequence[Effect],
    read_at: datetime,
    unread: Collection[str] = (),
) -> tuple[dict[str, Canonical], dict[str, Canonical]]:
    """The base to merge one save with that was made upon an older copy: fields written since, and what that copy held.
    ``hub``: its values from elsewhere; what shows them may be a write of ours that is under way. ``writes``: what was,
    or may have been, done to the record within ``MEMORY``, newest first. ``unread``: fields that the record does not
    show now, or not all of. All values are in the system's view.

    A person may also mean it. So nothing that we wrote since then may be left, at least one field must show its old
    value, and something else must have changed with it, or no time have passed; and a field that is set back a second
    time stays so. Whether something has changed that is ``unread`` nobody can tell: it counts as changed.

    And what such a copy held of what is ``unread``, where this may be one: see :func:`seen_again`.
    """
    moved = {n for n, value in shown.items() if not _shows(value, link.base.get(n)) and not _shows(value, hub.get(n))}
    found: dict[str, Canonical] = {}
    unseen: dict[str, Canonical] = {}
    for count in range(1, len(writes) + 1):
        copy = _copy(link, shown, writes[:count], writes[count:])
        copy = {n: old for n, old in copy.items() if not _shows(link.base.get(n), old)}
        # The first moment at which it can have been made: where that cannot be told, rather a question than a loss.
        made = {n: old for n, old in copy.items() if n in moved}
        found = made if set_back(shown, made) else found
        hidden = {n: old for n, old in copy.items() if n in unread and n not in moved and _may_show(shown, n, old)}
        unseen = hidden or unseen
    found, unseen = (_not_twice(writes, shown, hub, copy) for copy in (found, unseen))
    back = set_back(shown, found)
    changed = any(name not in back and not _shows(shown[name], link.far.get(name)) for name in moved)
    known = bool(back) and (changed or bool(unread) or read_at <= writes[0].at + MOMENT)
    return found if known else {}, unseen if known or changed else {}


def seen_again(link: Link, shown: Mapping[str, Canonical], unread: Collection[str]) -> dict[str, Canonical]:
    """The base to merge with what the record did not show when it may have been saved from an older copy
    (:attr:`Link.unseen`), and shows now: what that copy held, where it is not what was agreed on."""
    seen = {n: old for n, old in link.unseen.items() if n in shown and n not in unread and n in link.base}
    return {name: old for name, old in seen.items() if not _shows(shown[name], link.base[name])}


def _not_twice(
    writes: Sequence[Effect],
    shown: Mapping[str, Canonical],
    hub: Mapping[str, Canonical],
    copy: Mapping[str, Canonical],
) -> dict[str, Canonical]:
    """Without what shows again, or may show again, what we have written over once before."""
    return {
        name: old
        for name, old in copy.items()
        if not _may_show(shown, name, old) or _times(writes, name, (old, hub.get(name))) <= 1
    }


def _copy(
    link: Link, shown: Mapping[str, Canonical], since: Sequence[Effect], before: Sequence[Effect]
) -> dict[str, Canonical]:
    """What a copy held that was made between these writes; nothing when the record shows that there was none, as
    something that we have written since is left."""
    copy: dict[str, Canonical] = {}
    later: dict[str, list[Canonical]] = {}
    for write in since:
        for name in write.changes:
            later.setdefault(name, []).append(copy.get(name, link.base.get(name)))
            copy[name] = write.changes[name][0]
    for name, old in copy.items():
        if _may_show(shown, name, old):
            continue
        # Somebody may have changed it between the two writes, before or after the copy was made.
        written = next((w.changes[name][1] for w in before if name in w.changes), old)
        if covers(shown[name], written):
            copy[name] = shown[name]
        elif any(_shows(shown[name], value) for value in later[name]):
            return {}
    return copy


def set_back(shown: Mapping[str, Canonical], copy: Mapping[str, Canonical]) -> list[str]:
    """Fields that show again what the copy held."""
    return [name for name, old in copy.items() if name in shown and _shows(shown[name], old)]


def _may_show(shown: Mapping[str, Canonical], name: str, value: Canonical) -> bool:
    """Whether this is the field's value, or the record does not show the field."""
    return name not in shown or _shows(shown[name], value)


def _times(writes: Sequence[Effect], name: str, change: tuple[Canonical, Canonical]) -> int:
    """How often this was done: once, and again after it had been taken back."""
    return sum(write.changes.get(name) == change for write in writes if write.outcome == "done")


def _shows(shown: Canonical, value: Canonical) -> bool:
    """Whether this is the value, as far as it says anything."""
    return bool(completed(shown, value) == value)
