"""Questions about expressions that need no values, and conditions over fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isthmus.model.flow import Condition, Const, Each, Expr, Join, Path, Struct

__all__ = ["CUSTOM", "KEY_FIELD", "has_ref", "holds", "places", "plain_parts", "tops"]

KEY_FIELD = "@key"
"""A path ``@key`` reads the record's key."""
CUSTOM = "custom_fields"
"""The field in which connectors show a record's custom fields."""


def holds(condition: Condition, fields: Mapping[str, Any]) -> bool:
    """Whether a condition holds for these fields (dotted names reach into structs)."""
    value: Any = fields
    for name in condition.field.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    if condition.present is not None:
        return (value not in (None, "", [], {})) is condition.present
    return value in condition.values


def tops(expr: Expr) -> set[str]:
    """Names of the far fields an expression reads or writes."""
    match expr:
        case Path():
            return {expr.segments[0].name} - {KEY_FIELD}
        case Join():
            return {path.segments[0].name for path in expr.paths}
        case Struct():
            return {top for part in expr.parts.values() for top in tops(part)}
        case Each():
            return {expr.path.segments[0].name}
        case Const():
            return set()


def places(expr: Expr) -> set[str]:
    """Far places that an expression reads or writes and that may vanish from a system by themselves: top-level fields,
    and for custom fields each of them."""
    match expr:
        case Path(segments=(first, second, *_)) if first.name == CUSTOM:
            return {f"{CUSTOM}.{second.name}"}
        case Join():
            return {place for path in expr.paths for place in places(path)}
        case Struct():
            return {place for part in expr.parts.values() for place in places(part)}
        case _:
            return tops(expr)


def plain_parts(expr: Expr) -> frozenset[str] | None:
    """The parts of a value that are shown just as the hub holds them (none for a value without parts); None when a
    converter, a join or a list stands between."""
    match expr:
        case Const():
            return frozenset()
        case Path(convert=convert):
            return frozenset() if convert is None or convert.name in ("ref", "summary") else None
        case Struct():
            inner = [plain_parts(part) for part in expr.parts.values()]
            return frozenset(expr.parts) if all(parts == frozenset() for parts in inner) else None
        case _:
            return None


def has_ref(expr: Expr) -> bool:
    """Whether an expression refers to records of another flow."""
    match expr:
        case Path():
            return expr.convert is not None and expr.convert.name == "ref"
        case Struct() | Each():
            return any(has_ref(part) for part in expr.parts.values())
        case _:
            return False
