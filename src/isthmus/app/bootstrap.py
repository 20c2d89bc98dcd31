"""The one place where objects are wired: project → store, systems, engine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import threading
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import msgspec

from isthmus import connectors
from isthmus.app.collecting import collect_rarely
from isthmus.app.flow_approved import bring_up, in_force
from isthmus.connector import FieldInfo, Preparable, System
from isthmus.errors import IsthmusError, Misconfigured, Paused, StoreUnavailable
from isthmus.mapping.shape import CUSTOM
from isthmus.model.fields import FieldType, Kind
from isthmus.model.flow import Each, Expr, Join, Struct
from isthmus.model.flow import Path as FarPath
from isthmus.project import ConnectorInfo, Project, load_default_mapping, load_project
from isthmus.store import EmbeddedServer, PostgresStore, Reads
from isthmus.sync.engine import Engine
from isthmus.sync.pauses import PauseBook
from isthmus.sync.world import World, missing_fields

__all__ = [
    "Hub",
    "clock",
    "configured_database",
    "database_url",
    "make_world",
    "new_id",
    "open_hub",
    "open_missing",
    "open_store",
    "open_system",
    "prepare_systems",
    "read_project",
    "reopen_system",
    "revive_database",
    "wanted_custom_fields",
]

REVIVING = 60.0
"""Seconds in which the hub's own database is started again and again while a process opens it."""
STATE_FOLDER = ".isthmus"
"""Inside the project: embedded database, lab, logs."""


_READING = threading.Lock()
"""Reading a project runs its Python files: one reader at a time, in whichever thread."""


class Hub(msgspec.Struct, kw_only=True):
    """Everything a use case needs. ``down`` names the systems that could not be opened, and why."""

    project: Project
    store: PostgresStore
    world: World
    engine: Engine
    down: dict[str, IsthmusError]


def clock() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def new_id() -> str:
    """A new id: random, so that any number of workers can make them."""
    return str(uuid.uuid4())


def connector_info(kind: str) -> ConnectorInfo:
    """What the project reader must know of a kind. Raises ``LookupError`` for an unknown one."""
    try:
        connector = connectors.find(kind)
    except Misconfigured as error:
        raise LookupError(kind) from error
    place = files(type(connector).__module__.rpartition(".")[0]) / "mapping.yaml"
    mapping = load_default_mapping(place, f"{kind}/mapping.yaml") if place.is_file() else None
    return ConnectorInfo(config=connector.config, mapping=mapping)


def read_project(
    folder: Path, environ: Mapping[str, str] | None = None, *, instead: Mapping[str, str | None] = {}
) -> Project:
    """The checked project in ``folder``, with other texts ``instead`` of some flow files (None: without them). Raises
    ``ProjectErrors``."""
    environ = os.environ if environ is None else environ
    with _READING:
        return load_project(folder, environ, connector_info, connectors.kinds(), instead=instead)


def configured_database(project: Project) -> str | None:
    """The server that the project or the environment names; None: the embedded one."""
    return project.hub.database_url or os.environ.get("ISTHMUS_DATABASE_URL") or None


async def database_url(project: Project) -> str:
    """The hub's database; starts the embedded server when the project names none."""
    url = configured_database(project)
    if url is not None:
        return url
    return await asyncio.to_thread(EmbeddedServer(project.folder / STATE_FOLDER / "pg").start)


@asynccontextmanager
async def open_store(
    folder: Path, *, instead: Mapping[str, str | None] = {}
) -> AsyncIterator[tuple[Project, PostgresStore]]:
    """Project and store only: for answers that need no far system. ``instead`` as for :func:`read_project`."""
    project = read_project(folder, instead=instead)
    async with await _opened(project) as store:
        yield project, store


async def _opened(project: Project) -> PostgresStore:
    """The store; an embedded server that dies in this very moment is started again, also when that happens twice."""
    deadline = asyncio.get_running_loop().time() + REVIVING
    while True:
        url = await database_url(project)
        try:
            return await PostgresStore.open(url, clock=clock)
        except StoreUnavailable:
            if configured_database(project) is not None or asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.2)


