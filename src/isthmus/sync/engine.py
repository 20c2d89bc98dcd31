"""The engine as a whole: rounds of observe, meet, apply over all systems, until there is nothing left to do; and the
pieces of a round that the continuous service drives by timers and hints.

A system that is down, slow or misconfigured delays only what is due there: everything else goes on.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from isthmus import events
from isthmus.connector import Feed, System
from isthmus.errors import IsthmusError, Misconfigured, Paused, StoreUnavailable
from isthmus.model.state import FeedState, Problem
from isthmus.sync.apply import Applier, claim_of
from isthmus.sync.contact import meet
from isthmus.sync.health import Health
from isthmus.sync.observe import Observer
from isthmus.sync.pauses import PauseBook
from isthmus.sync.plan import Step
from isthmus.sync.ports import LANES, Batch, LaneDue, Store
from isthmus.sync.world import World

__all__ = ["Engine", "Round"]

ROUNDS = 1000
"""Safety limit of one catch-up: a plan that never comes to rest is a fault, not a reason to go on for ever."""


COUNTED = timedelta(seconds=1)
"""For how long the number of workers is not asked for again."""


class Round(msgspec.Struct, kw_only=True):
    """What a catch-up did."""

    read: int = 0
    met: int = 0
    handled: int = 0
    problems: dict[str, str] = {}
    """System -> why it could not be read or written."""


class Engine:
    """Everything that keeps the systems in step. One instance per process; several processes may share a store."""

    def __init__(
        self,
        store: Store,
        world: World,
        systems: Mapping[str, System],
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
        jitter: Callable[[], float],
        pauses: PauseBook | None = None,
    ) -> None:
        self.pauses = pauses if pauses is not None else PauseBook()
        self.store, self.world, self.systems = store, world, dict(systems)
        self._clock, self._new_id, self._jitter = clock, new_id, jitter
        self.health = Health(clock, jitter)
        self._counted: tuple[datetime, int] | None = None
        self.observers: dict[str, Observer] = {}
        for name, system in systems.items():
            self.add_system(name, system)

    # -- reading -------------------------------------------------------------------------------------------------

    async def poll(self, system: str, resource: str, report: Callable[[int], None] | None = None) -> int:
        """Look at one resource; a paused one is left alone. Raises what the system raises, after noting it."""
        return await self._reading(system, resource, lambda: self.observers[system].poll(resource, report)) or 0

    async def seconds_until_look(self, system: str, resource: str) -> float:
        """How long until the resource is to be looked at, by its interval and the last look of any worker. 0 when
        it was never read whole as the flows want it now, and when something failed since: what was to be seen then
        may be unseen yet."""
        async with self.store.transaction() as tx:
            state = await tx.feed(system, resource)
        if state is None or state.polled_at is None or state.failing_since is not None:
            return 0.0
        if state.scanned_for != self.world.signature(system, resource):
            return 0.0
        spent = (self._clock() - state.polled_at).total_seconds()
        return max(0.0, self.world.every(system, resource) - spent)

    async def look(self, system: str, resource: str, keys: Collection[str]) -> int | None:
        """Look at some records (a hint); without keys at the whole resource. None when another is reading that now: it
        may have begun before what the hint tells of, so come again. Raises what the system raises, after noting it."""
        if self.pauses.of(system, resource) is not None:
            # Whoever resumes it has everything looked at.
            return 0
        if not keys:
            return await self._reading(system, resource, lambda: self.observers[system].poll(resource))
        try:
            count = await self.observers[system].look(resource, keys)
        except IsthmusError as error:
            await self.note_down(system, resource, error)
            raise
        self.note_up(system, resource)
        return count

    def took_strangers(self, system: str) -> bool:
        """Whether records of this system were read since the last time this was asked that have not met their item."""
        observer = self.observers[system]
        found, observer.strangers = observer.strangers, False
        return found

    async def _reading(self, system: str, resource: str, read: Callable[[], Awaitable[int]]) -> int | None:
        if self.pauses.of(system, resource) is not None:
            return 0
        if not await self.store.try_lock(f"read/{system}/{resource}"):
            return None
        try:
            count = await read()
            self.note_up(system, resource)
            return count
        except IsthmusError as error:
            await self.note_down(system, resource, error)
            raise
        finally:
            await self.store.unlock(f"read/{system}/{resource}")

    async def note_down(self, system: str, resource: str, error: IsthmusError) -> None:
        """The system (or this resource) cannot be used now: wait longer each time, and remember why. Trouble of the
        hub's own memory, and a pause, are not the system's fault."""
        if isinstance(error, StoreUnavailable | Paused):
            return
        if self.health.failed(system, resource, error):
            level = logging.ERROR if isinstance(error, Misconfigured) else logging.WARNING
            events.emit(events.SYSTEM_DOWN, level, system=system, code=error.code, message=error.message)
        now = self._clock()
        async with self.store.transaction() as tx:
            state = await tx.feed(system, resource) or FeedState(system=system, resource=resource)
            problem = Problem(code=error.code, message=error.message, advice=error.advice, at=now)
            failing = replace(state, failing_since=state.failing_since or now, problem=problem)
            await tx.save(Batch(feeds=[failing]))

    def note_up(self, system: str, resource: str) -> None:
        """The system answered."""
        if self.health.answered(system, resource):
            events.emit(events.SYSTEM_UP, system=system)

    def add_system(self, name: str, system: System) -> None:
        """Take in a system that could not be opened at first."""
        self.systems[name] = system
        self.observers[name] = Observer(
            self.store,
            self.world,
            name,
            system.resources(),
            clock=self._clock,
            new_id=self._new_id,
            pauses=self.pauses,
        )

    def take_up(self, world: World) -> None:
        """Go on with other flows. Nothing of this engine may be under way: a kill at this moment must be harmless, and
        so is this."""
        self.world = world
        for name, system in self.systems.items():
            self.add_system(name, system)

    # -- deciding and writing ------------------------------------------------------------------------------------

    async def meet(self, flow: str) -> int | None:
        """First contact of the new readings of one flow; None when another worker is at it."""
        if not await self.store.try_lock(f"meet/{flow}"):
            return None
        try:
            met = await meet(self.store, self.world, self.world.flows[flow], self._clock, self._new_id)
        finally:
            await self.store.unlock(f"meet/{flow}")
        if met:
            events.emit(events.ITEM_LINKED, flow=flow, readings=met)
        return met

    async def meet_all(self) -> int | None:
        """First contact of all new readings, parents first. None when another worker was at one of the flows: it may
        have begun before the last of them was there, so come again."""
        met = [await self.meet(name) for name in self.world.order]
        return None if None in met else sum(count or 0 for count in met)

    async def apply(self, flow: str, system: str) -> int:
        """One round of due writes of one flow to one system, in lanes that no other worker has; 0 when there are none
        or the brake holds."""
        side = self.world.flows[flow].sides[system]
        if system not in self.systems or self.health.is_down(system, side.resource):
            return 0
        if self.pauses.of(system, side.resource) is not None:
            return 0
        lanes = await self._take_lanes(flow, system)
        if not lanes:
            return 0
        applier = self.applier(flow, system)
        try:
            handled = await applier.apply_due(None if len(lanes) == LANES else lanes)
        except IsthmusError as error:
            await self.note_down(system, side.resource, error)
            raise
        finally:
            await self.store.give_lanes(f"apply/{flow}/{system}", lanes)
        if handled:
            self.note_up(system, side.resource)
        if applier.unread and isinstance(self.systems[system].resources()[side.resource], Feed):
            # A feed is soon read; what has none waits for its interval.
            with suppress(IsthmusError):
                await self.poll(system, side.resource)
        return handled

    async def _take_lanes(self, flow: str, system: str) -> set[int]:
        """All lanes for a worker that is alone. One of several takes a share of what is due, which gets smaller as
        less is left: nobody sits idle while another still has much before it. Never less than the system takes in one
        call."""
        place = f"apply/{flow}/{system}"
        workers = await self._workers()
        if workers == 1:
            now = self._clock()
            return await self.store.take_lanes(place, [LaneDue(lane, 1, now) for lane in range(LANES)], LANES)
        async with self.store.transaction() as tx:
            lanes = await tx.due_lanes(flow, system, self._clock())
        share = math.ceil(sum(lane.due for lane in lanes) / (2 * workers))
        side = self.world.flows[flow].sides[system]
        resource = self.systems[system].resources()[side.resource]
        return await self.store.take_lanes(
            place, lanes, min(claim_of(resource), max(share, resource.traits.write_batch))
        )

    async def _workers(self) -> int:
        """How many workers share the work, as known a second ago at most: it only says how large a share to take."""
        now = self._clock()
        if self._counted is None or not timedelta(0) <= now - self._counted[0] < COUNTED:
            self._counted = (now, await self.store.workers())
        return self._counted[1]

    def applier(self, flow: str, system: str) -> Applier:
        """The applier of one flow and system."""
        side = self.world.flows[flow].sides[system]
        return Applier(
            self.store,
            self.world,
            self.world.flows[flow],
            system,
            self.systems[system].resources()[side.resource],
            self.observers[system],
            clock=self._clock,
            new_id=self._new_id,
            jitter=self._jitter,
            pauses=self.pauses,
        )

    async def settle_system(self, system: str, told: Collection[str] = ()) -> int:
        """Everything due in one system, parents first, one round; also records whose parent appeared. ``told``: flows
        in which something is known to be due; then only those are looked at, without asking which."""
        if told:
            return await self._apply_all(system, told)
        now = self._clock()
        found = {flow: at for (flow, name), at in (await self.store.due_at()).items() if name == system}
        due = {flow for flow, at in found.items() if at.at <= now}
        if not due or self.health.is_down(system) or self.pauses.of(system) is not None:
            return 0
        handled = 0
        if any(at.read is not None and at.read <= now for at in found.values()):
            handled += await self._reread_woken(system)
        return handled + await self._apply_all(system, due)

    async def _apply_all(self, system: str, flows: Collection[str]) -> int:
        """One round of each flow, parents first."""
        order = [name for name in self.world.order if name in flows and system in self.world.flows[name].sides]
        return sum([await self.apply(name, system) for name in order])

    async def _reread_woken(self, system: str) -> int:
        """Records whose parent appeared; one worker at a time, so that none is read twice."""
        if not await self.store.try_lock(f"reread/{system}"):
            return 0
        try:
            return await self.observers[system].reread_woken()
        finally:
            await self.store.unlock(f"reread/{system}")

    # -- catching up ---------------------------------------------------------------------------------------------

    async def observe_all(self, report: Callable[[str, str, int], None] | None = None) -> Round:
        """Look at every resource of every system once; systems side by side. Flow by flow, parents first, and what is
        new meets its item before its children are read: a child read before its parent must be read twice."""
        done = Round()
        looked: set[tuple[str, str]] = set()

        async def one(system: str, resource: str) -> None:
            def progress(count: int) -> None:
                if report is not None:
                    report(system, resource, count)

            try:
                done.read += await self.poll(system, resource, progress)
            except IsthmusError as error:
                done.problems[system] = str(error)

        for name in self.world.order:
            sides = self.world.flows[name].sides.values()
            places = {(s.system, s.resource) for s in sides if s.system in self.systems} - looked
            looked |= places
            await asyncio.gather(*(one(*place) for place in sorted(places) if place[0] not in done.problems))
            done.met += await self.meet(name) or 0
        return done

    async def catch_up(
        self,
        report: Callable[[str, str, int], None] | None = None,
        after_round: Callable[[Round], None] | None = None,
    ) -> Round:
        """Observe everything, then settle what follows from it."""
        return await self.settle(await self.observe_all(report), after_round)

    async def settle(self, done: Round, after_round: Callable[[Round], None] | None = None) -> Round:
        """Meet and apply until nothing is due now, without looking at whole resources; adds to ``done``. Systems are
        written side by side."""
        for _ in range(ROUNDS):
            met = await self.meet_all() or 0
            handled = 0

            async def one(system: str) -> int:
                try:
                    return await self.settle_system(system)
                except IsthmusError as error:
                    done.problems[system] = str(error)
                    return 0

            for count in await asyncio.gather(*(one(system) for system in self.systems)):
                handled += count
            done.met += met
            done.handled += handled
            if after_round is not None:
                after_round(done)
            if not met and not handled and not await self.store.wake_ready():
                return done
        raise AssertionError("The plan does not come to rest.")

    async def plan(self, problems: dict[str, str]) -> list[Step]:
        """What would be written now, without writing: for a dry run on a scratch store (reads far records). A system
        that fails meanwhile is left out and named in ``problems``."""
        steps: list[Step] = []
        for flow in self.world.order:
            for system in self.world.flows[flow].sides:
                paused = self.pauses.of(system, self.world.flows[flow].sides[system].resource)
                if paused is not None:
                    problems[system] = paused.sentence
                elif system in self.systems and system not in problems:
                    try:
                        steps += await self._plan_all(flow, system)
                    except IsthmusError as error:
                        problems[system] = str(error)
        return steps

    async def _plan_all(self, flow: str, system: str) -> list[Step]:
        found: list[Step] = []
        async with self.store.transaction() as tx:
            await tx.lock([self.world.flows[flow].entity.name])
            due = await tx.due_links(flow, system, self._clock(), 1_000_000)
        applier = self.applier(flow, system)
        for start in range(0, len(due), 500):
            found += await applier.plan(due[start : start + 500])
        return found
