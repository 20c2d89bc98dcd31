"""What a process function is given: steps, waits and sleeps that are remembered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from isthmus import errors
from isthmus.errors import IsthmusError, ProcessChanged, Retryable
from isthmus.model.state import Problem
from isthmus.process.ports import ProcessStore, ProcessTransaction
from isthmus.process.state import Entry, EntryKind, ProcessState

WOKEN = "woken"
"""Value of a sleep that a signal has ended."""
__all__ = ["Answer", "Overtaken", "Parked", "Run"]

type Around = Callable[[str, Callable[[], Awaitable[Any]]], Awaitable[Any]]
"""Runs a step of this name: for tests, which let it fail."""


class Answer(msgspec.Struct, frozen=True):
    """A signal that was waited for: its value, and who gave it."""

    value: Any
    by: str
    at: datetime


class Parked(BaseException):
    """The turn is over: nothing to do until something happens. Not an error, and nothing for functions to catch."""

    def __init__(
        self, state: ProcessState, step: str, *, wake_at: datetime | None = None, question: str = "", who: str = ""
    ) -> None:
        super().__init__(step)
        self.state, self.step, self.wake_at, self.question, self.who = state, step, wake_at, question, who


class Overtaken(BaseException):
    """Another turn of the same process got further, or it was cancelled: this one ends without a trace."""


class Failing(BaseException):
    """A step failed in a way that passes."""

    def __init__(self, step: str, error: Retryable) -> None:
        super().__init__(step)
        self.step, self.error = step, error


class Run:
    """One turn of one process. ``id`` is the process's own, good for tokens of what it makes elsewhere."""

    def __init__(
        self,
        id: str,
        store: ProcessStore,
        history: Sequence[Entry],
        clock: Callable[[], datetime],
        around: Around,
        hub: Any = None,
    ) -> None:
        self.id = id
        self.hub = hub
        """What business processes work with (:class:`isthmus.desk.ports.BusinessHub`); None for those that need no
        hub."""
        self._store, self._clock, self._around = store, clock, around
        self._history = {entry.seq: entry for entry in history}
        self._seq = 0
        self.at = ""
        """The step it came to last."""

    async def step(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """Run ``work`` at least once and remember what it gives (as JSON: that is what comes back). It may run again
        when the worker dies before that is stored, so it uses a token such as ``f"{run.id}/{name}"`` or looks first.
        Errors that pass are tried again with growing pauses; others are remembered and raised at every replay."""
        seq, known = self._next(EntryKind.STEP, name)
        if known is not None:
            return _outcome(known)
        problem, value = None, None
        try:
            value = _plain(await self._around(name, work))
        except Retryable as error:
            raise Failing(name, error) from error
        except IsthmusError as error:
            problem = _problem(error, self._clock())
        entry = self._entry(seq, EntryKind.STEP, name, value=value, problem=problem)
        async with self._store.transaction() as tx:
            await self._append(tx, entry)
        return _outcome(entry)

    async def change(self, name: str, work: Callable[[Any], Awaitable[Any]]) -> Any:
        """Run ``work`` with a transaction of the hub, exactly once: what it changes there is committed together with
        its being remembered. No far system is called inside."""
        seq, known = self._next(EntryKind.STEP, name)
        if known is not None:
            return _outcome(known)

        async def whole() -> Entry:
            async with self._store.transaction() as tx:
                entry = self._entry(seq, EntryKind.STEP, name, value=_plain(await work(tx)))
                await self._append(tx, entry)
            return entry

        try:
            return _outcome(await self._around(name, whole))
        except Retryable as error:
            raise Failing(name, error) from error

    async def sleep(self, name: str, duration: timedelta, *, topic: str = "") -> None:
        """Go on after this time, or as soon as there is a signal of ``topic``, when one is named. Signals that came
        earlier count."""
        seq, known = self._next(EntryKind.SLEEP, name)
        if known is not None and known.done and (known.value == WOKEN or self._clock() >= known.until_when):
            return
        async with self._store.transaction() as tx:
            if known is None:
                # One that nothing can end early is over when its time is.
                known = self._entry(seq, EntryKind.SLEEP, name, until=self._clock() + duration, done=not topic)
                await self._append(tx, known)
            if not known.done:
                signal = await tx.processes.take_signal(self.id, topic)
                if signal is not None or self._clock() >= known.until_when:
                    value = None if signal is None else WOKEN
                    closed = msgspec.structs.replace(known, value=value, done=True, at=self._clock())
                    if not await tx.processes.close_entry(closed):
                        raise Overtaken
                    return
        if self._clock() < known.until_when:
            raise Parked(ProcessState.SLEEPING, name, wake_at=known.until)

    async def wait(self, topic: str, question: str, *, who: str, within: timedelta | None = None) -> Answer | None:
        """Wait for a signal of this topic; None when none came ``within`` this time. ``question`` and ``who`` tell
        people what it waits for. Signals that came earlier count, the oldest first."""
        seq, known = self._next(EntryKind.WAIT, topic)
        if known is not None and known.done:
            return None if known.value is None else msgspec.convert(known.value, Answer)
        async with self._store.transaction() as tx:
            if known is None:
                until = None if within is None else self._clock() + within
                known = self._entry(seq, EntryKind.WAIT, topic, until=until, done=False)
                await self._append(tx, known)
            signal = await tx.processes.take_signal(self.id, topic)
            late = known.until is not None and self._clock() >= known.until
            if signal is not None or late:
                answer = None if signal is None else Answer(signal.value, signal.by, signal.at)
                closed = msgspec.structs.replace(known, value=_plain(answer), done=True, at=self._clock())
                if not await tx.processes.close_entry(closed):
                    raise Overtaken
                return answer
        raise Parked(ProcessState.WAITING, topic, wake_at=known.until, question=question, who=who)

    def _next(self, kind: EntryKind, name: str) -> tuple[int, Entry | None]:
        self._seq, self.at = self._seq + 1, name
        known = self._history.get(self._seq)
        if known is not None and (known.kind, known.name) != (kind, name):
            raise ProcessChanged(
                f"The process {self.id} has the {known.kind} '{known.name}' behind it where its function now has the "
                f"{kind} '{name}'.",
                advice="A changed function must begin with what open processes have done; else give it a new name.",
            )
        return self._seq, known

    def _entry(
        self,
        seq: int,
        kind: EntryKind,
        name: str,
        *,
        value: Any = None,
        problem: Problem | None = None,
        until: datetime | None = None,
        done: bool = True,
    ) -> Entry:
        return Entry(
            process=self.id,
            seq=seq,
            kind=kind,
            name=name,
            value=value,
            problem=problem,
            until=until,
            done=done,
            at=self._clock(),
        )

    async def _append(self, tx: ProcessTransaction, entry: Entry) -> None:
        if not await tx.processes.add_entry(entry):
            raise Overtaken


def _plain(value: Any) -> Any:
    """The value as it comes back from the store: a replay must not see another type than the first run."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _outcome(entry: Entry) -> Any:
    """The remembered value; raises the remembered error."""
    if entry.problem is not None:
        raise _remembered(entry.problem)
    return entry.value


def _problem(error: IsthmusError, now: datetime) -> Problem:
    return Problem(
        code=error.code, message=error.message, advice=error.advice, field=getattr(error, "field", None), at=now
    )


def _remembered(problem: Problem) -> IsthmusError:
    kinds = (vars(errors)[name] for name in errors.__all__)
    classes = (kind for kind in kinds if isinstance(kind, type) and issubclass(kind, IsthmusError))
    kind = next((kind for kind in classes if kind.code == problem.code), IsthmusError)
    return kind(problem.message, advice=problem.advice)
