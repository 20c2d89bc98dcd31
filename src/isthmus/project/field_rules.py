"""``fields:`` of a flow: one line per field across all systems."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from isthmus.model.entities import EntityType
from isthmus.model.fields import FieldType, Kind
from isthmus.model.flow import Expr, FieldRule, Path
from isthmus.project.expressions import CUT, convert_of, expression_of, is_cut, with_convert
from isthmus.project.faults import Faults
from isthmus.project.nodes import Node, elements_of, mapping_of, text_of, word_of
from isthmus.project.sides import Sides

__all__ = ["FIELD_KEYS", "MERGE_RULES", "read_fields"]

FIELD_KEYS = ("owner", "writers", "merge", "role", "as")
"""Keys of a field besides the names of systems."""

_ORDERED = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.DATE, Kind.INSTANT})
MERGE_RULES: Mapping[str, frozenset[Kind]] = {
    "union": frozenset({Kind.LIST}),
    "elements": frozenset({Kind.LIST}),
    "max": _ORDERED,
    "min": _ORDERED,
    "any": frozenset({Kind.BOOLEAN}),
}
"""Rules of :mod:`isthmus.merge.rules` and the field types they can join; not money, whose currencies may differ."""


def read_fields(
    node: Node, entity: EntityType, sides: Sides, own: Collection[str], faults: Faults
) -> Mapping[str, FieldRule]:
    """The rules of all fields of a flow; what is wrong is remembered and left out."""
    found: dict[str, FieldRule] = {}
    for name, inner in mapping_of(node, "'fields'", None, faults).items():
        if name not in entity.fields:
            faults.unknown(node.keys[name], f"field of {entity.name}", name, entity.fields)
        elif inner.value is None:
            faults.add(node.keys[name], f"'{name}' says nothing.", "Write {} for the default mapping, or off.")
        elif not inner.is_off:
            rule = _rule_of(node, name, inner, entity.fields[name], sides, own, faults)
            if rule is not None:
                found[name] = rule
    return found


def _rule_of(
    node: Node, name: str, inner: Node, kind: FieldType, sides: Sides, own: Collection[str], faults: Faults
) -> FieldRule | None:
    before = len(faults.found)
    if is_cut(inner.entries().get("as")):
        faults.add(inner.entries()["as"].place, *CUT)
        return None
    entries = mapping_of(inner, f"field '{name}'", (*FIELD_KEYS, *sides.sides), faults)
    exprs = _expressions_of(name, entries, kind, sides, own, faults)
    if len(faults.found) > before:
        return None
    if not exprs:
        faults.add(node.keys[name], f"No system holds '{name}'.", f"Say where it is, or write '{name}: off'.")
        return None
    rule = FieldRule(
        name=name,
        exprs=exprs,
        owner=_owner_of(entries, exprs, sides, faults),
        writers=_writers_of(entries, exprs, sides, faults),
        merge=_merge_of(entries, kind, faults),
        role=text_of(entries["role"], "'role'", faults) if _given(entries, "role") else None,
    )
    if rule.owner and rule.writers and rule.owner not in rule.writers:
        faults.add(entries["owner"].place, f"'{rule.owner}' owns the field but is not among its writers.")
    return rule


def _given(entries: Mapping[str, Node], key: str) -> bool:
    return key in entries and not entries[key].is_off


def _expressions_of(
    name: str, entries: Mapping[str, Node], kind: FieldType, sides: Sides, own: Collection[str], faults: Faults
) -> dict[str, Expr]:
    exprs: dict[str, Expr] = {}
    convert = convert_of(entries["as"], faults) if _given(entries, "as") else None
    for system in sides.sides:
        default = sides.defaults.get(system)
        expr = default.fields.get(name) if default else None
        if system in entries:
            inner = entries[system]
            if inner.is_off:
                continue
            # A reference without a flow is complete when the field's own `as` names it.
            waits = convert is not None and kind.kind is Kind.REF and _is_plain(inner)
            wanted = msgspec.structs.replace(kind, kind=Kind.TEXT) if waits else kind
            expr = expression_of(inner, wanted, own, faults)
        if convert is not None and isinstance(expr, Path) and expr.convert is None:
            expr = with_convert(expr, convert, entries["as"], kind, own, faults)
        if expr is not None:
            exprs[system] = expr
    return exprs


def _is_plain(node: Node) -> bool:
    return not node.is_map or ("path" in node.value and "as" not in node.value and "each" not in node.value)


def _system_of(node: Node, what: str, exprs: Collection[str], sides: Sides, faults: Faults) -> str | None:
    system = word_of(node, "system of this flow", tuple(sides.sides), faults)
    if system is not None and system not in exprs:
        faults.add(node.place, f"{what} '{system}' does not hold this field.")
        return None
    return system


def _owner_of(entries: Mapping[str, Node], exprs: Collection[str], sides: Sides, faults: Faults) -> str | None:
    return _system_of(entries["owner"], "The owner", exprs, sides, faults) if _given(entries, "owner") else None


def _writers_of(entries: Mapping[str, Node], exprs: Collection[str], sides: Sides, faults: Faults) -> tuple[str, ...]:
    if not _given(entries, "writers"):
        return ()
    elements = elements_of(entries["writers"], "'writers'", faults)
    found = [
        "hub" if element.value == "hub" else _system_of(element, "The writer", exprs, sides, faults)
        for element in elements
    ]
    if not elements:
        faults.add(entries["writers"].place, "'writers' names no system.", "Without it all systems may write.")
    return tuple(dict.fromkeys(system for system in found if system is not None))


def _merge_of(entries: Mapping[str, Node], kind: FieldType, faults: Faults) -> str | None:
    if not _given(entries, "merge"):
        return None
    rule = word_of(entries["merge"], "merge rule", tuple(MERGE_RULES), faults)
    if rule is not None and kind.kind not in MERGE_RULES[rule]:
        fitting = [name for name, kinds in MERGE_RULES.items() if kind.kind in kinds]
        advice = f"Possible: {', '.join(fitting)}." if fitting else "Use 'owner'."
        faults.add(entries["merge"].place, f"Merge rule '{rule}' cannot join fields of type {kind.kind}.", advice)
        return None
    return rule
