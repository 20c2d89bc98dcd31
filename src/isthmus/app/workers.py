"""The processes that share the work of one hub: being one of them, and stopping them all."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from isthmus import events
from isthmus.app.archiving import archive
from isthmus.app.bootstrap import (
    REVIVING,
    Hub,
    clock,
    configured_database,
    read_project,
    reopen_system,
    revive_database,
)
from isthmus.app.following import follow_documents
from isthmus.app.job_seats import serve_jobs
from isthmus.app.mailing import serve_mail
from isthmus.app.ordering import forget_simulations
from isthmus.app.processes import forget_processes
from isthmus.app.quota_watch import keep_quotas
from isthmus.app.renewing import FlowLook, renew
from isthmus.app.searching import keep_search
from isthmus.app.service import Service
from isthmus.app.watching import watch_fields
from isthmus.errors import Misconfigured, StoreUnavailable
from isthmus.project import Project, ProjectErrors
from isthmus.store import EmbeddedServer, PostgresStore, Reads, Worker

__all__ = ["persevere", "serve_work", "stop_workers"]

STOP_SECONDS = 30.0
"""How long a worker may take to finish the far call it is in."""
ASK_AGAIN = 0.5


async def persevere(folder: Path, work: Callable[[], Awaitable[None]]) -> None:
    """Do the work of a process that is there to stay. A running hub copes with the death of its embedded database, but
    a start has many steps, and any of them may be the one that it dies under: then begin anew. Raises what ``work``
    raises when the database is not ours to start, or does not come back within ``REVIVING`` seconds."""
    failing_since: float | None = None
    while True:
        began = time.monotonic()
        try:
            return await work()
        except (StoreUnavailable, BaseExceptionGroup) as error:
            if failing_since is None or time.monotonic() - began > REVIVING:
                failing_since = time.monotonic()
            reason = _reason(error)
            theirs = reason is None or configured_database(read_project(folder)) is not None
            if theirs or time.monotonic() - failing_since > REVIVING:
                raise
            events.emit(events.STORE_DOWN, logging.ERROR, message=str(reason))
        await asyncio.sleep(ASK_AGAIN)


def _reason(error: BaseException) -> StoreUnavailable | None:
    """The first failure of the database when there is no other failure; else None."""
    while isinstance(error, BaseExceptionGroup):
        if error.split(StoreUnavailable)[1] is not None:
            return None
        error = error.exceptions[0]
    return error if isinstance(error, StoreUnavailable) else None


async def serve_work(hub: Hub, kind: str, stop: asyncio.Event, *, renewed: Callable[[], None] = lambda: None) -> None:
    """Take part in the work until ``stop``, or until somebody stops the hub. ``kind`` is the command: run or worker.
    ``renewed`` is called when the hub has other flows than before."""
    await hub.store.join(Worker(kind=kind, host=socket.gethostname(), pid=os.getpid()))
    async with asyncio.TaskGroup() as group:
        # These ask the hub for its flows each time, and go on over a change of flows.
        others = [group.create_task(serve_mail(hub)), group.create_task(keep_search(hub.store))]
        others.append(group.create_task(keep_quotas(hub)))
        if hub.project.processes or hub.project.approvals is not None:
            # Only here: the library takes a third of a second to import, and no other command needs it.
            from isthmus.app.turning import take_turns

            others.append(group.create_task(take_turns(hub)))
            others.append(group.create_task(follow_documents(hub)))
        while (project := await _serve_until_changed(hub, stop)) is not None:
            await renew(hub, project)
            renewed()
        for task in others:
            task.cancel()


async def _serve_until_changed(hub: Hub, stop: asyncio.Event) -> Project | None:
    """Keep everything in step; the project when its flows have changed, None when the hub is to end."""
    end, look = asyncio.Event(), FlowLook(hub)
    service = Service(
        hub.engine,
        hub.store,
        clock,
        reopen=partial(reopen_system, hub),
        revive=partial(revive_database, hub.project),
        chores=_chores(hub),
        pauses=Reads(hub.store).pauses,
        flows=look.doubt.set,
    )

    async def told() -> None:
        await stop.wait()
        end.set()

    async def changed() -> None:
        await look.run()
        end.set()

    async with asyncio.TaskGroup() as group:
        others = [group.create_task(work) for work in (told(), changed(), serve_jobs(hub))]
        await service.run(end)
        for task in others:
            task.cancel()
    return None if stop.is_set() else look.found


def _chores(hub: Hub) -> list[Callable[[], Awaitable[object]]]:
    chores: list[Callable[[], Awaitable[object]]] = [partial(watch_fields, hub)]
    if hub.project.processes:
        chores.append(partial(forget_simulations, hub.store))
    if hub.project.hub.keep_months is not None:
        chores.append(partial(archive, hub.project, hub.store))
    if hub.project.hub.keep_process_months is not None:
        chores.append(partial(forget_processes, hub.project, hub.store))
    return chores


async def stop_workers(folder: Path, *, only_if_running: EmbeddedServer) -> list[Worker]:
    """Tell every worker to end, wherever it is, and wait; those that still live. An embedded database that does not
    run has none."""
    url = os.environ.get("ISTHMUS_DATABASE_URL")
    # A project that is broken at the moment must still let itself be stopped.
    with contextlib.suppress(Misconfigured, ProjectErrors):
        url = configured_database(read_project(folder))
    if not url:
        if not await asyncio.to_thread(only_if_running.running):
            return []
        url = only_if_running.url
    async with await PostgresStore.open(url, migrated=True) as store:
        deadline = asyncio.get_running_loop().time() + STOP_SECONDS
        while left := await Reads(store).workers():
            if asyncio.get_running_loop().time() > deadline:
                break
            # Again and again: one that is just connecting anew does not hear it the first time.
            await store.tell_stop()
            await asyncio.sleep(ASK_AGAIN)
        return left
