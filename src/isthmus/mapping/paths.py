"""Reading and changing one place in a far record, without changing the record itself.

Selectors: ``list[0]`` is the first element, ``list[type=email]`` the first whose ``type`` is ``email``. Setting a place
in an element that does not exist makes it (with the selector's value); clearing the last value of a selected element
removes the element.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from isthmus.errors import Unmappable
from isthmus.model.flow import Segment

__all__ = ["ABSENT", "Absent", "all_records", "read", "write"]


class Absent:
    """Nothing is known: not mapped, not delivered, no right to read. Not the same as null."""

    def __repr__(self) -> str:
        return "ABSENT"

    def __bool__(self) -> bool:
        return False


ABSENT: Final = Absent()


def all_records(elements: Any) -> bool:
    """Whether this is a list of records."""
    return isinstance(elements, list | tuple) and all(isinstance(element, Mapping) for element in elements)


def read(record: Mapping[str, Any], segments: Sequence[Segment]) -> Any:
    """The value there. :data:`ABSENT` when the record does not have the top-level field at all; None when it has it
    but the place inside is empty."""
    first = segments[0]
    if first.name not in record:
        return ABSENT
    here: Any = record
    for segment in segments:
        if not isinstance(here, Mapping):
            return None
        here = here.get(segment.name)
        if segment.index is not None or segment.where is not None:
            position = _find(here, segment)
            here = None if position is None else here[position]
        if here is None:
            return None
    return here


def write(record: Mapping[str, Any], segments: Sequence[Segment], value: Any) -> dict[str, Any]:
    """A copy of ``record`` with ``value`` there; unchanged parts are shared. Raises :class:`Unmappable` when the
    place cannot exist (a path through a plain value)."""
    segment, rest = segments[0], segments[1:]
    copy = dict(record)
    here = copy.get(segment.name)
    if segment.index is None and segment.where is None:
        if not rest:
            copy[segment.name] = value
        else:
            if here is not None and not isinstance(here, Mapping):
                raise Unmappable(f"'{segment.name}' holds a plain value, not a record.")
            copy[segment.name] = write(here or {}, rest, value)
        return copy
    if here is not None and not isinstance(here, list | tuple):
        raise Unmappable(f"'{segment.name}' holds a plain value, not a list.")
    copy[segment.name] = _write_element(list(here or []), segment, rest, value)
    return copy


def _write_element(elements: list[Any], segment: Segment, rest: Sequence[Segment], value: Any) -> list[Any]:
    position = _find(elements, segment)
    if not rest:
        if position is None:
            return elements if value is None else [*elements, value]
        elements[position] = value
        return elements
    if position is None:
        if value is None:
            return elements
        new: dict[str, Any] = {segment.where[0]: segment.where[1]} if segment.where else {}
        return [*elements, write(new, rest, value)]
    if not isinstance(elements[position], Mapping):
        raise Unmappable(f"'{segment.name}' holds plain values, not records.")
    changed = write(elements[position], rest, value)
    selector = segment.where[0] if segment.where else None
    # An e-mail element without an address is not an empty e-mail, it is no e-mail.
    if value is None and selector and all(v is None or k in ("id", selector) for k, v in changed.items()):
        return elements[:position] + elements[position + 1 :]
    elements[position] = changed
    return elements


def _find(elements: Any, segment: Segment) -> int | None:
    if not isinstance(elements, Sequence) or isinstance(elements, str):
        return None
    if segment.index is not None:
        return segment.index if segment.index < len(elements) else None
    assert segment.where is not None
    name, wanted = segment.where
    for position, element in enumerate(elements):
        if isinstance(element, Mapping) and str(element.get(name)) == wanted:
            return position
    return None
