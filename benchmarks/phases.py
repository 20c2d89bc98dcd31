"""Where a process's own time goes: processor seconds and elapsed seconds by phase, while coroutines interleave."""

from __future__ import annotations

import functools
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from inspect import iscoroutinefunction
from typing import Any
from unittest.mock import patch

from isthmus.store.postgres import PostgresStore
from isthmus.store.transaction import PostgresTransaction
from isthmus.sync import apply, engine, observe
from isthmus.sync.apply import Applier
from isthmus.sync.observe import Observer

__all__ = ["Phases", "metering"]


class Phases:
    """Meters of one process. Each step of a coroutine is charged to the innermost phase it is in, so that ``cpu`` adds
    up although several coroutines take turns; ``wall`` counts from the first step to the end, waiting included, and
    overlaps where phases nest or run side by side."""

    def __init__(self) -> None:
        self.cpu: defaultdict[str, float] = defaultdict(float)
        self.wall: defaultdict[str, float] = defaultdict(float)
        self.times: Counter[str] = Counter()
        self._stack: list[str] = []
        self._since = 0.0

    def metered[**P, T](self, name: str, function: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        """The function, charged to the phase ``name``."""

        @functools.wraps(function)
        async def measured(*arguments: P.args, **named: P.kwargs) -> T:
            return await self.charge(name, function(*arguments, **named))

        return measured

    async def charge[T](self, name: str, work: Awaitable[T]) -> T:
        """Await ``work``, charged to the phase ``name``."""
        began = time.perf_counter()
        try:
            return await _Stepped(self, name, work)
        finally:
            self.times[name] += 1
            self.wall[name] += time.perf_counter() - began

    def enter(self, name: str) -> None:
        """A step of this phase begins."""
        self._account()
        self._stack.append(name)

    def leave(self) -> None:
        """The step ends."""
        self._account()
        self._stack.pop()

    def _account(self) -> None:
        now = time.thread_time()
        if self._stack:
            self.cpu[self._stack[-1]] += now - self._since
        self._since = now


class _Stepped[T]:
    """Drives an awaitable step by step."""

    def __init__(self, phases: Phases, name: str, work: Awaitable[T]) -> None:
        self._phases, self._name, self._work = phases, name, work

    def __await__(self) -> Generator[Any, Any, T]:
        steps: Any = self._work.__await__()
        thrown: BaseException | None = None
        while True:
            self._phases.enter(self._name)
            try:
                given = steps.send(None) if thrown is None else steps.throw(thrown)
            except StopIteration as end:
                answer: T = end.value
                return answer
            finally:
                self._phases.leave()
            thrown = None
            try:
                yield given
            except BaseException as error:
                thrown = error


@contextmanager
def metering(phases: Phases) -> Iterator[None]:
    """Meter the engine and its store while inside."""
    places: list[tuple[Any, str, str]] = [
        (Observer, "ingest", "reading: merging what was read"),
        (observe.Observer, "reread_woken", "reading: records whose parent appeared"),
        (engine, "meet", "matching: first contact"),
        (apply, "check_brake", "planning: the brake"),
        (Applier, "plan", "planning"),
        (Applier, "_send_intents", "storing intents"),
        (apply, "record_outcomes", "recording outcomes of writes"),
        (engine.Engine, "observe_all", "round: observe"),
        (engine.Engine, "meet_all", "round: meet"),
        (engine.Engine, "settle_system", "round: settle"),
    ]
    for name, member in vars(PostgresTransaction).items():
        if iscoroutinefunction(member) and not name.startswith("_"):
            places.append((PostgresTransaction, name, f"store {name}"))
    places += [
        (PostgresStore, name, f"store {name}")
        for name in ("try_lock", "unlock", "take_lanes", "give_lanes", "wake_ready")
    ]
    with ExitStack() as stack:
        for owner, name, phase in places:
            stack.enter_context(patch.object(owner, name, phases.metered(phase, getattr(owner, name))))
        stack.enter_context(patch.object(PostgresStore, "transaction", _transactions(phases)))
        yield


def _transactions(phases: Phases) -> Callable[[PostgresStore], AbstractAsyncContextManager[PostgresTransaction]]:
    original = PostgresStore.transaction

    @asynccontextmanager
    async def timed(store: PostgresStore) -> AsyncIterator[PostgresTransaction]:
        inner = original(store)
        transaction = await phases.charge("store begin", inner.__aenter__())
        try:
            yield transaction
        except BaseException as error:
            if not await inner.__aexit__(type(error), error, error.__traceback__):
                raise
        else:
            await phases.charge("store commit", inner.__aexit__(None, None, None))

    return timed
