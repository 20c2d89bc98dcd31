"""``run`` and ``web``: the hub with its pages. Only these two commands need what pages are made of."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from isthmus.api import approval_routes
from isthmus.api.v1 import ApiSite
from isthmus.app.bootstrap import Hub, open_hub
from isthmus.app.business import OpenBusiness
from isthmus.app.flow_preview import Samples
from isthmus.app.hints import HintDesk
from isthmus.app.searching import keep_search
from isthmus.app.serving import follow_hub, keep_open, open_pages
from isthmus.app.shopping import features_of
from isthmus.app.workers import serve_work
from isthmus.cli.show import JsonOption, ProjectOption, console, errors, print_json, run
from isthmus.cli.working import say, told_to_stop, until_stopped
from isthmus.console import Site, address_of
from isthmus.portal import Shop
from isthmus.store import Reads
from isthmus.web import Parts, serve, warm

__all__ = ["run_hub", "web"]


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
                say(hub, json, _addresses(address), f"isthmus runs; console {address}/. Stop with Ctrl-C.")
                await serve_work(hub, "run", stop, renewed=faces.renew)

    run(until_stopped(project, work))
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
        stop = told_to_stop()
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
