"""The demo from curtain up to the end."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from rich.console import Console

from isthmus.app.approving import catch_up_approving
from isthmus.app.bootstrap import clock, open_hub, open_store
from isthmus.app.planning import make_plan
from isthmus.app.summary import status_report, summarise
from isthmus.app.tracing import trace
from isthmus.cli.answers import show_status, show_trace
from isthmus.cli.demo.day import CUSTOMER, Day, StepResult
from isthmus.cli.demo.stage import Stage
from isthmus.cli.demo.station_day import StationDay, write_station_rules
from isthmus.cli.show import log_to
from isthmus.cli.syncing import show_plan
from isthmus.store import Reads
from isthmus.sync.engine import Round
from isthmus.sync.world import World

__all__ = ["play"]

PROGRESS_SECONDS = 10.0


def play(folder: Path, size: str, console: Console, *, stop_after: bool) -> list[StepResult]:
    """Play it all; what was looked for in the systems themselves, and whether it was seen."""

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False)

    began = time.monotonic()
    stage = Stage(folder, say)
    log_to(stage.log)
    if stop_after:
        signal.signal(signal.SIGTERM, _end)
    try:
        say("Setting the stage: a real ERP (Tryton) and a real CRM (BottleCRM), with data that overlap and differ.")
        stage.set_up(size)
        say(f"The systems run after {time.monotonic() - began:.0f} s.\n")
        write_station_rules(stage.folder)
        asyncio.run(_first_link(stage, say))
        stage.start_hub()
        say(f"\nThe hub runs: {stage.hub_url()}/health")
        day = Day(stage, say)
        day.play()
        StationDay(day, say).play()
        say("")
        asyncio.run(_closing(stage, day.order_number))
        missed = [result for result in day.results if not result.seen]
        seen = [result.seconds for result in day.results if result.seen]
        say(
            f"\n{len(seen)} of {len(day.results)} things were seen where they had to be, "
            f"the slowest after {max(seen, default=0):.1f} s."
        )
        for result in missed:
            say(f"NOT SEEN: {result.what}")
        if not stop_after:
            _addresses(stage, say)
        return day.results
    finally:
        if stop_after:
            stage.tear_down()


def _end(signum: int, _: object) -> None:
    """Who is told to end while the play is on, by ``timeout`` or a service manager, stops what runs as Ctrl-C does."""
    raise SystemExit(128 + signum)


async def _first_link(stage: Stage, say: Callable[[str], None]) -> None:
    tell = _now_and_then(say)
    async with open_hub(stage.folder) as hub:
        say("First contact, as a dry run: what would be linked, created and changed, and what is doubtful.")
        began = time.monotonic()
        report = await make_plan(hub, lambda system, name, count: tell(f"  reading {system} {name}: {count} …"))
        show_plan(report)
        say(f"Planned in {time.monotonic() - began:.1f} s; nothing was changed anywhere.\n")
    async with open_hub(stage.folder, prepare=True) as hub:
        say("Approved. Linking both systems:")
        start, began = clock(), time.monotonic()

        def written(done: Round) -> None:
            tell(f"  {done.read} records read, {done.handled} written or looked at …")

        done = await catch_up_approving(hub, by="demo", after_round=written)
        summary = await summarise(hub, done, start)
        say(
            f"{summary.written} writes in {time.monotonic() - began:.1f} s; "
            f"{summary.inbox} questions wait in the inbox, {summary.waiting} writes still wait."
        )


def _now_and_then(say: Callable[[str], None]) -> Callable[[str], None]:
    """Says it only when nothing was said for ten seconds."""
    last = time.monotonic()

    def tell(text: str) -> None:
        nonlocal last
        if time.monotonic() - last > PROGRESS_SECONDS:
            last = time.monotonic()
            say(text)

    return tell


async def _closing(stage: Stage, order: str) -> None:
    async with open_store(stage.folder) as (project, store):
        reads, now = Reads(store), clock()
        world = World(project.flows, project.converters, project.entities)
        show_status(await status_report(reads, world, now, now - timedelta(days=1)))
        show_trace(await trace(reads, order), order)


def _addresses(stage: Stage, say: Callable[[str], None]) -> None:
    crm, erp = stage.lab.bottlecrm, stage.lab.tryton
    carl, erin = crm.credentials["carl"], erp.credentials["erin"]
    say("\nEverything stays up:")
    say(f"  CRM  {crm.url}   login {carl['email']} / {carl['password']}")
    say(f"  ERP  {erp.url}   database {erp.credentials['database']}, login {erin['login']} / {erin['password']}")
    say(f"  Hub  {stage.hub_url()}/health   log {stage.folder / '.isthmus' / 'hub.log'}")
    say(f"  Console  {stage.hub_url()}/")
    for login, password in stage.people().items():
        say(f"    {login} / {password}")
    login, password = stage.buyer(CUSTOMER["name"])
    say(f"  Shop  {stage.hub_url()}/shop   {login} / {password}, who buys for {CUSTOMER['name']}")
    say(f"Ask it: isthmus status -C {stage.folder}; isthmus inbox list -C {stage.folder}")
    say("Stop everything: make demo-stop")
