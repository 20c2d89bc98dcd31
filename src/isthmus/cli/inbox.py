"""``inbox list | show | decide`` and ``retry``."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import Annotated, Any

import typer

from isthmus.app.approving import decide_entry, retry_parked
from isthmus.app.bootstrap import clock, open_store
from isthmus.cli.opened import who
from isthmus.cli.show import Exit, JsonOption, ProjectOption, age, as_json, console, print_json, run, table
from isthmus.errors import NeedsPerson
from isthmus.model.state import InboxEntry
from isthmus.store import Reads

__all__ = ["app", "retry"]

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_entries(
    project: ProjectOption = Path(),
    json: JsonOption = False,
    kind: Annotated[str | None, typer.Option(help="conflict, match, failure, delete, merge or brake.")] = None,
    flow: Annotated[str | None, typer.Option(help="Only this flow.")] = None,
    limit: Annotated[int, typer.Option(help="At most this many.")] = 50,
) -> None:
    """Open questions, oldest first."""

    async def work() -> list[InboxEntry]:
        async with open_store(project) as (_, store):
            return await Reads(store).inbox(kind=kind, flow=flow, limit=limit)

    entries = run(work())
    if json:
        print_json(entries)
        return
    rows = [(e.id, e.kind, e.flow, age(e.opened_at, clock()), e.summary, ", ".join(e.choices)) for e in entries]
    console.print(table(f"{len(entries)} open", ("id", "kind", "flow", "since", "question", "choices"), rows))


@app.command("show")
def show_entry(entry: str, project: ProjectOption = Path(), json: JsonOption = False) -> None:
    """One question with everything known about it."""

    async def work() -> InboxEntry | None:
        async with open_store(project) as (_, store):
            return await Reads(store).entry(entry)

    found = run(work())
    if found is None:
        raise NeedsPerson(f"There is no inbox entry {entry}.", advice="See: isthmus inbox list")
    if json:
        print_json(found)
        return
    console.print(found.summary, markup=False, style="bold")
    console.print(as_json(found.detail), markup=False, highlight=False)
    state = f"decided: {found.decision} by {found.decided_by}" if found.decided_at else f"choices: {found.choices}"
    console.print(state, markup=False)


@app.command("decide")
def decide(
    entry: str,
    choice: str,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    field: Annotated[
        list[str] | None, typer.Option(help="name=value (JSON or text); for conflicts also name=hub or name=far.")
    ] = None,
    item: Annotated[str | None, typer.Option(help="For a match: which candidate.")] = None,
    by: Annotated[str | None, typer.Option(help="Who decides; you, when left out.")] = None,
) -> None:
    """Carry out a choice; a running hub goes on from there at once."""
    fields = dict(_pair(text) for text in field or [])
    done = run(decide_entry(project, entry, choice, by=who(by), fields=fields, item=item))
    if json:
        print_json(done)
    else:
        console.print(f"Decided: {done.decision}.", markup=False)


def _pair(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign:
        raise typer.BadParameter(f"'{text}' is not name=value.")
    try:
        return name, json_text.loads(value)
    except ValueError:
        return name, value


def retry(
    project: ProjectOption = Path(),
    json: JsonOption = False,
    flow: Annotated[str | None, typer.Option(help="Only this flow.")] = None,
    system: Annotated[str | None, typer.Option(help="Only this system.")] = None,
    key: Annotated[str | None, typer.Option(help="Only this record.")] = None,
) -> None:
    """Try again what was set aside."""
    count = run(retry_parked(project, flow=flow, system=system, key=key))
    if json:
        print_json({"retried": count})
    else:
        console.print(f"{count} records are tried again (by the running hub, or the next sync).")
    raise typer.Exit(Exit.OK)
