"""A field that a system keeps elsewhere than before is met anew there (SPEC 3): its base tells of the old place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from isthmus.model.flow import Each, Expr, Flow, Join, Path, Struct
from isthmus.model.state import Link
from isthmus.store import MappedPlaces, PostgresStore, ScratchStore

__all__ = ["forget_moved", "forgotten", "mapped_places", "moved_paths"]


async def forget_moved(store: PostgresStore | ScratchStore, flows: Mapping[str, Flow]) -> int:
    """Forget what was agreed on about fields whose place has moved since the flows were in force last; for how many
    links.

    Called before anything is read by the flows. May be called again at any time: what moved is forgotten before the
    new places are noted, and forgetting twice only lets both sides agree once more.
    """
    now = mapped_places(flows)
    noted = MappedPlaces(store)
    before = await noted.known()
    count = 0
    for flow, system, path in moved_paths(before, now):
        count += await noted.forget(flow, system, path)
    # What is mapped nowhere now may be mapped again.
    places = {**before, **now}
    if places != before:
        await noted.note(places)
    return count


def mapped_places(flows: Mapping[str, Flow]) -> dict[str, str]:
    """``flow/system/field`` (or ``flow/system/field/part`` of a struct) -> where the system keeps it."""
    return {
        path: place
        for name, flow in flows.items()
        for field, rule in flow.fields.items()
        for system, expr in rule.exprs.items()
        for path, place in _places(f"{name}/{system}/{field}", expr)
    }


def moved_paths(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, str, list[str]]]:
    """(flow, system, path into the base) of what is kept elsewhere now. What is new was never agreed on."""
    for path, place in now.items():
        if before.get(path, place) != place:
            flow, system, *field = path.split("/")
            yield flow, system, field


def forgotten(link: Link, moved: Iterable[tuple[str, str, Sequence[str]]]) -> Link:
    """The link as :func:`forget_moved` leaves it when this has moved."""
    base: Any = link.base
    for flow, system, path in moved:
        if (flow, system) == (link.flow, link.system):
            base = _without(base, path)
    return replace(link, base=base, digest=None) if base != link.base else link


def _without(value: Any, path: Sequence[str]) -> Any:
    if not isinstance(value, dict) or path[0] not in value:
        return value
    if len(path) == 1:
        return {name: part for name, part in value.items() if name != path[0]}
    return {**value, path[0]: _without(value[path[0]], path[1:])}


def _places(path: str, expr: Expr) -> Iterator[tuple[str, str]]:
    match expr:
        case Path(segments=segments):
            yield path, msgspec.json.encode(segments).decode()
        case Join(paths=paths):
            yield path, msgspec.json.encode([one.segments for one in paths]).decode()
        case Each(path=inner):
            # Which field of an element is read from where is compared element by element as ever.
            yield path, msgspec.json.encode(inner.segments).decode()
        case Struct(parts=parts):
            for name, part in parts.items():
                yield from _places(f"{path}/{name}", part)
