"""``entities/*.yaml``: fields that a project adds to built-in entities, and entities of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from isthmus.model.entities import BUILT_IN, EntityType
from isthmus.model.fields import FieldType, Kind
from isthmus.project.faults import Faults
from isthmus.project.nodes import NAME, Node, mapping_of, text_of

__all__ = ["ENTITY_KEYS", "FIELD_TYPES", "read_entities"]

ENTITY_KEYS = ("entity", "doc", "fields")
"""Keys of an entity file."""

_MONEY = BUILT_IN["Product"].fields["list_price"]
_ADDRESS = BUILT_IN["Customer"].fields["address"]

FIELD_TYPES: Mapping[str, FieldType] = {
    **{str(kind): FieldType(kind=kind) for kind in Kind if kind not in (Kind.REF, Kind.STRUCT, Kind.LIST)},
    "money": _MONEY,
    "address": _ADDRESS,
}
"""Types by name; besides them ``{list: TYPE}``, ``{ref: Entity}`` and ``{struct: {part: TYPE}}``."""

_ENTITY_NAME = re.compile(r"[A-Z][A-Za-z0-9]*")


def read_entities(files: Iterable[Node], faults: Faults) -> Mapping[str, EntityType]:
    """All entities: the built-in ones with what the files add. References are checked when all are known."""
    found: dict[str, EntityType] = dict(BUILT_IN)
    refs: list[tuple[Node, str]] = []
    for root in files:
        entries = mapping_of(root, "an entity file", ENTITY_KEYS, faults)
        if "entity" not in entries:
            faults.add(root.place, "The file does not say which entity it is about.", "Add 'entity: NAME'.")
            continue
        name = text_of(entries["entity"], "'entity'", faults)
        if name is None:
            continue
        if not _ENTITY_NAME.fullmatch(name):
            faults.add(entries["entity"].place, f"'{name}' cannot be an entity.", "Use a name such as Machine.")
            continue
        before = len(faults.found)
        entity = found.get(name, EntityType(name=name, fields={}))
        added = _fields_of(entries.get("fields"), entity, refs, faults)
        if not added and len(faults.found) == before and len(entries) == len(root.entries()):
            faults.add(entries["entity"].place, f"The file adds nothing to '{name}'.", "Add 'fields: {NAME: TYPE}'.")
        doc = text_of(entries["doc"], "'doc'", faults) if "doc" in entries else None
        found[name] = EntityType(name=name, fields={**entity.fields, **added}, doc=doc or entity.doc)
    for node, name in refs:
        if name not in found:
            faults.unknown(node.place, "entity", name, found)
    return found


def _fields_of(
    node: Node | None, entity: EntityType, refs: list[tuple[Node, str]], faults: Faults
) -> dict[str, FieldType]:
    added: dict[str, FieldType] = {}
    if node is None:
        return added
    for name, inner in mapping_of(node, "'fields'", None, faults).items():
        place = node.keys[name]
        if not NAME.fullmatch(name):
            faults.add(place, f"'{name}' cannot be a field.", "Use a-z, 0-9 and _, starting with a letter.")
        elif name in entity.fields:
            faults.add(place, f"'{entity.name}' has a field '{name}' already ({entity.fields[name].kind}).")
        else:
            kind = _type_of(inner, refs, faults)
            if kind is not None:
                added[name] = kind
    return added


def _type_of(node: Node, refs: list[tuple[Node, str]], faults: Faults) -> FieldType | None:
    if not node.is_map:
        text = text_of(node, "A field's type", faults)
        if text is not None and text not in FIELD_TYPES:
            faults.unknown(node.place, "type", text, [*FIELD_TYPES, "list", "ref", "struct"])
            return None
        return FIELD_TYPES[text] if text else None
    entries = mapping_of(node, "a field's type", ("list", "ref", "struct"), faults)
    if len(entries) != 1:
        if len(entries) == len(node.entries()):
            faults.add(node.place, "A type is a word, {list: TYPE}, {ref: Entity} or {struct: {part: TYPE}}.")
        return None
    [(form, inner)] = entries.items()
    if form == "ref":
        entity = text_of(inner, "'ref'", faults)
        if entity is None:
            return None
        refs.append((inner, entity))
        return FieldType(kind=Kind.REF, entity=entity)
    if form == "list":
        of = _type_of(inner, refs, faults)
        return None if of is None else FieldType(kind=Kind.LIST, of=of)
    parts = {name: _type_of(part, refs, faults) for name, part in mapping_of(inner, "'struct'", None, faults).items()}
    known = {name: kind for name, kind in parts.items() if kind is not None}
    return msgspec.structs.replace(FieldType(kind=Kind.STRUCT), fields=known) if known else None
