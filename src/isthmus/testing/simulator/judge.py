"""What must be true when a storm is over: the invariants of SPEC.md over the systems themselves, not over what the hub
believes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from isthmus.connector import Record
from isthmus.mapping import Refs
from isthmus.model.fields import completed, covers
from isthmus.model.flow import DeletePolicy
from isthmus.model.state import InboxEntry, Item, Link, LinkState, NotHeld
from isthmus.sync.explain import explain_link
from isthmus.testing.simulator.triangle import TAGS

if TYPE_CHECKING:
    from isthmus.testing.simulator.simulation import Simulation

__all__ = ["Judge"]


class Judge:
    """Judges one run. Each violation begins with its kind."""

    def __init__(self, run: Simulation) -> None:
        self._run = run
        self._database = run.database

    def restless(self) -> bool:
        """Whether anything is still to be done by itself, or asked."""
        links = self._database.links.values()
        asked = any(e.decided_at is None and not self._run.clerk.left(e) for e in self._database.inbox.values())
        return asked or any(
            link.due_at is not None or link.waits_for == "read" or (link.state is LinkState.NEW and not link.waits_for)
            for link in links
        )

    def explained(self, entry: InboxEntry) -> None:
        """A question must say what it is about and offer choices."""
        if not entry.summary or not entry.choices:
            self._run.complain(f"unexplained: {entry.kind} {entry.subject}")

    def explain_all(self) -> None:
        """``explain`` must have an answer for every link, whatever state it is in, and say what to do about it."""
        entries = {entry.subject: entry for entry in self._database.inbox.values() if entry.decided_at is None}
        for link in self._database.links.values():
            item = self._database.items.get(link.item or "")
            part = explain_link(self._run.world, link, item, entries.get(link.id), self._database.feeds)
            if not part.sentence or (part.state != "in step" and not part.advice):
                self._run.complain(f"unexplained: {link.flow} {link.system} {link.state}: {part.state} {part.sentence}")
            if part.state == "in step" and (link.due_at is not None or link.conflicts or link.problem):
                self._run.complain(f"unexplained: {link.flow} {link.system} {link.key} is called in step and is not")

    def verdict(self) -> Iterator[str]:
        """Everything that is wrong."""
        self.explain_all()
        yield from self._unresolved()
        yield from self._unequal()
        yield from self._duplicates()
        yield from self._came_back()
        yield from self._lost()

    # -- what the hub has not finished ---------------------------------------------------------------------------

    def _unresolved(self) -> Iterator[str]:
        asked = {entry.subject for entry in self._database.inbox.values() if entry.decided_at is None}
        for entry in self._database.inbox.values():
            if entry.decided_at is None and not self._run.clerk.left(entry):
                yield f"still asked: {entry.kind} {entry.summary}"
        for link in self._database.links.values():
            if link.id in asked:
                continue
            where = f"{link.flow} {link.system} {link.key} ({link.state})"
            if link.due_at is not None:
                yield f"no rest: {where} is still due: {link.problem.message if link.problem else link.waits_for}"
            elif link.waits_for is not None:
                if self._there(link.waits_for):
                    yield f"stuck: {where} waits for {link.waits_for}, which is there"
            elif link.problem is not None or link.conflicts:
                yield f"not asked: {where}: {link.problem or dict(link.conflicts)}"
            elif link.state in (LinkState.NEW, LinkState.DOUBTFUL, LinkState.CREATING):
                yield f"stuck: {where} has no reason to be so"

    def _there(self, waits_for: str) -> bool:
        linked = [link for link in self._database.links.values() if link.state is LinkState.LINKED]
        if waits_for.startswith("doubt/"):
            return waits_for.removeprefix("doubt/") not in self._database.links
        if waits_for.count("/") == 1:
            return any(f"{link.item}/{link.system}" == waits_for for link in linked)
        return any(
            f"{link.system}/{link.resource}/{link.key}" == waits_for and self._alive(link.item) is not None
            for link in linked
        )

    def _alive(self, id: str | None) -> Item | None:
        item = self._database.items.get(id or "")
        return item if item is not None and item.deleted_at is None and item.alias_of is None else None

    def _survivors(self, value: Any) -> Any:
        """The value with references to merged items as references to what they were merged into."""
        match value:
            case list():
                return [self._survivors(each) for each in value]
            case dict():
                return {name: self._survivors(part) for name, part in value.items()}
        item = self._database.items.get(str(value))
        return self._survivors(item.alias_of) if item is not None and item.alias_of is not None else value

    # -- what the systems show -----------------------------------------------------------------------------------

    def _shown(self, link: Link) -> dict[str, Any] | None:
        """The record in entity terms, with references as items; None when it is not there."""
        record = self._run.worlds[link.system].record(link.resource, link.key or "")
        if not isinstance(record, Record):
            return None
        lens = self._run.people.lens(link.flow, link.system)
        items = {
            (other.resource, other.key or ""): other.item
            for other in self._database.links.values()
            if other.system == link.system and other.state is LinkState.LINKED and other.item is not None
        }
        return dict(lens.get(record.key, record.fields, Refs(items=items)).fields)

    def _unequal(self) -> Iterator[str]:
        for link in self._database.links.values():
            item = self._alive(link.item)
            if link.state is not LinkState.LINKED or item is None or link.waits_for or link.doom or link.problem:
                continue
            shown = self._shown(link)
            if shown is None:
                yield f"not equal: {link.flow} {link.system} {link.key} is linked and not there"
                continue
            lens = self._run.people.lens(link.flow, link.system)
            for name, value in shown.items():
                if name in _kept_otherwise(link) or name in link.conflicts:
                    continue
                writers = self._run.world.flows[link.flow].fields[name].writers
                hub = item.fields.get(name)
                if hub is None and name not in link.base and writers and link.system not in writers:
                    # Evidence for matching, not the hub's truth; and null never overwrites at first contact.
                    continue
                hub, value = self._survivors(hub), self._survivors(value)
                if hub != value and self._mended(hub) == self._mended(value):
                    continue
                wanted = lens.view(name, hub)
                if value != wanted and not covers(completed(value, wanted), wanted) and not (hub is None and not value):
                    yield f"not equal: {name} of {link.flow} {link.system} {link.key}: hub {hub}, shown {value}"

    def _mended(self, value: Any) -> Any:
        """The value without which item it refers to, where a person has parted it again after a merge: what refers to
        its records is an edit of nobody (docs/reliability.md)."""
        match value:
            case list():
                return [self._mended(each) for each in value]
            case dict():
                return {name: self._mended(part) for name, part in value.items()}
        item = self._database.items.get(str(value))
        torn = item is not None and item.fields.get(TAGS[item.entity]) in self._run.ledger.tainted
        return "parted" if torn else value

    def _rows(self) -> Iterable[tuple[str, str, str, str, bool]]:
        """(system, resource, tag, key, made by the hub) of every record that is there."""
        for system, world in self._run.worlds.items():
            for resource, table in world.tables.items():
                entity = self._run.world.flows_of(system, resource)[0].name
                for key, row in table.rows.items():
                    yield system, resource, self._run.people.tag(entity, system, key), key, row.token is not None

    def _duplicates(self) -> Iterator[str]:
        made: dict[tuple[str, str, str], list[str]] = {}
        # What was set apart is another thing from then on.
        apart = {(x.system, x.key) for x in self._database.links.values() if x.state is LinkState.UNLINKED}
        for system, resource, tag, key, by_hub in self._rows():
            if by_hub and (system, key) not in apart and tag not in self._run.ledger.tainted:
                made.setdefault((system, resource, tag), []).append(key)
        for (system, resource, tag), keys in made.items():
            if len(keys) > 1:
                yield f"duplicate: the hub made {tag} {len(keys)} times in {system} {resource}: {', '.join(keys)}"

    def _came_back(self) -> Iterator[str]:
        there = {(system, resource, tag) for system, resource, tag, _, by_hub in self._rows() if by_hub}
        restores = DeletePolicy.RESTORE in self._run.setting.deletes.values()
        entered = Counter(tag for _, _, tag in self._run.ledger.made)
        for place in self._run.ledger.deleted:
            # What was entered in two systems may have been deleted before the hub knew that it is one thing.
            if place in there and entered[place[2]] < 2 and place[2] not in self._run.ledger.tainted and not restores:
                yield f"came back: {place[2]} was deleted in {place[0]} {place[1]} and made there again"

    def _lost(self) -> Iterator[str]:
        unmet = {str(x.far.get(TAGS[x.flow])) for x in self._database.links.values() if x.item is None}
        for item in self._database.items.values():
            flow = self._run.world.flows.get(item.entity)
            tag = item.fields.get(TAGS[item.entity])
            linked = [
                link
                for link in self._database.links.values()
                if link.item == item.id and link.state is LinkState.LINKED and not link.waits_for
            ]
            if self._alive(item.id) is None or flow is None or tag in self._run.ledger.tainted | unmet or not linked:
                continue
            if any(link.state is not LinkState.LINKED or link.doom for link in self._links_of(item)):
                continue
            # What refers to a record that was set apart cannot be read; that it waits rightly is judged elsewhere.
            unread = {link.system for link in self._links_of(item) if link.waits_for} | self._apart(item.entity, tag)
            for name, rule in flow.fields.items():
                kept = [held.got for held in (_kept_otherwise(link).get(name) for link in linked) if held is not None]
                for fault in self._run.ledger.faults(str(tag), name, rule, item.fields.get(name), kept, unread):
                    yield f"lost: {fault}"

    def _apart(self, entity: str, tag: Any) -> set[str]:
        """Systems with a record of this name that was set apart, and is another thing since."""
        links = [x for x in self._database.links.values() if x.flow == entity and x.state is LinkState.UNLINKED]
        return {link.system for link in links if link.far.get(TAGS[entity]) == tag}

    def _links_of(self, item: Item) -> list[Link]:
        return [link for link in self._database.links.values() if link.item == item.id]


def _kept_otherwise(link: Link) -> dict[str, NotHeld]:
    """Fields of which the system keeps something else than it was given. Every place that was missing is back at the
    end, so that one was missing excuses nothing."""
    return {name: held for name, held in link.not_held.items() if not held.absent}
