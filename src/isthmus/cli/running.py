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
from isthmus.app.searching import keep_search
from isthmus.app.serving import follow_hub, keep_open, open_pages
from isthmus.app.shopping import features_of
from isthmus.app.workers import persevere, serve_work, stop_workers
from isthmus.cli.show import Exit, JsonOption, ProjectOption, console, errors, print_json, run
from isthmus.console import Site, address_of
from isthmus.portal import Shop
from isthmus.project import parse_months
from isthmus.store import Archived, EmbeddedServer, Reads, Worker
from isthmus.web import Parts, serve, warm

__all__ = ["archive", "run_hub", "stop", "web", "worker"]


def run_hub(project: ProjectOption = Path(), json: JsonOption = False) -> None:
    """Keep everything in step continuously, until stopped (Ctrl-C or SIGTERM); also takes webhooks and serves the
    console."""

    async def work(stop: asyncio.Event) -> None:
        async with open_hub(project, prepare=True) as hub:
            faces = await _Faces.of(hub)
            settings = hub.project.hub
            async with serve(faces.parts, settings.host, settings.port) as port, warm(faces.site):
                if settings.public_url:
                    for system, problem in (await faces.hooks.subscribe(settings.public_url)).items():
                        errors.print(f"{system}: no webhooks ({problem}); it is polled.", markup=False)
                address = f"http://{settings.host}:{port}"
                _say(hub, json, _addresses(address), f"isthmus runs; console {address}/. Stop with Ctrl-C.")
                await serve_work(hub, "run", stop, renewed=faces.renew)

    run(_until_stopped(project, work))
    if not json:
        console.print("Stopped.")


def web(
    project: ProjectOption = Path(),
    json: JsonOption = False,
    port: Annotated[int | None, typer.Option(help="Instead of the project's; 0 takes a free one.")] = None,
) -> None:
    """Serve the console, the shop, the API and webhooks on the store of a hub that runs elsewhere. Far systems are
    asked by it for the shop and previews; what it cannot reach it does without, and says so."""

    async def work() -> None:
        stop = _told_to_stop()
        async with open_pages(project) as hub:
            faces = await _Faces.of(hub)
            settings = hub.project.hub
            wanted = settings.port if port is None else port
            async with serve(faces.parts, settings.host, wanted) as used, warm(faces.site):
                address = f"http://{settings.host}:{used}"
                if json:
                    print_json(_addresses(address))
                else:
                    console.print(f"The console: {address}/ The shop: {address}/shop Stop with Ctrl-C.")
                async with asyncio.TaskGroup() as group:
                    others = [
                        group.create_task(work)
                        for work in (
                            follow_hub(hub, faces.renew),
                            keep_open(hub, faces.subscribe),
                            keep_search(hub.store),
                        )
                    ]
                    await stop.wait()
                    for task in others:
                        task.cancel()

    run(work())


class _Faces:
    """Everything that is served, made from one hub."""

    def __init__(self, hub: Hub, site: Site) -> None:
        self._hub, self.site = hub, site
        business = OpenBusiness(hub)
        self._shop = Shop(
            hub.store, business, name=site.name, stylesheet=address_of("console.css"), secure=site.secure,
            features=features_of(hub), access=site.access, door=site.door, visiting=hub.project.shop,
        )  # fmt: skip
        self._api = ApiSite(hub.project, hub.store, hub.world, business)
        self.hooks = HintDesk(hub.store, hub.engine.systems)
        self.parts = Parts(
            hooks=self.hooks, site=site, api=self._api, shop=self._shop, routes=approval_routes(hub.store)
        )

    @classmethod
    async def of(cls, hub: Hub) -> _Faces:
        samples = Samples(Reads(hub.store), hub.engine.systems, hub.engine.pauses)
        return cls(hub, await Site.open(hub.project, hub.store, hub.world, samples, down=hub.down))

    def renew(self) -> None:
        """The hub has other flows."""
        self.site.renew(self._hub.project, self._hub.world)
        self._api.renew(self._hub.project, self._hub.world)
        self._shop.features = features_of(self._hub)

    async def subscribe(self, system: str) -> None:
        """Have a system that was just opened call us, where it can."""
        public = self._hub.project.hub.public_url
        if public:
            found = {system: self._hub.engine.systems[system]}
            for name, problem in (await HintDesk(self._hub.store, found).subscribe(public)).items():
                errors.print(f"{name}: no webhooks ({problem}); it is polled.", markup=False)


def _addresses(address: str) -> dict[str, str]:
    return {
        "health": f"{address}/health",
        "console": f"{address}/",
        "shop": f"{address}/shop",
        "api": f"{address}/api/v1",
    }


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
