"""Bugs of the field, each planted into the engine by a few lines: what a tired engineer could have written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from isthmus.connector import Gone, Record
from isthmus.errors import Rejected
from isthmus.mapping import Lens
from isthmus.mapping.lens import Got, PutResult
from isthmus.merge import field as merge_field
from isthmus.model.state import LinkState
from isthmus.sync import absorb, apply, observe, outcome, sifting
from isthmus.sync.apply import Applier
from isthmus.sync.observe import Observer
from isthmus.sync.sifting import Sieve
from isthmus.sync.working import Working
from isthmus.testing.memory_transaction import MemoryTransaction


def echo_loop(plant):
    """The hub does not know its own write again: it forgets what it wrote, and writes without comparing."""
    put, agreed = Lens.put, absorb.agreed

    def always(self, values, before, refs):
        found = put(self, values, before, refs)
        whole = put(self, values, {}, refs)
        return PutResult({**whole.fields, **found.fields}, found.missing, found.problems)

    def forgetful(work, link, shown, written, **options):
        link = agreed(work, link, shown, written, **options)
        return replace(link, base={n: v for n, v in link.base.items() if n not in written})

    plant(Lens, "put", always)
    plant(absorb, "agreed", forgetful)


def last_writer_wins(plant):
    """Both sides changed a field: whoever is read last wins, and nobody is asked."""
    plant(merge_field, "_both_changed", lambda *a, **o: merge_field._TAKE)


def blank_overwrites_value(plant):
    """An empty field counts as an edit when two records meet for the first time."""
    first = merge_field._first_contact

    def blank(hub, far, **options):
        return merge_field._TAKE if far is None else first(hub, far, **options)

    plant(merge_field, "_first_contact", blank)


def retry_duplicates(plant):
    """A create whose answer was lost is simply sent again."""
    plant(apply, "is_unsure", lambda link: False)


def late_news_wins(plant):
    """A hint that arrives late, or a reading from a replica, is believed whatever is known already."""
    plant(sifting, "is_stale", lambda *a: False)
    plant(sifting, "_older", lambda *a: False)
    plant(sifting, "_unsettled", lambda *a: None)


def cursor_gap(plant):
    """After a page the hub goes on from the newest place of the feed: what did not fit on the page is skipped."""

    async def one_page(self, name, feed, state):
        began = self._clock()
        page = await feed.changes(state.cursor)
        newest = (await feed.changes(None)).cursor
        await self.ingest(name, page.items, began, state=replace(state, cursor=newest, polled_at=began))
        return len(page.items)

    plant(Observer, "_read_feed", one_page)


def child_before_parent(plant):
    """A child is taken in before its parent is known, and its reference is lost."""
    get = Lens.get

    def orphan(self, key, fields, refs, *, created=True):
        got = get(self, key, fields, refs, created=created)
        return Got(got.fields, (), got.problems)

    plant(Lens, "get", orphan)


def delete_resurrected(plant):
    """A record that vanished is forgotten; the counterpart then makes it again."""

    def forget(work, link, **_):
        if work.links.get(link.id) is not None:
            work.drop_link(work.links[link.id])

    plant(observe, "absorb_gone", forget)


def parked_blocks_others(plant):
    """One refused record stops everything behind it."""
    due = MemoryTransaction.due_links

    async def behind(self, flow, system, now, limit, held=()):
        parked = any(
            link.problem is not None and link.due_at is None and (link.flow, link.system) == (flow, system)
            for link in self._all_links()
        )
        return [] if parked else await due(self, flow, system, now, limit, held)

    plant(MemoryTransaction, "due_links", behind)


def written_from_an_old_reading(plant):
    """What is written is planned from what the record showed some time ago, not from what it shows now."""

    async def blind(self, links):
        found: dict[str, Record] = {}
        for link in links:
            for answer in await self._resource.fetch([link.key]):
                if not isinstance(answer, Gone):
                    found[answer.key] = answer
        return found, []

    plant(Applier, "_read", blind)


def rounding_drift(plant):
    """The hub believes that a system keeps what it was given; what it rounded comes back as an edit."""
    agreed = absorb.agreed

    def believed(work, link, shown, written, **options):
        made = agreed(work, link, shown, written, **options)
        lens = work.lens(link)
        base = {**made.base, **{n: lens.view(n, v) for n, v in written.items() if n in shown}}
        return replace(made, base=base, not_held={n: h for n, h in made.not_held.items() if n not in written})

    plant(absorb, "agreed", believed)
    plant(outcome, "agreed", believed)


def double_receipt(plant):
    """What is told twice is taken in twice."""
    sift = Sieve.sift

    def anew(self, latest, by_key, read_at):
        found, early = sift(self, latest, by_key, read_at)
        return [
            (flow, None if isinstance(change, Record) else link, change, None) for flow, link, change, _ in found
        ], early

    plant(Sieve, "sift", anew)


def lost_wake_up(plant):
    """A child waits for its parent, and nobody tells it that the parent is there."""
    finish = Working.finish

    def silent(self):
        batch = finish(self)
        batch.wake.clear()
        return batch

    async def never(self, among=None):
        return 0

    plant(Working, "finish", silent)
    plant(MemoryTransaction, "wake_ready", never)


def refused_is_forgotten(plant):
    """A refused write is dropped, and nobody is told."""
    park = outcome.park

    def drop(work, link, error, step):
        if isinstance(error, Rejected):
            work.put_link(replace(link, due_at=None, problem=None, base={**link.base, **step.values}))
            if link.state is LinkState.CREATING:
                park(work, link, error, step)
        else:
            park(work, link, error, step)

    plant(outcome, "park", drop)


def older_copy_wins(plant):
    """A save of an older copy is taken for an edit of everything in it."""
    plant(absorb, "undone", lambda *a: ({}, {}))


BUGS: Mapping[str, Callable[[Any], None]] = {
    bug.__name__: bug
    for bug in (
        echo_loop,
        last_writer_wins,
        blank_overwrites_value,
        retry_duplicates,
        late_news_wins,
        cursor_gap,
        child_before_parent,
        delete_resurrected,
        parked_blocks_others,
        written_from_an_old_reading,
        rounding_drift,
        double_receipt,
        lost_wake_up,
        refused_is_forgotten,
        older_copy_wins,
    )
}
