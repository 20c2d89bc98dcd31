"""The compiled flows: what the engine looks things up in. While the hub runs nothing changes but which far fields are
missing in their systems."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec
import xxhash

from isthmus.mapping import Converter, Lens, compile_lens
from isthmus.model.entities import BUILT_IN, EntityType
from isthmus.model.flow import Flow, MatchRule
from isthmus.model.state import FarField
from isthmus.sync.graph import parents_first

__all__ = ["ANY", "World", "missing_fields", "rule_name"]

ANY = "any"
"""Type of a field that a connector knows only from records that it happened to read: that it is missing there is told,
but proves nothing."""


class World:
    """All flows with their lenses, and all entities, also those that no flow carries (``entities`` adds to the
    built-in ones).

    ``order`` lists flow names parents first, so that within one round customers are created before their orders.
    """

    def __init__(
        self,
        flows: Mapping[str, Flow],
        own: Mapping[str, Converter] | None = None,
        entities: Mapping[str, EntityType] | None = None,
    ) -> None:
        self.flows = dict(flows)
        carried = {flow.entity.name: flow.entity for flow in self.flows.values()}
        self.kinds: dict[str, EntityType] = {**BUILT_IN, **(entities or {}), **carried}
        self.lenses: dict[tuple[str, str], Lens] = {
            (flow.name, system): compile_lens(flow, system, self.flows, own)
            for flow in self.flows.values()
            for system in flow.sides
        }
        self.order = parents_first(self.flows)
        self._gone: dict[tuple[str, str], frozenset[str]] = {}
        self._by_resource: dict[tuple[str, str], list[Flow]] = {}
        for name in self.order:
            for side in self.flows[name].sides.values():
                self._by_resource.setdefault((side.system, side.resource), []).append(self.flows[name])
        self._hub_flows: dict[str, frozenset[str]] = {}
        self._rules: dict[str, dict[str, MatchRule]] = {}
        for flow in self.flows.values():
            self._rules.setdefault(flow.entity.name, {}).update({rule_name(rule): rule for rule in flow.match})
        self._evidence_fields = {
            entity: frozenset(part.field.split(".")[0] for rule in rules.values() for part in rule.parts)
            for entity, rules in self._rules.items()
        }

    def flows_of(self, system: str, resource: str) -> Sequence[Flow]:
        """Flows that take part in this resource, parents first."""
        return self._by_resource.get((system, resource), ())

    def resources(self, system: str) -> list[str]:
        """Resources of this system that some flow uses, parents first."""
        names = [self.flows[name].sides[system].resource for name in self.order if system in self.flows[name].sides]
        return list(dict.fromkeys(names))

    def entities(self, system: str, resource: str) -> set[str]:
        """Entities of the flows that take part in this resource."""
        return {flow.entity.name for flow in self.flows_of(system, resource)}

    def hub_flows(self, entity: str) -> frozenset[str]:
        """Flows that carry items of this entity that were made in the hub."""
        found = self._hub_flows.get(entity)
        if found is None:
            flows = [flow for flow in self.flows.values() if flow.entity.name == entity]
            chosen = frozenset(flow.name for flow in flows if flow.hub)
            sole = frozenset(flow.name for flow in flows if len(flows) == 1 and flow.hub is None)
            found = self._hub_flows[entity] = chosen or sole
        return found

    def systems(self) -> list[str]:
        """All systems that some flow uses."""
        return list(dict.fromkeys(system for name in self.order for system in self.flows[name].sides))

    def every(self, system: str, resource: str) -> float:
        """Seconds between looks: the shortest that a flow asks for."""
        return min(flow.sides[system].every for flow in self.flows_of(system, resource))

    def signature(self, system: str, resource: str) -> str:
        """Changes when what is read from this resource changes: then it must be scanned again."""
        parts = [
            (flow.name, flow.sides[system].where, {n: flow.expr(n, system) for n in sorted(flow.fields)})
            for flow in self.flows_of(system, resource)
        ]
        return xxhash.xxh3_64_hexdigest(msgspec.json.encode(parts, order="deterministic"))

    def lose(self, system: str, resource: str, gone: Collection[str]) -> None:
        """These fields of a resource (and no others) are missing in the system now: what needs them waits, everything
        else goes on."""
        self._gone[(system, resource)] = frozenset(gone)
        for flow in self.flows_of(system, resource):
            self.lenses[(flow.name, system)].lose(gone)

    def gone(self, system: str, resource: str) -> frozenset[str]:
        """What was said to be missing last."""
        return self._gone.get((system, resource), frozenset())

    def match_rules(self, entity: str) -> dict[str, MatchRule]:
        """All match rules of an entity, over all flows, by name."""
        return self._rules.get(entity, {})

    def evidence_fields(self, entity: str) -> frozenset[str]:
        """The fields that its match rules look at."""
        return self._evidence_fields.get(entity, frozenset())


def rule_name(rule: MatchRule) -> str:
    """Stable name of a rule: its parts in order."""
    return "+".join(p.field if p.similar is None else f"{p.field}~" for p in rule.parts)


def missing_fields(fields: Iterable[FarField]) -> dict[tuple[str, str], set[str]]:
    """(system, resource) -> fields that flows must do without now."""
    found: dict[tuple[str, str], set[str]] = {}
    for field in fields:
        if field.gone_at is not None and field.type != ANY:
            found.setdefault((field.system, field.resource), set()).add(field.name)
    return found
