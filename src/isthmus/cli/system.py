"""``system show | pause | resume``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isthmus.app.access import Principal
from isthmus.app.bootstrap import clock, open_store
from isthmus.app.pausing import Pausing, SystemView, system_views
from isthmus.cli.opened import ByOption, who
from isthmus.cli.show import JsonOption, ProjectOption, age, console, print_json, run, table
from isthmus.errors import NeedsPerson
from isthmus.store import Reads
from isthmus.sync.world import World

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)
SystemArgument = Annotated[str, typer.Argument(help="Its name in isthmus.toml.")]
ResourceOption = Annotated[str, typer.Option("--resource", help="Only this resource of it.")]


@app.command("show")
def show(
    system: Annotated[str | None, typer.Argument(help="Only this one.")] = None,
    project: ProjectOption = Path(),
    json: JsonOption = False,
) -> None:
    """Pauses, writes and answers of the last hour, webhooks, and whether the credentials are there and were taken."""

    async def work() -> dict[str, SystemView]:
        async with open_store(project) as (found, store):
            return await system_views(Reads(store), found, clock())

    views = run(work())
    if system is not None and system not in views:
        raise NeedsPerson(f"There is no system '{system}'.", advice=f"Known: {', '.join(views)}.")
    shown = [view for name, view in views.items() if system in (None, name)]
    if json:
        print_json(shown)
    else:
        columns = ("system", "paused", "writes", "answers", "webhooks", "credentials")
        console.print(table("Systems", columns, map(_row, shown)))


def _row(view: SystemView) -> tuple[str, ...]:
    writes, hooks = view.writes, view.hooks
    missing = [one.place for one in view.references if not one.present]
    credentials = f"missing: {', '.join(missing)}" if missing else "there"
    if view.refused_since is not None:
        credentials += f", refused for {age(view.refused_since, clock())}"
    elif view.accepted_at is not None:
        credentials += f", accepted {age(view.accepted_at, clock())} ago"
    return (
        f"{view.name} ({view.kind})",
        "\n".join(one.sentence for one in view.pauses) or "no",
        f"{writes.writes}, {writes.failed} failed" if writes else "none",
        f"{writes.median:.2f} / {writes.p95:.2f} s" if writes else "–",
        f"{hooks.taken}, {hooks.refused} refused" if hooks else "none",
        credentials,
    )


@app.command("pause")
def pause(
    system: SystemArgument,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    resource: ResourceOption = "",
    reason: Annotated[str, typer.Option("--reason", help="Why, for everybody who asks.")] = "",
    by: ByOption = None,
) -> None:
    """Have no process of the hub read or write it, until it is resumed. Holds over restarts."""

    async def work() -> str:
        async with open_store(project) as (found, store):
            world = World(found.flows, found.converters, found.entities)
            pausing = Pausing(store, world, Principal(login=who(by), name=who(by)))
            return (await pausing.pause(system, resource, reason)).sentence

    said = run(work())
    if json:
        print_json({"system": system, "resource": resource, "paused": True})
    else:
        console.print(said, markup=False)


@app.command("resume")
def resume(
    system: SystemArgument,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    resource: ResourceOption = "",
    by: ByOption = None,
) -> None:
    """Go on with it: a running hub looks at it at once."""

    async def work() -> None:
        async with open_store(project) as (found, store):
            world = World(found.flows, found.converters, found.entities)
            await Pausing(store, world, Principal(login=who(by), name=who(by))).resume(system, resource)

    run(work())
    if json:
        print_json({"system": system, "resource": resource, "paused": False})
    else:
        console.print(f"{f'{system} {resource}'.strip()} goes on.", markup=False)
