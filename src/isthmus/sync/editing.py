"""Edits in the hub itself, by people and processes (SPEC I13): an item is made, changed or deleted inside the caller's
transaction, and what follows from it (records to be made, writes, questions) is derived as from any other change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from isthmus.errors import Ambiguous, Conflict, NeedsPerson, Unmappable
from isthmus.model.entities import EntityType
from isthmus.model.fields import Canonical, canonical
from isthmus.model.flow import DeletePolicy
from isthmus.model.state import Cause, Item, Link
from isthmus.sync.absorb import apply_delete_policy
from isthmus.sync.evidence import values_of
from isthmus.sync.ports import Transaction
from isthmus.sync.standing import ACTIVE
from isthmus.sync.working import Working
from isthmus.sync.world import World

__all__ = ["HUB", "HubEdits"]

HUB = "hub"
"""How the hub is called where a system could stand: in ``writers`` of a field, and as what deleted a record."""


class HubEdits:
    """Edits of one transaction, all by the same ``cause`` (kind ``person`` or ``process``).

    ``entities`` are those that will be edited (any, when left out): their locks are taken with the first edit, so that
    no two transactions wait for each other. Every edit is stored at once, and committed by the caller's transaction.
    """

    def __init__(
        self,
        tx: Transaction,
        world: World,
        cause: Cause,
        *,
        now: datetime,
        new_id: Callable[[], str],
        entities: Collection[str] | None = None,
    ) -> None:
        self._tx, self._world, self._cause = tx, world, cause
        self._now, self._new_id = now, new_id
        self._entities = frozenset(entities if entities is not None else world.kinds)
        self._locked = False

    async def create(
        self, entity: str, fields: Mapping[str, Any], *, id: str | None = None, alike: bool = False
    ) -> Item:
        """Make an item; flows that take items of the hub make its records. With an ``id`` of the caller's, the same id
        twice makes one item, and the second call gives it back as it is now.

        Raises :class:`Unmappable` for a value that does not fit, :class:`NeedsPerson` for a field or entity that is
        not known or not the hub's to set, :class:`Ambiguous` when there is an item that looks the same by an exact
        match rule, unless ``alike`` ones may be.
        """
        kind = self._entity(entity)
        await self._lock(entity)
        if id is not None and (known := (await self._tx.items([id])).get(id)) is not None:
            if known.entity != entity:
                raise NeedsPerson(f"{id} is a {known.entity} and no {entity}.")
            return known
        values = _values(kind, fields)
        self._check_writers(self._world.hub_flows(entity), values)
        if not alike:
            await self._check_alike(entity, values)
        work = Working(self._world, {}, [], now=self._now, new_id=self._new_id)
        item = work.new_item(entity, id)
        work.note(item.id, "@born", None, HUB, self._cause)
        return await self._carry_out(work, item.id, values)

    async def change(self, id: str, fields: Mapping[str, Any], *, expected: int | None = None) -> Item:
        """Change fields of an item; what stays equal changes nothing. Undoing is a change to the earlier value.

        ``expected``: the version that the caller saw. Raises :class:`Conflict` when the item has moved since and one
        of these very ``fields`` may be another than the caller saw, else as :meth:`create` does.
        """
        item = await self._load(id, expected)
        values = _values(self._entity(item.entity), fields)
        links = await self._tx.links_by_item([id])
        work = Working(self._world, {id: item}, links, now=self._now, new_id=self._new_id)
        flows = {link.flow for link in links if link.state in ACTIVE} or self._world.hub_flows(item.entity)
        moved = {name: value for name, value in values.items() if not _same(item, name, value)}
        self._check_writers(flows, moved)
        return await self._carry_out(work, id, moved)

    async def delete(self, id: str, *, expected: int | None = None, policy: DeletePolicy | None = None) -> Item:
        """Delete an item. Each record follows its flow's delete policy for its system, or ``policy`` everywhere; the
        item counts as deleted when no record is left to be treated.

        Raises :class:`Conflict` as :meth:`change` does, :class:`NeedsPerson` when a system is to keep its records
        (policy ``restore``).
        """
        item = await self._load(id, expected)
        links = await self._tx.links_by_item([id])
        work = Working(self._world, {id: item}, links, now=self._now, new_id=self._new_id)
        active = [link for link in links if link.state in ACTIVE and link.doom is None]
        chosen = {link.id: policy or self._policy(link) for link in active}
        for link in active:
            if chosen[link.id] is DeletePolicy.RESTORE:
                raise NeedsPerson(
                    f"It is kept in {link.system}: what is deleted elsewhere is made again there.",
                    advice="Delete it in that system, or choose another policy.",
                )
        work.note(id, "@deleted", HUB, None, self._cause)
        for link in active:
            apply_delete_policy(work, link, chosen[link.id], replace(link, system=HUB))
        if not any(link.state in ACTIVE for link in work.links_of(id)):
            work.put_item(replace(work.items[id], deleted_at=self._now))
        await self._tx.save(work.finish())
        return (await self._tx.items([id]))[id]

    async def _carry_out(self, work: Working, id: str, values: Mapping[str, Canonical]) -> Item:
        for name, value in values.items():
            work.set_field(id, name, value, self._cause)
        work.carry_from_hub(id)
        await self._tx.save(work.finish())
        return (await self._tx.items([id]))[id]

    async def _lock(self, entity: str) -> None:
        assert entity in self._entities, f"{entity} is not among the entities that were to be edited"
        if not self._locked:
            await self._tx.lock(self._entities)
            self._locked = True

    async def _load(self, id: str, expected: int | None) -> Item:
        await self._lock(next(iter(self._entities)))
        item = (await self._tx.items([id])).get(id)
        if item is None:
            raise NeedsPerson(f"There is no item {id}.")
        assert item.entity in self._entities, f"{item.entity} is not among the entities that were to be edited"
        if item.alias_of is not None:
            raise NeedsPerson(f"{id} was merged into {item.alias_of}.", advice=f"Edit {item.alias_of}.")
        if item.deleted_at is not None:
            raise NeedsPerson(f"{id} is deleted.")
        if expected is not None and item.version != expected:
            raise Conflict(
                f"{id} has changed meanwhile: it has version {item.version}, and you saw {expected}.",
                advice="Look at it again, then decide.",
            )
        return item

    def _entity(self, name: str) -> EntityType:
        kind = self._world.kinds.get(name)
        if kind is None:
            raise NeedsPerson(f"There is no entity '{name}'.")
        return kind

    def _policy(self, link: Link) -> DeletePolicy:
        side = self._world.flows[link.flow].sides.get(link.system) if link.flow in self._world.flows else None
        return side.delete if side is not None else DeletePolicy.HOLD

    def _check_writers(self, flows: Collection[str], fields: Collection[str]) -> None:
        for flow in sorted(flows):
            rules = self._world.flows[flow].fields if flow in self._world.flows else {}
            for name in fields:
                writers = rules[name].writers if name in rules else ()
                if writers and HUB not in writers:
                    raise NeedsPerson(
                        f"Only {' and '.join(writers)} may set '{name}' (flow {flow}).",
                        field=name,
                        advice="Change it there.",
                    )

    async def _check_alike(self, entity: str, values: Mapping[str, Canonical]) -> None:
        rules = {
            name: rule
            for name, rule in self._world.match_rules(entity).items()
            if all(part.similar is None for part in rule.parts)
        }
        wanted = values_of(values, rules)
        found = await self._tx.find_evidence(entity, wanted) if wanted else {}
        for (rule, _), items in sorted(found.items()):
            if items:
                raise Ambiguous(
                    f"There is a {entity} with the same {rule.replace('+', ' and ')} already: {items[0]}.",
                    advice="Change that one, or say that there may be two alike.",
                )


def _same(item: Item, name: str, value: Canonical) -> bool:
    return name in item.fields and bool(item.fields[name] == value)


def _values(kind: EntityType, fields: Mapping[str, Any]) -> dict[str, Canonical]:
    values: dict[str, Canonical] = {}
    for name, value in fields.items():
        if name not in kind.fields:
            raise NeedsPerson(f"A {kind.name} has no field '{name}'.", field=name)
        try:
            values[name] = canonical(kind.fields[name], value)
        except Unmappable as error:
            raise Unmappable(f"{name}: {error.message}", field=name, advice=error.advice) from error
    return values
