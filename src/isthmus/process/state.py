"""What is kept of a process: its row, its history, its signals."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from isthmus.model.state import Problem

__all__ = ["MOVED", "OPEN", "Entry", "EntryKind", "Process", "ProcessState", "Signal"]


class ProcessState(StrEnum):
    """Where a process stands."""

    RUNNING = "running"
    """A turn is under way or about to be."""
    WAITING = "waiting"
    """For a signal; ``question``, ``who`` and ``since`` say for which, from whom and since when."""
    SLEEPING = "sleeping"
    RETRYING = "retrying"
    """A step failed in a way that passes; ``problem`` says why, ``wake_at`` when it is tried again."""
    DONE = "done"
    FAILED = "failed"
    """Stopped by an error that does not pass; goes on at that step after a retry."""
    CANCELLED = "cancelled"


OPEN = frozenset({ProcessState.RUNNING, ProcessState.WAITING, ProcessState.SLEEPING, ProcessState.RETRYING})
"""States that end by themselves or by a signal."""


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """One process."""

    id: str
    name: str
    """Of its function."""
    input: Any
    state: ProcessState
    version: int
    """Counts what was written to this row: of two turns that overlap only one gets through."""
    step: str
    """The step, wait or sleep it is at."""
    question: str
    who: str
    since: datetime
    """When it came to stand as it does."""
    wake_at: datetime | None
    attempts: int
    """Tries of the present step that failed."""
    result: Any
    problem: Problem | None
    started_at: datetime


class EntryKind(StrEnum):
    """What a history entry records."""

    STEP = "step"
    WAIT = "wait"
    SLEEP = "sleep"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of a history, in the order in which the function came to them."""

    process: str
    seq: int
    kind: EntryKind
    name: str
    value: Any = None
    """What came of it, as JSON."""
    problem: Problem | None = None
    """Why a step was refused."""
    until: datetime | None = None
    """Deadline of a wait, end of a sleep."""
    done: bool = True
    at: datetime
    """When it ended; of an open one, when it began."""

    @property
    def until_when(self) -> datetime:
        """The end of a sleep."""
        assert self.until is not None
        return self.until


MOVED = "moved"
"""Topic of the signal that a process gets when something happened to the item whose id it bears: its fields, or what
becomes of it in a system. At most one is kept until the process takes it."""


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was told to a process. The same id twice is one signal."""

    process: str
    id: str
    topic: str
    value: Any
    by: str
    at: datetime
