"""Parts of a struct that a system shows only at times: a part that is left out says nothing, and one that comes for the
first time is met as a field is at first contact (SPEC 3, 4). Pure."""

from __future__ import annotations

from collections.abc import Mapping

from isthmus.model.fields import Canonical, completed

__all__ = ["left_out", "met", "shown_first", "shown_so_far", "with_new_parts"]

type Fields = Mapping[str, Canonical]


def shown_so_far(far: Fields, got: Fields) -> dict[str, Canonical]:
    """What the system last showed of every field, and of every part of a struct: ``got`` over what it showed before."""
    found = {**far, **got}
    for name, value in got.items():
        before = far.get(name)
        if isinstance(value, dict) and isinstance(before, dict) and not before.keys() <= value.keys():
            found[name] = completed(value, before)
    return found


def left_out(far: Fields, got: Fields) -> set[str]:
    """Fields that the system showed before (``far``) and does not show now (``got``), or not all of."""
    missing = {name for name in far if name not in got}
    pairs = ((name, value, far.get(name)) for name, value in got.items())
    return missing | {
        n for n, now, was in pairs if isinstance(now, dict) and isinstance(was, dict) and was.keys() - now
    }


def shown_first(first: Fields, far: Fields, got: Fields) -> dict[str, Canonical]:
    """What a record that has not met its item showed ``first``, in the fields in which it does not show it any more:
    with those in which it shows something else now (``got``) than it did before (``far``)."""
    return {**{name: far[name] for name, value in got.items() if name in far and far[name] != value}, **first}


def met(base: Fields, far: Fields, got: Fields) -> Fields:
    """The base without the parts that the system shows now (``got``) and never did before (``far``): as long as it
    left them out, they counted as no difference. That was no agreement, and a value that shows up now is no edit."""
    found = base
    for name, value in got.items():
        known, before = base.get(name), far.get(name)
        if isinstance(value, dict) and isinstance(known, dict) and isinstance(before, dict):
            new = (value.keys() - before.keys()) & known.keys()
            if new:
                found = {**found, name: {part: known[part] for part in known if part not in new}}
    return found


def with_new_parts(known: Canonical, shown: Canonical, hub: Canonical) -> Canonical:
    """The base of a struct with the parts that the system shows for the first time. Where the hub has nothing, they are
    taken; where it has another value, this is the first contact of that part: not part of the base, so that both sides
    count as changed."""
    if not isinstance(known, dict) or not isinstance(shown, dict) or not isinstance(hub, dict):
        return completed(known, shown)
    new = {}
    for part, value in shown.items():
        if value is None or part not in hub or hub[part] == value:
            new[part] = value
        elif hub[part] is None:
            new[part] = None
    return {**new, **known}
