"""``idle_cost``: what a hub costs while nothing changes: processor time, and calls to the far systems."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

from benchmarks.counting_proxy import CountingProxy, proxy
from benchmarks.figures import Figure, machine
from benchmarks.linking import until_calm
from benchmarks.processes import cpu_seconds
from isthmus.app.bootstrap import STATE_FOLDER, clock, open_system, read_project
from isthmus.cli.demo import Stage
from isthmus.connector import Feed, Resource
from isthmus.errors import IsthmusError
from isthmus.store import EmbeddedServer
from isthmus.sync.world import World

__all__ = ["idle_cost"]

SECONDS = {"full": 120.0, "small": 60.0}
"""Whole minutes: then every interval of the project fits a whole number of times."""
SETTLE = 5.0
"""Seconds of rest before measuring starts."""
SHARE = 2.0
"""Target: per cent of one core."""
CALLS = (0.9, 1.1)
"""Target: far calls to what the poll intervals say."""


def idle_cost(place: Stage, size: str, say: Callable[[str], None]) -> list[Figure]:
    """Watch a hub that has nothing to do, on a linked stage."""
    where = machine()
    with ExitStack() as stack:
        proxies = _between(place, stack)
        looks = asyncio.run(_looks(place.folder, proxies))
        say("starting the hub")
        since = clock()
        place.start_hub()
        asyncio.run(until_calm(place.folder, since))
        time.sleep(SETTLE)
        say(f"nothing changes for {SECONDS[size]:.0f} s")
        measured = _watch(place, proxies, SECONDS[size])
        place.stop_hub()
    return _figures(measured, looks, where, size)


def _between(place: Stage, stack: ExitStack) -> dict[str, CountingProxy]:
    """Put a counting proxy before each system, and tell the project."""
    toml = place.folder / "isthmus.toml"
    text = toml.read_text(encoding="utf-8")
    proxies = {}
    for name, system in (("crm", place.lab.bottlecrm), ("erp", place.lab.tryton)):
        proxies[name] = stack.enter_context(proxy(system.url))
        text = text.replace(f'url = "{system.url}"', f'url = "{proxies[name].url}"')
    toml.write_text(text, encoding="utf-8")
    return proxies


async def _looks(folder: Path, proxies: Mapping[str, CountingProxy]) -> dict[str, dict[str, float]]:
    """For each resource: the requests that one look needs when nothing changed, made by the connector alone, and how
    many looks a minute has."""
    project = read_project(folder)
    world = World(project.flows, project.converters)
    found: dict[str, dict[str, float]] = {}
    for name in world.systems():
        system = await open_system(project, name)
        if isinstance(system, IsthmusError):
            raise system
        try:
            for resource in world.resources(name):
                requests = await _requests(system.resources()[resource], proxies[name])
                found[f"{name} {resource}"] = {
                    "requests_per_look": requests,
                    "looks_per_minute": 60 / world.every(name, resource),
                }
        finally:
            await system.close()
    return found


async def _requests(resource: Resource, counting: CountingProxy) -> int:
    """Requests of the second of two looks: names and lists that a client asks for once are known by then."""
    cursor = (await resource.changes(None)).cursor if isinstance(resource, Feed) else None
    requests = 0
    for _ in range(2):
        before = counting.total()
        after = cursor
        while True:
            page = await (resource.changes(after) if isinstance(resource, Feed) else resource.scan(after))
            after = page.cursor
            if not page.more:
                break
        # The proxy counts in a thread of its own, before it passes anything on.
        requests = counting.total() - before
    return requests


def _watch(place: Stage, proxies: Mapping[str, CountingProxy], seconds: float) -> dict[str, Any]:
    pid, database = place.hub_pid(), EmbeddedServer(place.folder / STATE_FOLDER / "pg").pid()
    if pid is None or database is None:
        raise RuntimeError("The hub or its database does not run.")
    hub, server = psutil.Process(pid), psutil.Process(database)
    began = time.monotonic()
    cpu, stored = cpu_seconds(hub), cpu_seconds(server, children=True)
    requests = {name: counting.requests.copy() for name, counting in proxies.items()}
    time.sleep(seconds)
    spent = {"cpu": cpu_seconds(hub) - cpu, "postgresql": cpu_seconds(server, children=True) - stored}
    made = {name: counting.requests - requests[name] for name, counting in proxies.items()}
    return {
        "seconds": time.monotonic() - began,
        **spent,
        "memory_mib": hub.memory_info().rss / 2**20,
        "requests": {name: dict(counter.most_common()) for name, counter in made.items()},
        "total": sum(counter.total() for counter in made.values()),
    }


def _figures(measured: dict[str, Any], looks: dict[str, dict[str, float]], where: str, size: str) -> list[Figure]:
    seconds = measured["seconds"]
    expected = sum(look["requests_per_look"] * look["looks_per_minute"] for look in looks.values())
    named: dict[str, Any] = {"size": size, "machine": where}
    return [
        Figure(
            name="idle_cost_hub",
            value=measured["cpu"] / seconds * 100,
            unit="% of a core",
            target=SHARE,
            detail={"measured": measured, "looks": looks},
            **named,
        ),
        Figure(name="idle_cost_postgresql", value=measured["postgresql"] / seconds * 100, unit="% of a core", **named),
        Figure(
            name="idle_cost_far_calls",
            value=measured["total"] / seconds * 60,
            unit="requests/min",
            floor=expected,
            target=CALLS[1],
            at_least=CALLS[0],
            of_ratio=True,
            **named,
        ),
        Figure(name="idle_cost_memory", value=measured["memory_mib"], unit="MiB", **named),
    ]
