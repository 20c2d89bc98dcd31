"""Planning one link: which write would bring its system in step. Pure and printable; the same for a dry run and for
the real thing (SPEC 1, 5, 6)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from isthmus.connector import Create, Delete, Record, Update, Write
from isthmus.errors import NeedsPerson, Stale, Unmappable
from isthmus.mapping import Lens, PutResult, Refs
from isthmus.model.fields import Canonical
from isthmus.model.state import Item, Link, LinkState
from isthmus.sync.standing import pending

__all__ = ["Step", "StepKind", "can_restore", "needed_refs", "plan_link"]


class StepKind(StrEnum):
    """What a step does."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    ARCHIVE = "archive"
    WAIT = "wait"
    """A parent has no record in this system yet."""
    REFUSE = "refuse"
    """Cannot be expressed; a person must look."""
    NOTHING = "nothing"
    """The system is in step already."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One planned write. ``changes`` are hub terms: field -> [as the system has it, as it will be]."""

    kind: StepKind
    link: Link
    write: Write | None = None
    values: Mapping[str, Canonical] = {}
    """Hub values that the write carries."""
    parents: tuple[tuple[str, str, str], ...] = ()
    """(resource, item, key) of each parent that a create names."""
    changes: Mapping[str, tuple[Canonical, Canonical]] = {}
    waits_for: str | None = None
    error: NeedsPerson | Stale | None = None
    """Why a person must look; or that what was read is older than what is known, so that it is read again later."""
    absent: Mapping[str, Canonical] = {}
    """Hub values of which nothing is written because the record as read has no place for them: not agreed on either."""
    refused: Mapping[str, NeedsPerson] = {}
    """Fields of an update that cannot be expressed in the system; the others are written."""


def needed_refs(link: Link, item: Item, lens: Lens) -> set[tuple[str, str]]:
    """(resource, item) of the parents whose keys planning this link needs."""
    if not lens.has_refs:
        return set()
    values = item.fields if link.state is LinkState.CREATING else pending(link, item, lens)
    return lens.refs_out(values)


def plan_link(link: Link, item: Item, lens: Lens, now: Record | None, refs: Refs, archive: Mapping[str, Any]) -> Step:
    """The step for a due link. ``now`` is the record as just read (not needed for a create)."""
    if link.state is LinkState.CREATING:
        return _plan_create(link, item, lens, refs)
    assert now is not None
    if link.doom == "delete":
        return Step(kind=StepKind.DELETE, link=link, write=Delete(key=now.key))
    if link.doom == "archive":
        fields = {name: value for name, value in archive.items() if now.fields.get(name) != value}
        if not fields:
            return Step(kind=StepKind.NOTHING, link=link)
        return Step(kind=StepKind.ARCHIVE, link=link, write=Update(before=now, fields=fields))
    if link.doom == "restore":
        fields = {name: not value for name, value in archive.items() if value is now.fields.get(name)}
        if not fields:
            return Step(kind=StepKind.NOTHING, link=link)
        return Step(kind=StepKind.UPDATE, link=link, write=Update(before=now, fields=fields))
    return _plan_update(link, item, lens, now, refs)


def can_restore(archive: Mapping[str, Any]) -> bool:
    """Whether an archived record can be taken back into use: by flags only; what another value was before nobody
    knows."""
    return bool(archive) and all(isinstance(value, bool) for value in archive.values())


def _plan_create(link: Link, item: Item, lens: Lens, refs: Refs) -> Step:
    values = {name: value for name, value in item.fields.items() if name in lens.writable and value is not None}
    result = lens.put(values, {}, refs)
    refused = _obstacle(link, result.missing, result.problems)
    if refused is not None:
        return refused
    assert link.intent is not None
    return Step(
        kind=StepKind.CREATE,
        link=link,
        write=Create(token=link.intent.token, fields=result.fields),
        values=values,
        parents=tuple((*place, refs.keys[place]) for place in sorted(lens.refs_out(values)) if place in refs.keys),
        changes={name: (None, value) for name, value in values.items()},
    )


def _plan_update(link: Link, item: Item, lens: Lens, now: Record, refs: Refs) -> Step:
    values = pending(link, item, lens)
    result = lens.put(values, now.fields, refs)
    waiting = _obstacle(link, result.missing, {})
    if waiting is not None:
        return waiting
    values = {name: value for name, value in values.items() if name not in result.problems}
    absent = {name: value for name, value in values.items() if _absent(lens, name, now, result)}
    values = {name: value for name, value in values.items() if name not in absent}
    if not result.fields:
        return Step(kind=StepKind.NOTHING, link=link, values=values, absent=absent, refused=result.problems)
    return Step(
        kind=StepKind.UPDATE,
        link=link,
        write=Update(before=now, fields=result.fields),
        values=values,
        changes={name: (link.far.get(name), value) for name, value in values.items()},
        absent=absent,
        refused=result.problems,
    )


def _absent(lens: Lens, name: str, now: Record, result: PutResult) -> bool:
    """Whether nothing is written to a field that the record has no place for. Absent does not say empty (SPEC 4)."""
    there = lens.tops[name]
    shown = any(top in result.fields or top in now.fields for top in there)
    return bool(there) and not shown and name not in lens.only_written


def _obstacle(link: Link, missing: Any, problems: Mapping[str, Unmappable]) -> Step | None:
    if problems:
        _, error = min(problems.items())
        return Step(kind=StepKind.REFUSE, link=link, error=error)
    if missing:
        _, item = min(missing)
        return Step(kind=StepKind.WAIT, link=link, waits_for=f"{item}/{link.system}")
    return None
