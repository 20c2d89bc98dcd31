"""``flows/*.yaml``: what is kept in step, and by which rules."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from isthmus.errors import Place, Unmappable
from isthmus.model.entities import EntityType
from isthmus.model.fields import Canonical, Kind, canonical
from isthmus.model.flow import Brake, Flow, MatchPart, MatchRule
from isthmus.project.conditions import field_type_at
from isthmus.project.defaults import DefaultMapping
from isthmus.project.expressions import refs_of
from isthmus.project.faults import Faults, nearest
from isthmus.project.field_rules import read_fields
from isthmus.project.nodes import (
    Node,
    elements_of,
    mapping_of,
    name_of,
    plain,
    share_of,
    text_of,
    whole_of,
    word_of,
)
from isthmus.project.sides import read_sides

__all__ = ["BRAKE_KEYS", "FLOW_KEYS", "Example", "World", "check_refs", "read_flow"]

FLOW_KEYS = (
    "flow",
    "entity",
    "extends",
    "hub",
    "ids",
    "match",
    "first",
    "duplicates",
    "systems",
    "fields",
    "deletes",
    "brake",
    "examples",
)
"""Keys of a flow file."""

BRAKE_KEYS = ("share", "at_least", "deletes_share", "deletes_at_least")
"""Keys of ``brake``."""


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What a flow may refer to."""

    kinds: Mapping[str, str]
    """System -> kind."""
    entities: Mapping[str, EntityType]
    mappings: Mapping[str, DefaultMapping]
    """Kind -> default mapping."""
    converters: Collection[str]
    """Names of the project's own."""


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A test beside a flow: these far records and this item mean the same."""

    flow: str
    name: str
    place: Place
    far: Mapping[str, Mapping[str, Any]]
    """System -> far fields."""
    hub: Mapping[str, Canonical]
    """Canonical values."""


def read_flow(root: Node, world: World, faults: Faults) -> tuple[Flow, tuple[Example, ...]] | None:
    """A flow and its examples; None when it is wrong (and remembered). References to other flows are not looked at."""
    before = len(faults.found)
    entries = mapping_of(root, "a flow", FLOW_KEYS, faults)
    name = name_of(entries["flow"], "a flow", faults) if "flow" in entries else None
    for key in ("flow", "entity", "systems", "fields"):
        # With an unknown key beside it, the missing one is most likely misspelt.
        if key not in entries and len(entries) == len(root.entries()):
            faults.add(root.place, f"The flow has no '{key}'.")
    if "entity" not in entries:
        return None
    known = word_of(entries["entity"], "entity", tuple(world.entities), faults)
    if known is None:
        return None
    entity = world.entities[known]
    sides = read_sides(entries, entity, world.kinds, world.mappings, faults)
    if not sides.sides:
        # Every field would be complained about for a fault that is told already.
        if len(faults.found) == before:
            faults.add(entries["systems"].place, "The flow has no system.")
        return None
    fields = read_fields(entries["fields"], entity, sides, world.converters, faults) if "fields" in entries else {}
    if "fields" in entries and not fields and len(faults.found) == before:
        faults.add(entries["fields"].place, "The flow has no field.")
    hub = word_of(entries["hub"], "value of 'hub'", ("adopt", "ignore"), faults) if "hub" in entries else None
    if hub != "adopt" and not any(side.adopt for side in sides.sides.values()):
        message = "No system may bring records into the flow."
        faults.add(entries["systems"].place, message, "At least one needs 'adopt: always', or the flow 'hub: adopt'.")
    first = entries.get("first")
    flow = Flow(
        name=name or "",
        entity=entity,
        sides=sides.sides,
        fields=fields,
        match=_match_of(entries.get("match"), entity, entries.get("fields"), faults),
        first=word_of(first, "system of this flow", tuple(sides.sides), faults) if first and not first.is_off else None,
        hub=None if hub is None else hub == "adopt",
        unique=_duplicates_of(entries.get("duplicates"), faults) != "allow",
        brake=_brake_of(entries.get("brake"), faults),
        place=entries["flow"].place if "flow" in entries else root.place,
        flow_ids=_ids_of(entries.get("ids"), faults),
    )
    examples = _examples_of(entries.get("examples"), flow, faults)
    return (flow, examples) if len(faults.found) == before else None


def _ids_of(node: Node | None, faults: Faults) -> tuple[str, ...]:
    if node is None:
        return ()
    found = [text_of(element, "An id", faults) for element in elements_of(node, "'ids'", faults)]
    return tuple(text for text in found if text)


def _match_of(node: Node | None, entity: EntityType, fields: Node | None, faults: Faults) -> tuple[MatchRule, ...]:
    rules: list[MatchRule] = []
    for element in elements_of(node, "'match'", faults) if node is not None and not node.is_off else ():
        parts: list[MatchPart | None] = []
        if element.is_map:
            for name, inner in element.entries().items():
                similar = _similar_of(inner, faults)
                parts.append(_match_part(name, element.keys[name], similar, entity, fields, faults))
        else:
            text = text_of(element, "A match rule", faults)
            parts.append(_match_part(text, element.place, None, entity, fields, faults) if text else None)
        sound = tuple(part for part in parts if part is not None)
        if len(sound) < len(parts) or not parts:
            if not parts:
                faults.add(element.place, "A match rule needs at least one field.")
            continue
        rule = MatchRule(sound)
        if not rule.exact:
            message = "A match rule needs one field that must be equal, or everything is compared with everything."
            faults.add(element.place, message, "Add one, such as address.country: exact.")
        rules.append(rule)
    return tuple(rules)


def _similar_of(node: Node, faults: Faults) -> float | None:
    """None for ``exact``, else the least similarity; a wrong one counts as exact, being remembered."""
    if node.value == "exact":
        return None
    word, _, degree = str(node.value).partition(" ")
    try:
        similar = Decimal(degree.strip().rstrip("%")) / (100 if degree.strip().endswith("%") else 1)
    except InvalidOperation:
        similar = Decimal(0)
    if word != "similar" or not 0 < similar <= 1:
        faults.add(node.place, "A part of a match rule is 'exact', or 'similar 0.92' (above 0, at most 1).")
        return None
    return float(similar)


def _match_part(
    name: str, place: Place, similar: float | None, entity: EntityType, fields: Node | None, faults: Faults
) -> MatchPart | None:
    kind = field_type_at(name, entity.fields)
    if isinstance(kind, str):
        faults.add(place, f"Unknown field '{name}' of {entity.name}.", kind)
        return None
    if kind.kind in (Kind.LIST, Kind.STRUCT):
        advice = f"Name a part of it, such as {name}.{next(iter(kind.fields))}." if kind.fields else ""
        faults.add(place, f"Records cannot be matched by '{name}', which is a {kind.kind}.", advice)
        return None
    if similar is not None and kind.kind is not Kind.TEXT:
        faults.add(place, f"Only texts can be similar; '{name}' is a {kind.kind}.", "Write 'exact'.")
        return None
    mapped = fields.entries() if fields is not None else {}
    top = name.partition(".")[0]
    if fields is not None and (top not in mapped or mapped[top].is_off):
        faults.add(place, f"'{top}' decides a match but is not among the flow's fields.")
        return None
    return MatchPart(name, similar)


def _duplicates_of(node: Node | None, faults: Faults) -> str | None:
    return word_of(node, "value of 'duplicates'", ("ask", "allow"), faults) if node is not None else None


def _brake_of(node: Node | None, faults: Faults) -> Brake:
    given: dict[str, Any] = {}
    for key, inner in mapping_of(node, "'brake'", BRAKE_KEYS, faults).items() if node is not None else ():
        read = share_of if key.endswith("share") else whole_of
        value = read(inner, f"'{key}'", faults)
        if value is not None:
            given[key] = value
    return Brake(**given)


def _examples_of(node: Node | None, flow: Flow, faults: Faults) -> tuple[Example, ...]:
    found: list[Example] = []
    for element in elements_of(node, "'examples'", faults) if node is not None else ():
        entries = mapping_of(element, "an example", ("name", "hub", *flow.sides), faults)
        name = text_of(entries["name"], "'name'", faults) if "name" in entries else None
        whole = len(entries) == len(element.entries())
        if name is None or "hub" not in entries:
            if whole:
                faults.add(element.place, "An example needs 'name' and 'hub'.")
            continue
        hub: dict[str, Canonical] = {}
        for field, inner in mapping_of(entries["hub"], "'hub'", tuple(flow.fields), faults).items():
            try:
                hub[field] = canonical(flow.entity.fields[field], plain(inner))
            except Unmappable as error:
                faults.add(inner.place, f"'{field}': {error.message}", error.advice)
        far: dict[str, Mapping[str, Any]] = {}
        for system in flow.sides:
            if system in entries:
                far[system] = plain(entries[system]) if entries[system].is_map else {}
                mapping_of(entries[system], f"'{system}'", None, faults)
        if not far and whole:
            faults.add(element.place, "An example needs the record of at least one system.")
        found.append(Example(flow=flow.name, name=name, place=element.place, far=far, hub=hub))
    return tuple(found)


def check_refs(flow: Flow, root: Node, flows: Mapping[str, Flow], broken: Collection[str], faults: Faults) -> None:
    """Every ``ref(FLOW)`` must name a flow of the right entity in which the same system takes part. Flows may refer to
    each other in circles; those in ``broken`` are wrong themselves and told already."""
    fields = root.entries()["fields"]
    for name, rule in flow.fields.items():
        for system, expr in rule.exprs.items():
            inner = fields.entries()[name].entries().get(system)
            place = inner.place if inner else fields.keys[name]
            for wanted, entity in refs_of(expr, flow.entity.fields[name]):
                if wanted in broken:
                    continue
                origin = "" if inner else f" (in the default mapping of '{system}')"
                if wanted not in flows:
                    faults.add(place, f"Unknown flow '{wanted}'{origin}.", nearest(wanted, flows))
                elif entity and flows[wanted].entity.name != entity:
                    message = f"'{name}' refers to a {entity}, but flow '{wanted}' keeps {flows[wanted].entity.name}s."
                    faults.add(place, message)
                elif system not in flows[wanted].sides:
                    message = f"'{name}' refers to flow '{wanted}'{origin}, in which '{system}' takes no part."
                    faults.add(place, message, f"Write '{system}: off', or add {system} to flow '{wanted}'.")
