"""People who work on the hub's links by hand: unlink, link, separate, merge, part (SPEC 7). What they touch has no
single truth any more for the ledger; that it comes to rest, reads alike and can be explained is judged as ever."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from isthmus.errors import NeedsPerson, StoreUnavailable
from isthmus.model.state import Cause, Item, Link, LinkState
from isthmus.sync.heirs import with_heirs
from isthmus.sync.linking import MOVED, give_own_item, merge_items, part_items, set_apart, take_up
from isthmus.sync.working import Working
from isthmus.sync.world import World
from isthmus.testing.memory_database import MemoryDatabase
from isthmus.testing.simulator.ledger import Ledger
from isthmus.testing.simulator.script import Action
from isthmus.testing.simulator.triangle import TAGS

__all__ = ["Hands"]

_BY = Cause("person", "anna")


class Hands:
    """Carries out one act on whatever the action meets."""

    def __init__(
        self, store: Any, database: MemoryDatabase, world: World, ledger: Ledger, new_id: Callable[[], str]
    ) -> None:
        self._store, self._database, self._world = store, database, world
        self._ledger, self._new_id = ledger, new_id

    async def act(self, action: Action) -> None:
        """Do it; what the rules refuse is not done."""
        try:
            await getattr(self, "_" + action.what)(action)
        except (NeedsPerson, StoreUnavailable):
            return

    # -- acts ----------------------------------------------------------------------------------------------------

    async def _unlink(self, action: Action) -> None:
        link = self._link(action, LinkState.LINKED)
        if link is not None:
            await self._do([link.item], lambda work: set_apart(work, _now(work, link), _BY))

    async def _link_up(self, action: Action) -> None:
        link = self._link(action, LinkState.UNLINKED)
        item = self._item(action, action.other)
        if link is not None and item is not None:
            await self._do([link.item, item.id], lambda work: take_up(work, _now(work, link), item.id, _BY))

    async def _separate(self, action: Action) -> None:
        link = self._link(action, LinkState.LINKED)
        if link is not None:
            await self._do([link.item], lambda work: give_own_item(work, _now(work, link), _BY))

    async def _merge(self, action: Action) -> None:
        one, other = self._item(action, action.pick), self._item(action, action.other)
        if one is not None and other is not None:
            await self._do([one.id, other.id], lambda work: merge_items(work, one.id, other.id, None, _BY))

    async def _part(self, action: Action) -> None:
        merged = {entry.item: entry for entry in self._database.journal if MOVED in entry.changes}
        lost = [entry for id, entry in merged.items() if self._database.items[id].entity == action.entity]
        if not lost:
            return
        entry = lost[int(action.pick * len(lost))]
        moved = entry.changes[MOVED][1]
        ids = [str(id) for id in moved] if isinstance(moved, list) else []
        winner = self._database.items[entry.item].alias_of
        told = [x for x in self._database.journal if x.item == winner and x.at == entry.at]
        filled = {n: pair for x in told for n, pair in x.changes.items() if not n.startswith("@")}
        await self._do([entry.item], lambda work: part_items(work, entry.item, ids, filled, _BY))

    # -- doing ---------------------------------------------------------------------------------------------------

    async def _do(self, ids: Collection[str | None], act: Callable[[Working], object]) -> None:
        async with self._store.transaction() as tx:
            await tx.lock({flow.entity.name for flow in self._world.flows.values()})
            items = await with_heirs(tx, [id for id in ids if id is not None])
            links = await tx.links_by_item(set(items))
            work = Working(self._world, items, links, now=self._database.now(), new_id=self._new_id)
            act(work)
            for item in work.items.values():
                self._ledger.tainted.add(str(item.fields.get(TAGS[item.entity])))
            self._ledger.tainted |= {str(link.far.get(TAGS[link.flow])) for link in work.links.values()}
            await tx.save(work.finish())

    def _link(self, action: Action, state: LinkState) -> Link | None:
        links = [
            link
            for link in self._database.links.values()
            if (link.flow, link.system, link.state) == (action.entity, action.system, state) and link.key is not None
        ]
        return links[int(action.pick * len(links))] if links else None

    def _item(self, action: Action, pick: float) -> Item | None:
        items = [x for x in self._database.items.values() if x.entity == action.entity and x.deleted_at is None]
        return items[int(pick * len(items))] if items else None


def _now(work: Working, link: Link) -> Link:
    """The link as it is under the lock. Raises NeedsPerson when it has gone to another item meanwhile."""
    now = work.links.get(link.id)
    if now is None:
        raise NeedsPerson("This record belongs to another one by now.", advice="Look at it again.")
    return now
