"""``run``, ``worker``, ``stop`` and ``archive``: the continuous hub, in as many processes as wanted."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from isthmus.api import approval_routes
from isthmus.api.v1 import ApiSite
from isthmus.app.archiving import archive as put_away
from isthmus.app.bootstrap import STATE_FOLDER, Hub, open_hub, open_store
from isthmus.app.business import OpenBusiness
from isthmus.app.flow_preview import Samples
from isthmus.app.hints import HintDesk
from isthmus.app.renewing import follow_flows
from isthmus.app.shopping import features_of
from isthmus.app.workers import persevere, serve_work, stop_workers
from isthmus.cli.show import Exit, JsonOption, ProjectOption, console, errors, print_json, run
from isthmus.console import Site, address_of
from isthmus.portal import Shop
from isthmus.project import Project, parse_months
from isthmus.store import Archived, EmbeddedServer, Reads, Worker
from isthmus.sync.world import World
from isthmus.web import Parts, serve

__all__ = ["archive", "run_hub", "stop", "web", "worker"]


def run_hub(project: ProjectOption = Path(), json: JsonOption = False) -> None:
    """Keep everything in step continuously, until stopped (Ctrl-C or SIGTERM); also takes webhooks and serves the
    console."""

    async def work(stop: asyncio.Event) -> None:
        async with open_hub(project, prepare=True) as hub:
            desk = HintDesk(hub.store, hub.engine.systems)
            settings = hub.project.hub
            samples = Samples(Reads(hub.store), hub.engine.systems, hub.engine.pauses)
            site = await Site.open(hub.project, hub.store, hub.world, samples)
            business = OpenBusiness(hub)
            shop = Shop(
                hub.store, business, name=site.name, stylesheet=address_of("console.css"), secure=site.secure,
                features=features_of(hub), access=site.access, door=site.door, visiting=hub.project.shop,
            )  # fmt: skip
            api = ApiSite(hub.project, hub.store, hub.world, business)
            parts = Parts(hooks=desk, site=site, api=api, shop=shop, routes=approval_routes(hub.store))
            async with serve(parts, settings.host, settings.port) as port:
                if settings.public_url:
                    for system, problem in (await desk.subscribe(settings.public_url)).items():
                        errors.print(f"{system}: no webhooks ({problem}); it is polled.", markup=False)
                address = f"http://{settings.host}:{port}"
                facts = {
                    "health": f"{address}/health",
                    "console": f"{address}/",
                    "shop": f"{address}/shop",
                    "api": f"{address}/api/v1",
                }
                _say(hub, json, facts, f"isthmus runs; console {address}/. Stop with Ctrl-C.")

                def renewed() -> None:
                    site.renew(hub.project, hub.world)
                    api.renew(hub.project, hub.world)
                    shop.features = features_of(hub)

                await serve_work(hub, "run", stop, renewed=renewed)

    run(_until_stopped(project, work))
    if not json:
        console.print("Stopped.")


def web(
    project: ProjectOption = Path(),
    json: JsonOption = False,
    port: Annotated[int | None, typer.Option(help="Instead of the project's; 0 takes a free one.")] = None,
) -> None:
    """Serve only the console, on the store of a hub that runs elsewhere. Needs no far system; takes no webhooks."""

    async def work() -> None:
        stop = _told_to_stop()
        async with open_store(project) as (found, store):
            world = World(found.flows, found.converters, found.entities)
            site = await Site.open(found, store, world)
            api = ApiSite(found, store, world, None)
            parts = Parts(site=site, api=api, routes=approval_routes(store))
            wanted = found.hub.port if port is None else port
            async with serve(parts, found.hub.host, wanted) as used:
                address = f"http://{found.hub.host}:{used}/"
                if json:
                    print_json({"console": address})
                else:
                    console.print(f"The console: {address} Stop with Ctrl-C.")

                def renewed(project: Project, world: World) -> None:
                    site.renew(project, world)
                    api.renew(project, world)

                following = asyncio.create_task(follow_flows(found, store, renewed))
                await stop.wait()
                following.cancel()

    run(work())


def worker(project: ProjectOption = Path(), json: JsonOption = False) -> None:
    """Share the work of a running hub: the same without the web server. Start and kill as many as you like."""

    async def work(stop: asyncio.Event) -> None:
        async with open_hub(project, prepare=True) as hub:
            _say(hub, json, {}, "A worker of isthmus runs. Stop with Ctrl-C.")
            await serve_work(hub, "worker", stop)

    run(_until_stopped(project, work))
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


async def _until_stopped(project: Path, work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = _told_to_stop()
    await persevere(project, lambda: work(stop))


def _told_to_stop() -> asyncio.Event:
    """Set by Ctrl-C or SIGTERM."""
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    return told


def _say(hub: Hub, json: bool, more: Mapping[str, str], text: str) -> None:
    """The first line of a process that goes on, and the systems it does without for now."""
    if json:
        print_json({**more, "down": {name: str(error) for name, error in hub.down.items()}})
    else:
        console.print(text)
    for system, error in hub.down.items():
        errors.print(f"{system}: {error}", markup=False)
