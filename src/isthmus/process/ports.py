"""What processes need from a store. Implemented by ``isthmus.store`` on PostgreSQL, with ``dbos`` for the turns."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from isthmus.process.state import Entry, Process, ProcessState, Signal

__all__ = ["ProcessRows", "ProcessStore", "ProcessTransaction"]


class ProcessRows(Protocol):
    """Rows of processes, in the transaction they were asked from."""

    async def add(self, process: Process) -> bool:
        """Store a new process; False when there is one of this id."""

    async def load(self, id: str) -> Process | None:
        """The process, locked until the transaction ends."""

    async def history(self, id: str) -> list[Entry]:
        """Its history, in order."""

    async def save(self, process: Process) -> bool:
        """Store its row, when ``version`` is the stored one and it is not over; False when it was overtaken."""

    async def reopen(self, process: Process) -> bool:
        """Store its row as :meth:`save` does, also when it is over; what it was refused last is forgotten."""

    async def add_entry(self, entry: Entry) -> bool:
        """Append to the history of a process that is not over; False when it is, or when another turn was there."""

    async def close_entry(self, entry: Entry) -> bool:
        """Store what came of an open entry; False when it is closed already."""

    async def add_signal(self, signal: Signal) -> bool:
        """Keep a signal; False when one of this id came before."""

    async def take_signal(self, id: str, topic: str) -> Signal | None:
        """Take the oldest signal of this topic that was not taken yet."""

    async def request_turn(self, id: str, at: datetime | None = None) -> None:
        """Have some worker take a turn of the process after this transaction, at once or at a time. Turns of one
        process never overlap; more turns than needed do no harm."""


class ProcessTransaction(Protocol):
    """A transaction of the hub: whatever else it changes is committed together with the process's rows."""

    @property
    def processes(self) -> ProcessRows:
        """The rows of processes."""


class ProcessStore(Protocol):
    """The hub's memory, as far as processes need it."""

    def transaction(self) -> AbstractAsyncContextManager[ProcessTransaction]:
        """Begin; commits at the end of the block, rolls back on an exception."""


class ProcessReads(Protocol):
    """Read models, for faces."""

    async def processes(self, states: Collection[ProcessState], limit: int) -> list[Process]:
        """Processes in these states (any, when none is given), the newest first."""
