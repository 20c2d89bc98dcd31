"""Conditions: which records a flow takes in, and when it creates one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from isthmus.model.fields import FieldType, Kind
from isthmus.model.flow import Condition
from isthmus.project.expressions import far_name
from isthmus.project.faults import Faults, nearest
from isthmus.project.nodes import Node, mapping_of, plain

__all__ = ["archive_of", "field_type_at", "hub_conditions", "where_of"]

_PRESENCE = {"present": True, "absent": False}


def field_type_at(name: str, fields: Mapping[str, FieldType]) -> FieldType | str:
    """The type of a field or of a part of one (``address.country``); advice for a person when there is none."""
    first, *rest = name.split(".")
    if first not in fields:
        return nearest(first, fields)
    kind = fields[first]
    for part in rest:
        if kind.kind is not Kind.STRUCT or part not in kind.fields:
            return nearest(part, kind.fields) or f"'{first}' has no parts."
        kind = kind.fields[part]
    return kind


def where_of(node: Node, faults: Faults) -> tuple[Condition, ...]:
    """Conditions over far fields: ``{customer: true, state: [open, late], email: present}``."""
    return _conditions(node, "'where'", lambda name, inner: far_name(node.keys[name], name, faults), faults)


def hub_conditions(node: Node, fields: Mapping[str, FieldType], faults: Faults) -> tuple[Condition, ...]:
    """Conditions over hub fields, with the same notation."""

    def known(name: str, inner: Node) -> str | None:
        kind = field_type_at(name, fields)
        if isinstance(kind, str):
            faults.add(node.keys[name], f"Unknown field '{name}'.", kind)
            return None
        if kind.kind in (Kind.LIST, Kind.STRUCT) and inner.value not in _PRESENCE:
            faults.add(inner.place, f"'{name}' is a {kind.kind}: only 'present' or 'absent' can be asked of it.")
            return None
        return name

    return _conditions(node, "'when'", known, faults)


def _conditions(
    node: Node, what: str, known: Callable[[str, Node], str | None], faults: Faults
) -> tuple[Condition, ...]:
    found: list[Condition] = []
    for name, inner in mapping_of(node, what, None, faults).items():
        field = known(name, inner)
        if field is None:
            continue
        if inner.is_map:
            faults.add(inner.place, "A condition is a value, a list of values, 'present' or 'absent'.")
        elif isinstance(inner.value, str) and inner.value in _PRESENCE:
            found.append(Condition(field, present=_PRESENCE[inner.value]))
        elif inner.value is None:
            faults.add(inner.place, "A condition needs a value.", "For empty fields: 'absent'.")
        else:
            values = inner.value if inner.is_list else (inner,)
            if any(value.is_map or value.is_list for value in values):
                faults.add(inner.place, "The values of a condition must be plain.")
            else:
                found.append(Condition(field, tuple(plain(value) for value in values)))
    return tuple(found)


def archive_of(node: Node, faults: Faults) -> Mapping[str, Any]:
    """Far fields that archive a record."""
    found: dict[str, Any] = {}
    for name, inner in mapping_of(node, "'archive'", None, faults).items():
        field = far_name(node.keys[name], name, faults)
        if field is not None and "." in field:
            faults.add(node.keys[name], f"'{name}': archive sets whole fields of the record.")
        elif field is not None:
            found[field] = plain(inner)
    return found
