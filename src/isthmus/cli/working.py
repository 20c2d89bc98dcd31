"""``worker``, ``stop`` and ``archive``: processes that share the work of a hub, without its pages."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from isthmus.app.archiving import archive as put_away
from isthmus.app.bootstrap import STATE_FOLDER, Hub, open_hub, open_store
from isthmus.app.workers import persevere, serve_work, stop_workers
from isthmus.cli.show import Exit, JsonOption, ProjectOption, console, errors, print_json, run
from isthmus.project import parse_months
from isthmus.store import EmbeddedServer, Worker
from isthmus.store.archive import Archived

__all__ = ["archive", "say", "stop", "told_to_stop", "until_stopped", "worker"]


def worker(project: ProjectOption = Path(), json: JsonOption = False) -> None:
    """Share the work of a running hub: the same without the web server. Start and kill as many as you like."""

    async def work(stop: asyncio.Event) -> None:
        async with open_hub(project, prepare=True) as hub:
            say(hub, json, {}, "A worker of isthmus runs. Stop with Ctrl-C.")
            await serve_work(hub, "worker", stop)

    run(until_stopped(project, work))
    if not json:
        console.print("Stopped.")


def stop(project: ProjectOption = Path(), json: JsonOption = False) -> None:
    """Stop all workers of the project, then its own PostgreSQL, when nobody uses it any more. Nothing is lost."""
    server = EmbeddedServer(project / STATE_FOLDER / "pg")
    left: list[Worker] = run(stop_workers(project, only_if_running=server))
    stopped = server.stop(only_unused=True)
    if json:
        print_json({"stopped": stopped, "workers": left})
    else:
        for one in left:
            errors.print(f"Process {one.pid} on {one.host} does not end; it may wait for a system.", markup=False)
        console.print("The project's database is stopped." if stopped else "Somebody still uses the database.")
    raise typer.Exit(Exit.OK if stopped and not left else Exit.DIFFERENT)


def archive(
    project: ProjectOption = Path(),
    json: JsonOption = False,
    older_than: Annotated[
        str,
        typer.Option("--older-than", help='Keep this much, such as "18 months"; else what isthmus.toml says.'),
    ] = "",
) -> None:
    """Put history that is older than wanted into Parquet files. The hub does so by itself when isthmus.toml says how
    long to keep."""
    months = parse_months(older_than) if older_than else None
    if older_than and months is None:
        raise typer.BadParameter('Give a time such as "18 months" or "2 years".', param_hint="--older-than")

    async def work() -> Sequence[Archived]:
        async with open_store(project) as (found, store):
            return await put_away(found, store, months)

    done = run(work())
    if json:
        print_json({"archived": done})
    else:
        for one in done:
            console.print(f"{one.table} {one.month}: {one.rows} rows", one.file, markup=False, highlight=False)
        if not done:
            console.print("Nothing is old enough.")


async def until_stopped(project: Path, work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Do the work of a process that is there to stay; it is told when to stop."""
    stop = told_to_stop()
    await persevere(project, lambda: work(stop))


def told_to_stop() -> asyncio.Event:
    """Set by Ctrl-C or SIGTERM."""
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    return told


def say(hub: Hub, json: bool, more: Mapping[str, str], text: str) -> None:
    """The first line of a process that goes on, and the systems it does without for now."""
    if json:
        print_json({**more, "down": {name: str(error) for name, error in hub.down.items()}})
    else:
        console.print(text)
    for system, error in hub.down.items():
        errors.print(f"{system}: {error}", markup=False)