@asynccontextmanager
async def open_hub(
    folder: Path, *, prepare: bool = False, instead: Mapping[str, str | None] = {}
) -> AsyncIterator[Hub]:
    """Open everything. A system that is paused or cannot be opened is left out and named in ``down``: the rest goes on.

    ``prepare`` makes missing custom fields in the far systems and remembers which flows are in force; a dry run leaves
    it off. ``instead`` as for :func:`read_project`, for a dry run of what is not in force.
    """
    collect_rarely()
    async with AsyncExitStack() as stack:
        project, store = await stack.enter_async_context(open_store(folder, instead=instead))
        if prepare:
            await bring_up(folder, store)
            project = read_project(folder, instead=instead)
        world = await make_world(project, store)
        used = [name for name in world.systems() if name in project.systems]
        pauses = PauseBook()
        pauses.fill(await Reads(store).pauses())
        # Opening is a call, too.
        down: dict[str, IsthmusError] = {
            name: Paused(pause.sentence) for name in used if (pause := pauses.of(name)) is not None
        }
        used = [name for name in used if name not in down]
        opened: dict[str, System] = {}
        for name, system in zip(used, await asyncio.gather(*(open_system(project, n) for n in used)), strict=True):
            if isinstance(system, IsthmusError):
                down[name] = system
                continue
            opened[name] = system
            stack.push_async_callback(system.close)
        if prepare:
            await in_force(project, store, clock())
            await _prepare(world, opened, down)
        engine = Engine(store, world, opened, clock=clock, new_id=new_id, jitter=random.random, pauses=pauses)
        for name, error in down.items():
            for resource in world.resources(name)[:1]:
                await engine.note_down(name, resource, error)
        yield Hub(project=project, store=store, world=world, engine=engine, down=down)


async def make_world(project: Project, store: PostgresStore) -> World:
    """The project's flows, without the far fields that are missing now."""
    world = World(project.flows, project.converters, project.entities)
    for place, gone in missing_fields(await Reads(store).far_fields()).items():
        world.lose(*place, gone)
    return world


async def open_missing(hub: Hub) -> None:
    """Open systems that no flow used before; what cannot be opened is named in ``down``."""
    for name in hub.world.systems():
        if name in hub.project.systems and name not in hub.engine.systems and name not in hub.down:
            opened = await open_system(hub.project, name)
            if isinstance(opened, IsthmusError):
                hub.down[name] = opened
            else:
                hub.engine.add_system(name, opened)


async def prepare_systems(hub: Hub) -> None:
    """Make the custom fields that flows write and a system lacks; one that cannot is left as it is, its writes say
    what is missing."""
    for name, system in hub.engine.systems.items():
        if isinstance(system, Preparable) and hub.engine.pauses.of(name) is None:
            with contextlib.suppress(IsthmusError):
                await system.prepare(wanted_custom_fields(hub.world, name))


async def revive_database(project: Project) -> None:
    """Start the embedded database again when it has died; nothing to do when the project names a server."""
    await database_url(project)


async def reopen_system(hub: Hub, name: str) -> System:
    """Open a system that was down before, and make what it lacks. Raises what the system raises."""
    opened = await open_system(hub.project, name)
    if isinstance(opened, IsthmusError):
        raise opened
    if isinstance(opened, Preparable):
        try:
            await opened.prepare(wanted_custom_fields(hub.world, name))
        except IsthmusError:
            await opened.close()
            raise
    hub.down.pop(name, None)
    return opened


async def open_system(project: Project, name: str) -> System | IsthmusError:
    """One far system, or why it cannot be opened."""
    configured = project.systems[name]
    try:
        return await connectors.find(configured.kind).open(configured.config)
    except IsthmusError as error:
        return error


async def _prepare(world: World, opened: dict[str, System], down: dict[str, IsthmusError]) -> None:
    for name, system in opened.items():
        if isinstance(system, Preparable):
            try:
                await system.prepare(wanted_custom_fields(world, name))
            except IsthmusError as error:
                down[name] = error
    for name in down:
        opened.pop(name, None)


def wanted_custom_fields(world: World, system: str) -> dict[str, dict[str, FieldInfo]]:
    """Custom fields that the flows write in a system: resource -> path -> what it must hold."""
    wanted: dict[str, dict[str, FieldInfo]] = {}
    for flow in world.flows.values():
        side = flow.sides.get(system)
        if side is None:
            continue
        # Also without fields of its own: a connector may need a place for the create token.
        wanted.setdefault(side.resource, {})
        for name, rule in flow.fields.items():
            expr = rule.exprs.get(system)
            for path, kind in _paths(expr, flow.entity.fields[name]) if expr is not None else ():
                if path.segments[0].name == CUSTOM and len(path.segments) == 2:
                    label = path.segments[1].name.replace("_", " ").capitalize()
                    info = FieldInfo(type=kind, custom=True, label=label)
                    wanted.setdefault(side.resource, {})[f"{CUSTOM}.{path.segments[1].name}"] = info
    return wanted


def _paths(expr: Expr, kind: FieldType) -> list[tuple[FarPath, str]]:
    match expr:
        case FarPath():
            plain = kind.kind not in (Kind.STRUCT, Kind.LIST, Kind.REF)
            return [(expr, str(kind.kind) if plain else "text")]
        case Struct():
            return [found for name, part in expr.parts.items() for found in _paths(part, kind.fields[name])]
        case Join():
            return [(path, "text") for path in expr.paths]
        case Each():
            return [(expr.path, "text")]
        case _:
            return []
