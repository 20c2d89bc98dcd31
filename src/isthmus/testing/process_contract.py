"""Proves that a process is safe to run: each of its steps is run twice, and fails before and after it has had its
effect, by an error and by a kill; every time the process must come to the same end, with the same effects.

    async def test_my_process(store):
        await run_every_step_twice(store, lambda: MyStage())

where ``MyStage`` is a :class:`ProcessStage`: the process on a world of its own, made afresh for every run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from isthmus.errors import Unavailable
from isthmus.process import OPEN, Definition, Process, ProcessState, signal, start
from isthmus.process.ports import ProcessStore
from isthmus.process.turn import take_turn

__all__ = ["Mishap", "ProcessStage", "run_every_step_twice"]

_TURNS = 200
"""A process that needs more of them does not come to an end."""


class Mishap(StrEnum):
    """What happens to one step."""

    TWICE = "run twice"
    ERROR_BEFORE = "an error before it had an effect"
    ERROR_AFTER = "an error after it had its effect"
    KILL_BEFORE = "the worker killed before it had an effect"
    KILL_AFTER = "the worker killed after it had its effect"
    KILL_REMEMBERED = "the worker killed after the step was remembered"


class ProcessStage(Protocol):
    """One process on a world of its own."""

    @property
    def definition(self) -> Definition:
        """The process; its steps act on this stage's world."""

    @property
    def given(self) -> Any:
        """Its input."""

    def answer(self, waiting: Process) -> Mapping[str, Any] | None:
        """What a person signals to a process that waits: ``{"value": …, "by": …}``; None: nobody does, time passes."""

    # A stage may also have ``hub``, which the process gets as ``run.hub``, and ``async def prepare(self)``, which is
    # awaited before the process starts.

    async def effects(self) -> Any:
        """Everything the process did to its world, comparable: without times and ids that differ between runs."""


class _Killed(BaseException):
    """The worker is no more."""


class _Clock:
    def __init__(self) -> None:
        self.now = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


class _Trial:
    """One run of the process, with a mishap at one step (counted from 1; 0: none)."""

    def __init__(self, store: ProcessStore, stage: ProcessStage, id: str, at: int, mishap: Mishap) -> None:
        self._store, self._stage, self._id, self._at, self._mishap = store, stage, id, at, mishap
        self._clock = _Clock()
        self.steps: list[str] = []
        self._struck = self._armed = False

    async def run(self) -> tuple[ProcessState, Any, Any]:
        """State, result and effects at the end."""
        prepare = getattr(self._stage, "prepare", None)
        if prepare is not None:
            await prepare()
        async with self._store.transaction() as tx:
            await start(tx, self._stage.definition, self._stage.given, id=self._id, now=self._clock())
        for turn in range(_TURNS):
            try:
                await self._turn()
            except _Killed:
                continue
            process = await self._process()
            if process.state not in OPEN:
                return process.state, process.result, await self._stage.effects()
            if process.state is ProcessState.RUNNING:
                # Overtaken: a change that is done twice finds that it was remembered, and leaves the rest to that turn.
                continue
            await self._go_on(process, turn)
        process = await self._process()
        raise AssertionError(f"after {_TURNS} turns the process is still {process.state} at '{process.step}'")

    async def _turn(self) -> None:
        definitions = {self._stage.definition.name: self._stage.definition}
        # A business process works with the hub that its stage gives it.
        hub = getattr(self._stage, "hub", None)
        await take_turn(
            self._store,
            definitions,
            self._id,
            clock=self._clock,
            jitter=lambda: 0.0,
            around=self._around,
            hub=hub,
        )

    async def _process(self) -> Process:
        async with self._store.transaction() as tx:
            process = await tx.processes.load(self._id)
            assert process is not None
            return process

    async def _go_on(self, process: Process, turn: int) -> None:
        answer = self._stage.answer(process) if process.state is ProcessState.WAITING else None
        if answer is not None:
            for _ in range(2):
                # Told twice, as by a person who clicks twice.
                async with self._store.transaction() as tx:
                    await signal(
                        tx,
                        self._id,
                        process.step,
                        answer["value"],
                        id=f"{process.step}/{turn}",
                        by=answer.get("by", "tester"),
                        now=self._clock(),
                    )
            return
        assert process.wake_at is not None, f"the process waits for '{process.step}' for ever, and nobody answers"
        self._clock.now = max(self._clock.now, process.wake_at)

    async def _around(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        if self._armed:
            # The step before this one is remembered now.
            self._armed = False
            raise _Killed
        self.steps.append(name)
        if self._struck or len(self.steps) != self._at:
            return await work()
        self._struck = True
        if self._mishap is Mishap.ERROR_BEFORE:
            raise Unavailable("A mishap of the test.")
        if self._mishap is Mishap.KILL_BEFORE:
            raise _Killed
        value = await work()
        if self._mishap is Mishap.ERROR_AFTER:
            raise Unavailable("A mishap of the test.")
        if self._mishap is Mishap.KILL_AFTER:
            raise _Killed
        if self._mishap is Mishap.KILL_REMEMBERED:
            self._armed = True
            return value
        return await work()


async def run_every_step_twice(store: ProcessStore, make: Callable[[], ProcessStage], *, name: str = "trial") -> int:
    """Run the process once undisturbed, then once for every step and mishap; how many runs. Raises ``AssertionError``
    with the step and the mishap that changed the end. ``name`` keeps the ids of several proofs on one store apart."""
    plain = _Trial(store, make(), f"{name}-plain", 0, Mishap.TWICE)
    wanted = await plain.run()
    runs = 1
    for at, step in enumerate(plain.steps, 1):
        for mishap in Mishap:
            trial = _Trial(store, make(), f"{name}-{at}-{mishap.name.lower()}", at, mishap)
            found = await trial.run()
            runs += 1
            assert found == wanted, f"step '{step}' ({mishap}): {found!r} at the end instead of {wanted!r}"
    return runs
