"""``systems:`` of a flow: the part that each system has in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from isthmus.model.entities import EntityType
from isthmus.model.fields import FieldType
from isthmus.model.flow import Condition, CreatePolicy, DeletePolicy, MergePolicy, Side
from isthmus.project.conditions import archive_of, hub_conditions, where_of
from isthmus.project.defaults import DefaultMapping, ResourceMapping
from isthmus.project.faults import Faults, nearest
from isthmus.project.nodes import Node, duration_of, mapping_of, text_of, word_of

__all__ = ["SIDE_KEYS", "Sides", "read_sides"]

SIDE_KEYS = ("resource", "use", "every", "create", "adopt", "where", "delete", "merge", "archive")
"""Keys of one system in a flow."""


class Sides(msgspec.Struct, frozen=True):
    """The sides of a flow, and for each system the default mapping that fills in its expressions, if it has one."""

    sides: Mapping[str, Side]
    defaults: Mapping[str, ResourceMapping]


def read_sides(
    flow: Mapping[str, Node],
    entity: EntityType,
    kinds: Mapping[str, str],
    mappings: Mapping[str, DefaultMapping],
    faults: Faults,
) -> Sides:
    """Read ``systems`` and ``deletes`` of a flow. ``kinds`` are the project's systems with their kinds, ``mappings``
    the default mappings by kind."""
    node = flow.get("systems")
    sides: dict[str, Side] = {}
    defaults: dict[str, ResourceMapping] = {}
    deletes = _short_deletes(flow.get("deletes"), node, faults)
    if node is None:
        return Sides({}, {})
    for system, inner in mapping_of(node, "'systems'", None, faults).items():
        if system not in kinds:
            faults.unknown(node.keys[system], "system", system, kinds)
            continue
        entries = mapping_of(inner, f"system '{system}'", SIDE_KEYS, faults)
        mapping = mappings.get(kinds[system], {})
        default = _default_of(node, system, kinds[system], entries, entity, mapping, faults)
        side = _side_of(node, system, entries, default, entity.fields, deletes, faults)
        if side is not None:
            sides[system] = side
            if default is not None and default.resource == side.resource:
                defaults[system] = default
    return Sides(sides, defaults)


def _short_deletes(node: Node | None, systems: Node | None, faults: Faults) -> Mapping[str, DeletePolicy]:
    """``deletes: {crm: archive}`` at the level of the flow."""
    found: dict[str, DeletePolicy] = {}
    if node is None:
        return found
    known = systems.entries() if systems is not None else {}
    for system, inner in mapping_of(node, "'deletes'", tuple(known), faults).items():
        if "delete" in known[system].entries():
            place = known[system].keys["delete"]
            faults.add(node.keys[system], f"'delete' of {system} is given twice (also in line {place.line}).")
            continue
        word = word_of(inner, "delete policy", tuple(DeletePolicy), faults)
        if word is not None:
            found[system] = DeletePolicy(word)
    return found


def _default_of(
    node: Node,
    system: str,
    kind: str,
    entries: Mapping[str, Node],
    entity: EntityType,
    mapping: DefaultMapping,
    faults: Faults,
) -> ResourceMapping | None:
    """The default mapping of the entity; a further way to hold it by ``use``."""
    if "use" not in entries:
        default = mapping.get(entity.name)
        if default is None and "resource" not in entries:
            ways = _ways(entity, mapping)
            message = f"System '{system}' ({kind}) has no default mapping for {entity.name}."
            advice = f"Say 'use: {ways[0]}'." if ways else "Say which 'resource' holds it."
            faults.add(node.keys[system], message, advice)
        return default
    use = text_of(entries["use"], "'use'", faults)
    default = mapping.get(f"{entity.name}@{use}")
    if use is not None and default is None:
        message = f"The default mapping of {kind} has no '{entity.name}@{use}'."
        faults.add(entries["use"].place, message, nearest(use, _ways(entity, mapping)))
    return default


def _ways(entity: EntityType, mapping: DefaultMapping) -> list[str]:
    return [name.partition("@")[2] for name in mapping if name.startswith(f"{entity.name}@")]


def _side_of(
    node: Node,
    system: str,
    entries: Mapping[str, Node],
    default: ResourceMapping | None,
    fields: Mapping[str, FieldType],
    deletes: Mapping[str, DeletePolicy],
    faults: Faults,
) -> Side | None:
    resource = default.resource if default else None
    if "resource" in entries:
        resource = text_of(entries["resource"], "'resource'", faults)
    if resource is None:
        return None
    if default is not None and default.resource != resource:
        default = None
    given: dict[str, Any] = {}
    if "every" in entries:
        given["every"] = duration_of(entries["every"], "'every'", faults)
    if "create" in entries:
        given["create"], given["create_when"] = _create_of(entries["create"], fields, faults)
    if "adopt" in entries:
        word = word_of(entries["adopt"], "value of 'adopt'", ("always", "linked"), faults)
        given["adopt"] = word != "linked"
    if default is not None:
        given["where"], given["archive"] = default.where, default.archive
    if "where" in entries:
        given["where"] = where_of(entries["where"], faults)
    if "archive" in entries:
        given["archive"] = archive_of(entries["archive"], faults)
    if "delete" in entries:
        word = word_of(entries["delete"], "delete policy", tuple(DeletePolicy), faults)
        given["delete"] = DeletePolicy(word) if word else None
    elif system in deletes:
        given["delete"] = deletes[system]
    if "merge" in entries:
        word = word_of(entries["merge"], "merge policy", tuple(MergePolicy), faults)
        given["merge"] = MergePolicy(word) if word else None
    side = Side(system=system, resource=resource, **{key: value for key, value in given.items() if value is not None})
    if side.delete is DeletePolicy.ARCHIVE and not side.archive:
        place = entries["delete"].place if "delete" in entries else node.keys[system]
        faults.add(place, f"Archiving in '{system}' needs 'archive'.", "Say which fields do it: {active: false}.")
    return side


def _create_of(
    node: Node, fields: Mapping[str, FieldType], faults: Faults
) -> tuple[CreatePolicy | None, tuple[Condition, ...]]:
    if not node.is_map:
        word = word_of(node, "value of 'create'", tuple(CreatePolicy), faults)
        return (CreatePolicy(word) if word else None), ()
    entries = mapping_of(node, "'create'", ("when",), faults)
    when = hub_conditions(entries["when"], fields, faults) if "when" in entries else ()
    if "when" in entries and not entries["when"].entries():
        faults.add(entries["when"].place, "'when' needs at least one condition.", "Without any: 'create: always'.")
    return CreatePolicy.ALWAYS, when
