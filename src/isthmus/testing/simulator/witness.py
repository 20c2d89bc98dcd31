"""Sees each write of the hub to one system in the moment before it takes effect, and what it does to others' work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.connector import Delete, Gone, Update, Write
from isthmus.errors import Rejected, UnknownOutcome
from isthmus.testing.memory import MemoryWorld
from isthmus.testing.simulator.ledger import number_of

if TYPE_CHECKING:
    from isthmus.testing.simulator.simulation import Simulation

__all__ = ["Witness"]


class Witness:
    """Of one system."""

    def __init__(self, run: Simulation, system: str, world: MemoryWorld) -> None:
        self._run, self._system, self._world = run, system, world

    def see(self, resource: str, write: Write) -> None:
        """A write is about to take effect."""
        self._run.facts["hub writes"] += 1
        if isinstance(write, Delete) and write.key in self._world.tables[resource].rows:
            # What was entered there goes with the record, as the policy says.
            entity = next(flow.name for flow in self._run.world.flows_of(self._system, resource))
            self._run.ledger.withdraw(self._run.people.tag(entity, self._system, write.key), self._system)
        if not isinstance(write, Update):
            return
        now = self._world.record(resource, write.key)
        guarded = self._world.tables[resource].spec.traits.guarded_writes
        if isinstance(now, Gone) or (guarded and now.version != write.before.version):
            return
        self._run.forms.written(self._system, resource, write)
        moved = {name for name in write.fields if now.fields.get(name) != write.before.fields.get(name)}
        if moved:
            self._overwritten(resource, write.key, moved)
            return
        self._no_longer_kept(resource, write)
        try:
            changes = self._world.would_change(resource, write.key, write.fields)
        except Rejected:
            return
        if not changes:
            self._needless(resource, write)

    def _overwritten(self, resource: str, key: str, places: set[str]) -> None:
        """Somebody changed the record between the hub's reading and its write, and nothing guards it."""
        people = self._run.people
        entity = next(flow.name for flow in self._run.world.flows_of(self._system, resource))
        shown = people.shown(entity, self._system, key)
        for name in people.lens(entity, self._system).readable:
            if places & people.places(entity, self._system, name):
                self._run.ledger.excuse(people.tag(entity, self._system, key), name, shown.get(name))
                self._run.facts["overwritten"] += 1

    def _no_longer_kept(self, resource: str, write: Update) -> None:
        """What a system kept otherwise than it was asked gives way to the next edit. It may have been an edit itself:
        of a record whose create was not answered, which is found later."""
        people = self._run.people
        for link in self._run.database.links.values():
            if (link.system, link.resource, link.key) == (self._system, resource, write.key):
                for name, held in link.not_held.items():
                    another = not held.absent and number_of(held.got) != number_of(held.wanted)
                    if another and set(write.fields) & people.places(link.flow, self._system, name):
                        self._run.ledger.excuse(people.tag(link.flow, self._system, write.key), name, held.got)

    def _needless(self, resource: str, write: Update) -> None:
        """A write of what the system shows, or keeps otherwise, already. It may happen once after a create (which may
        ignore fields that only an update can set), and again when answers get lost or the process dies."""
        place = (self._system, resource, write.key, ",".join(sorted(write.fields)))
        repeated = self._run.repeated
        repeated[place] = repeated.get(place, 0) + 1
        unanswered = sum(
            (effect.system, effect.resource, effect.key, effect.outcome)
            == (self._system, resource, write.key, UnknownOutcome.code)
            for effect in self._run.database.effects
        )
        if repeated[place] > (2 if self._run.calm else 4) + unanswered:
            self._run.complain(f"needless write: {self._system} {resource} {write.key} {sorted(write.fields)}")
