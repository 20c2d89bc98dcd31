"""Records that are to be read again, while others are at their links."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from isthmus.model.state import Pause
from tests.engine.test_round import linked


class Overtaken:
    """A store on which somebody else does something as soon as the first transaction has ended."""

    def __init__(self, store, meanwhile):
        self._store, self._meanwhile = store, meanwhile

    @asynccontextmanager
    async def transaction(self):
        async with self._store.transaction() as tx:
            yield tx
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            await meanwhile()


@pytest.mark.spec(9)
async def test_putting_off_the_reading_of_a_paused_record_undoes_nothing(office):
    o = await linked(office)
    await o.start()
    await o.rows("update link set waits_for = 'read', due_at = '2030-01-01' where system = 'erp' returning id")
    o.engine.pauses.fill([Pause("erp", "parties", "anna", o.clock(), "the year is closed")])
    observer = o.engine.observers["erp"]

    async def set_apart():
        apart = "state = 'unlinked', due_at = null, waits_for = null"
        await o.rows(f"update link set {apart} where system = 'erp' returning id")

    observer._store = Overtaken(o.store, set_apart)
    o.forget_calls()
    assert await observer.reread_woken() == 1
    assert o.erp.calls == []
    link = await o.link("system = 'erp'")
    assert (link.state, link.due_at, link.waits_for) == ("unlinked", None, None)
