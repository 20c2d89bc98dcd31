"""The people of the simulated company at their desks: they enter, change, empty, delete, restore and merge records in
their own system, and the ledger writes down what they did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from isthmus.errors import Rejected
from isthmus.mapping import Lens, Refs
from isthmus.model.flow import Path
from isthmus.model.state import LinkState
from isthmus.sync.world import World
from isthmus.testing.memory import MemoryWorld
from isthmus.testing.memory_database import MemoryDatabase
from isthmus.testing.simulator.ledger import Ledger, value_of
from isthmus.testing.simulator.script import Action
from isthmus.testing.simulator.triangle import RESOURCES, SYSTEMS, TAGS, tops

__all__ = ["NONSENSE", "People"]

NONSENSE = "about a hundred"
"""What somebody types where an amount belongs."""

_REFS = {"Contact": "customer", "SalesOrder": "customer"}
_UNTOUCHED = frozenset({*TAGS.values(), "customer"})
"""Fields that ordinary edits leave alone."""


class People:
    """Everybody who works in the three systems."""

    def __init__(
        self, world: World, worlds: Mapping[str, MemoryWorld], ledger: Ledger, database: MemoryDatabase
    ) -> None:
        self._world, self._worlds, self._ledger, self._database = world, worlds, ledger, database
        self.typos: list[tuple[str, str, str, str]] = []
        """(system, resource, key, far field) that hold nonsense until somebody corrects it."""
        self.watcher: Callable[[str, str, str, str], None] | None = None
        """Told of each edit (entity, system, key, field) that is made on top of what the record shows, before it."""

    # -- looking -------------------------------------------------------------------------------------------------

    def lens(self, entity: str, system: str) -> Lens:
        """How the system holds the entity."""
        return self._world.lenses[(entity, system)]

    def keys(self, system: str, resource: str) -> list[str]:
        """Keys of a resource, oldest first."""
        return sorted(self._worlds[system].tables[resource].rows, key=lambda key: (len(key), key))

    def shown(self, entity: str, system: str, key: str) -> Mapping[str, Any]:
        """The record in entity terms, as the person sees it."""
        fields = self._worlds[system].records(RESOURCES[entity][system])[key]
        lens = self.lens(entity, system)
        refs = Refs(items={ref: ref[1] for ref in lens.refs_in(key, fields)})
        return lens.get(key, fields, refs).fields

    def tag(self, entity: str, system: str, key: str) -> str:
        """The tag of the thing, or of what it was."""
        table = self._worlds[system].tables[RESOURCES[entity][system]]
        row = table.rows.get(key) or table.graves[key][0]
        path = self.lens(entity, system).exprs[TAGS[entity]]
        assert isinstance(path, Path)
        return str(row.fields.get(path.segments[0].name))

    def held(self, system: str, resource: str, key: str) -> bool:
        """Whether the hub holds this record as linked."""
        return any(
            link.state is LinkState.LINKED
            for link in self._database.links.values()
            if (link.system, link.resource, link.key) == (system, resource, key)
        )

    def resource(self, entity: str, system: str) -> str:
        """Where the system keeps the entity."""
        return RESOURCES[entity][system]

    def places(self, entity: str, system: str, name: str) -> set[str]:
        """Far fields that hold a field."""
        return set(tops(self.lens(entity, system).exprs[name]))

    def vital(self, entity: str, system: str) -> set[str]:
        """Far fields without which people could not enter or tell a record."""
        names = {TAGS[entity], "name"} & set(self.lens(entity, system).exprs)
        return {place for name in names for place in self.places(entity, system, name)}

    def picked(self, action: Action, pick: float) -> str | None:
        """The record that the action meets."""
        keys = self.keys(action.system, RESOURCES[action.entity][action.system])
        return keys[int(pick * len(keys))] if keys else None

    def editable(self, entity: str, system: str) -> list[str]:
        """Fields that people edit there."""
        lens = self.lens(entity, system)
        return sorted(lens.writable - _UNTOUCHED)

    # -- working -------------------------------------------------------------------------------------------------

    def act(self, action: Action) -> None:
        """Do it, if there is anything to do it to. What the system refuses is not done."""
        deed = getattr(self, "_" + action.deed.replace(" ", "_"))
        try:
            deed(action)
        except Rejected:
            return

    def _create(self, action: Action) -> None:
        self._make(action, action.system)

    def _both_create(self, action: Action) -> None:
        """The same new thing is entered in two systems by people who do not know of each other."""
        first = SYSTEMS.index(action.system)
        self._make(action, action.system)
        self._make(action, SYSTEMS[(first + 1) % 3], 500_000)

    def _make(self, action: Action, system: str, more: int = 0) -> None:
        entity, resource = action.entity, RESOURCES[action.entity][system]
        tag = f"T{action.number}"
        number = action.number + more
        values: dict[str, Any] = {TAGS[entity]: tag}
        for place, name in enumerate(self.editable(entity, system)):
            # Some fields are left empty; the name never is.
            if name == "name" or (number + place) % 3:
                values[name] = self.value(entity, system, name, number, action.pick)
        if entity in _REFS:
            parents = self.keys(system, RESOURCES["Customer"][system])
            if parents:
                values["customer"] = parents[int(action.other * len(parents))]
        key = self._worlds[system].people.create(resource, self.put(entity, system, values, {}))
        place_made = (system, resource, tag)
        self._ledger.made[place_made] = self._ledger.made.get(place_made, 0) + 1
        shown = self.shown(entity, system, key)
        for name in values:
            if name not in _UNTOUCHED and shown.get(name) not in (None, []):
                self.note(entity, system, tag, name, number, None, shown.get(name))

    def value(self, entity: str, system: str, name: str, number: int, pick: float) -> Any:
        """What is entered into a field."""
        if name != "lines":
            return value_of(name, number)
        products = self.keys(system, RESOURCES["Product"][system])
        product = products[int(pick * len(products))] if products else None
        return [{"product": product, "quantity": f"{number}"}] if product else [{"quantity": f"{number}"}]

    def put(self, entity: str, system: str, values: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        """What is typed into the system's own fields. References are keys of the same system."""
        lens = self.lens(entity, system)
        refs = Refs(keys={ref: ref[1] for ref in lens.refs_out(values)})
        return dict(lens.put(values, before, refs).fields)

    def note(
        self,
        entity: str,
        system: str,
        tag: str,
        name: str,
        number: int,
        shown: Any,
        value: Any,
        blank: bool = False,
    ) -> None:
        """An entry for the book, where the system may set the field."""
        writers = self._world.flows[entity].fields[name].writers
        if not writers or system in writers:
            self._ledger.enter(tag, name, number, system, shown, value, blank=blank)

    def _edit(self, action: Action) -> None:
        key = self.picked(action, action.pick)
        names = self.editable(action.entity, action.system)
        if key is not None:
            name = names[int(action.other * len(names))]
            self.change(action.entity, action.system, key, name, action.number, pick=action.pick)

    def change(
        self, entity: str, system: str, key: str, name: str, number: int, *, pick: float = 0.0, blank: bool = False
    ) -> None:
        """A person changes one field of one record, or empties it."""
        resource = RESOURCES[entity][system]
        now = self._worlds[system].records(resource)[key]
        before, tag = self.shown(entity, system, key), self.tag(entity, system, key)
        if self.watcher is not None:
            self.watcher(entity, system, key, name)
        value = None if blank else self.value(entity, system, name, number, pick)
        self._worlds[system].people.edit(resource, key, self.put(entity, system, {name: value}, now))
        after = self.shown(entity, system, key)
        if after.get(name) != before.get(name):
            self.note(entity, system, tag, name, number, before.get(name), after.get(name), blank)

    def _collide(self, action: Action) -> None:
        """The same thing is changed in two or three systems at one moment: the same field, or different ones."""
        key = self.picked(action, action.pick)
        if key is None:
            return
        tag = self.tag(action.entity, action.system, key)
        same = action.other < 0.5
        for place, system in enumerate(SYSTEMS):
            found = self.keys(system, RESOURCES[action.entity][system])
            twin = next((k for k in found if self.tag(action.entity, system, k) == tag), None)
            names = self.editable(action.entity, system)
            at = int(action.other * 2 * len(names)) + (0 if same else place)
            if twin is not None and (place != 1 or action.pick < 0.7):
                number = action.number + 100_000 * (place + 1)
                self.change(action.entity, system, twin, names[at % len(names)], number, pick=action.pick)

    def _blank(self, action: Action) -> None:
        key = self.picked(action, action.pick)
        names = [name for name in self.editable(action.entity, action.system) if name not in ("name", "lines")]
        if key is None or not names:
            return
        name = names[int(action.other * len(names))]
        known = any(
            link.state is LinkState.LINKED and link.base.get(name) is not None
            for link in self._database.links.values()
            if (link.flow, link.system, link.key) == (action.entity, action.system, key)
        )
        if known:
            # Emptying what was never agreed on is no edit: empty never overwrites at first contact (SPEC 4).
            self.change(action.entity, action.system, key, name, action.number, blank=True)

    def _move(self, action: Action) -> None:
        """A contact or an order goes to another customer."""
        key = self.picked(action, action.pick)
        parents = self.keys(action.system, RESOURCES["Customer"][action.system])
        if key is None or action.entity not in _REFS or not parents:
            return
        resource = RESOURCES[action.entity][action.system]
        now = self._worlds[action.system].records(resource)[key]
        values = {"customer": parents[int(action.other * len(parents))]}
        self._worlds[action.system].people.edit(resource, key, self.put(action.entity, action.system, values, now))

    def _mistype(self, action: Action) -> None:
        """Nonsense in a field: something that is no amount, no list. Corrected later."""
        key = self.picked(action, action.pick)
        if key is not None and action.entity == "Customer":
            place = {"crm": "limit", "erp": "credit_limit", "shop": "budget"}[action.system]
            resource = RESOURCES[action.entity][action.system]
            self._worlds[action.system].people.edit(resource, key, {place: NONSENSE})
            self.typos.append((action.system, resource, key, place))
            self._ledger.tainted.add(self.tag(action.entity, action.system, key))

    def _correct(self, action: Action) -> None:
        for system, resource, key, place in self.typos:
            row = self._worlds[system].tables[resource].rows.get(key)
            if row is not None and row.fields.get(place) == NONSENSE:
                self._worlds[system].people.edit(resource, key, {place: Decimal(action.number)})
        self.typos.clear()

    def correct_all(self) -> None:
        """Nobody leaves nonsense behind."""
        self._correct(Action(number=999_999, after=0, deed="correct"))

    def _delete(self, action: Action) -> None:
        key = self.picked(action, action.pick)
        if key is None:
            return
        resource = RESOURCES[action.entity][action.system]
        tag = self.tag(action.entity, action.system, key)
        if self.held(action.system, resource, key):
            self._ledger.deleted[(action.system, resource, tag)] = action.number
        self._ledger.withdraw(tag, action.system)
        self._worlds[action.system].people.delete(resource, key)

    def _restore(self, action: Action) -> None:
        resource = RESOURCES[action.entity][action.system]
        table = self._worlds[action.system].tables[resource]
        graves = sorted(key for key, (_, winner) in table.graves.items() if winner is None)
        alive = {self.tag(action.entity, action.system, key) for key in table.rows}
        graves = [key for key in graves if self.tag(action.entity, action.system, key) not in alive]
        if graves:
            key = graves[int(action.pick * len(graves))]
            tag = self.tag(action.entity, action.system, key)
            self._worlds[action.system].people.restore(resource, key)
            for system, place, name in list(self._ledger.deleted):
                if name == tag:
                    del self._ledger.deleted[(system, place, name)]
            # It shows what it showed then, and who knows what became of it elsewhere meanwhile.
            self._ledger.tainted.add(tag)

    def _merge(self, action: Action) -> None:
        loser, winner = self.picked(action, action.pick), self.picked(action, action.other)
        if loser is None or winner is None or loser == winner:
            return
        resource = RESOURCES[action.entity][action.system]
        self._ledger.tainted |= {self.tag(action.entity, action.system, key) for key in (loser, winner)}
        self._worlds[action.system].people.merge(resource, loser, winner)
