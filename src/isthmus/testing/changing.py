"""Contract tests of the change feed: it may repeat, it never skips."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

from isthmus.connector import Create, Deletes, Gone, Key, Record, Resource, Update, Writable
from isthmus.errors import RateLimited, Unavailable
from isthmus.testing.case import differences, filled
from isthmus.testing.stage import Stage, read_feed

__all__ = ["FeedTests"]

_WRITERS = 4
_WRITES_EACH = 5


class FeedTests:
    """What a :class:`~isthmus.connector.Feed` promises."""

    async def test_feed_from_none_is_empty_and_means_now(self, stage: Stage) -> None:
        page = await stage.feed().changes(None)
        assert not page.items, f"changes(None) must be empty, it gave {len(page.items)} records"
        assert page.cursor is not None, "changes(None) must give a cursor that means now"
        assert not page.more, "changes(None) must be complete"

    async def test_feed_tells_creates_and_edits(self, stage: Stage) -> None:
        feed = stage.feed()
        change, second = stage.need_change()
        old = await stage.create()
        _, cursor = await read_feed(feed, (await feed.changes(None)).cursor)
        new = await stage.create()
        await stage.far_edit(old.key, change)
        items, cursor = await read_feed(feed, cursor)
        told = {item.key for item in items}
        assert new.key in told, "the feed skipped a created record"
        assert old.key in told, "the feed skipped an edited record"
        await stage.far_edit(old.key, second)
        items, _ = await read_feed(feed, cursor)
        last = [item for item in items if item.key == old.key]
        assert last, "the feed skipped the second edit"
        assert isinstance(last[-1], Record)
        assert not differences(second, last[-1]), "the last entry of the feed does not show the newest state"

    async def test_feed_shows_records_as_a_fetch_does(self, stage: Stage) -> None:
        feed = stage.feed()
        cursor = (await feed.changes(None)).cursor
        key = (await stage.create()).key
        items, _ = await read_feed(feed, cursor)
        (*_, last) = [item for item in items if item.key == key]
        fetched = await stage.read(key)
        assert isinstance(last, Record)
        assert last.fields == fetched.fields, "feed and fetch show different fields for the same record"
        assert last.version == fetched.version, "feed and fetch show different versions"

    async def test_feed_tells_deletes_when_it_says_so(self, stage: Stage) -> None:
        feed = stage.feed()
        stage.need(stage.traits.deletes is Deletes.REPORTED, "deletes reported")
        stage.need(stage.traits.deletable, "deletable")
        key = (await stage.create()).key
        _, cursor = await read_feed(feed, (await feed.changes(None)).cursor)
        await stage.far_delete(key)
        items, _ = await read_feed(feed, cursor)
        last = [item for item in items if item.key == key]
        assert last and isinstance(last[-1], Gone), "the feed did not report a delete"

    async def test_feed_cursor_works_in_another_process(self, stage: Stage) -> None:
        cursor = (await stage.feed().changes(None)).cursor
        key = (await stage.create()).key
        other = (await stage.other()).resources()[stage.case.name]
        items, _ = await read_feed(Stage.feed(_Here(stage, other)), cursor)
        assert key in {item.key for item in items}, "the cursor of one process skips changes in another"

    async def test_quiet_feed_ends_and_its_cursor_still_sees_the_next_change(self, stage: Stage) -> None:
        feed = stage.feed()
        cursor = (await feed.changes(None)).cursor
        for _ in range(3):
            _, cursor = await read_feed(feed, cursor)
        key = (await stage.create()).key
        items, _ = await read_feed(feed, cursor)
        assert key in {item.key for item in items}, "after quiet readings the feed skipped a change"

    async def test_feed_skips_nothing_under_concurrent_writers(self, stage: Stage) -> None:
        feed, writable = stage.feed(), stage.writable()
        _, hands = await stage.hands()
        samples = itertools.batched(await stage.samples(_WRITERS * _WRITES_EACH), _WRITES_EACH)
        cursor = (await feed.changes(None)).cursor
        writing = asyncio.gather(
            *(_write_all(stage, hands if at % 2 else writable, part) for at, part in enumerate(samples))
        )
        seen: set[Key] = set()
        while not writing.done():
            items, cursor = await read_feed(feed, cursor)
            seen |= {item.key for item in items}
            await asyncio.sleep(0.01)
        made = {key for keys in await writing for key in keys}
        await stage.settle()
        items, _ = await read_feed(feed, cursor)
        seen |= {item.key for item in items}
        assert not made - seen, f"the feed skipped {len(made - seen)} of {len(made)} concurrent changes"


class _Here(Stage):
    """The same stage with the resource of another system object."""

    def __init__(self, stage: Stage, resource: Resource) -> None:
        self.case = stage.case
        self.resource = resource


async def _write_all(stage: Stage, writable: Writable, samples: Sequence[dict[str, object]]) -> list[Key]:
    """One writer: creates every record, then edits it if that is allowed."""
    keys = []
    for sample in samples:
        record = await _persist(stage, writable, Create(token=stage.tag(), fields=sample))
        keys.append(record.key)
        if stage.traits.updates and stage.case.change is not None:
            change = filled(stage.case.change, stage.tag())
            await _persist(stage, writable, Update(before=record, fields=change))
    return keys


async def _persist(stage: Stage, writable: Writable, write: Create | Update) -> Record:
    """Writes that get in each other's way may be undone by the system (of two transactions the second, say): like the
    hub, whoever is told that nothing had an effect tries again."""
    answer = await stage.one(writable, write)
    for pause in (0.1, 0.3, 1.0):
        if isinstance(answer, Unavailable | RateLimited):
            await asyncio.sleep(pause)
            answer = await stage.one(writable, write)
    assert isinstance(answer, Record), f"{stage.case.name}: {type(write).__name__} was answered by {answer!r}"
    return answer
