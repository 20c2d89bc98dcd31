"""``flow changes | propose | approve | refuse``: what the console's pages of flows do, from a terminal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer

from isthmus.app.access import Principal
from isthmus.app.bootstrap import clock, open_store
from isthmus.app.flow_check import diff_lines
from isthmus.app.flow_desk import FlowDesk
from isthmus.cli.opened import who
from isthmus.cli.show import JsonOption, ProjectOption, age, console, print_json, run, table
from isthmus.store import FlowChange

__all__ = ["approve", "changes", "propose", "refuse"]

ByOption = Annotated[str | None, typer.Option(help="Who does it; you, when left out.")]


def _at_desk[T](project: Path, by: str | None, work: Callable[[FlowDesk], Awaitable[T]]) -> T:
    async def whole() -> T:
        async with open_store(project) as (found, store):
            name = who(by)
            return await work(FlowDesk(store, found, Principal(login=name, name=name)))

    return run(whole())


def changes(
    flow: Annotated[str | None, typer.Argument(help="Only of this one; of all flows when left out.")] = None,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    limit: Annotated[int, typer.Option(help="At most this many.")] = 20,
) -> None:
    """Changes of flows that were proposed, and what came of them; the newest first."""
    found = _at_desk(project, None, lambda desk: desk.changes(flow, limit))
    if json:
        print_json(found)
        return
    now = clock()
    rows = [
        (one.id, one.flow, one.state, one.made_by, age(one.saved_at, now), one.decided_by or "", one.note or one.answer)
        for one in found
    ]
    console.print(table("Changes of flows", ("id", "flow", "is", "by", "since", "decided by", "note"), rows))
    for one in found:
        if one.problem:
            console.print(f"{one.id}: {one.problem}", markup=False)


def propose(
    flow: str,
    file: Annotated[Path, typer.Argument(help="The flow's text as it is to be.", exists=True, dir_okay=False)],
    project: ProjectOption = Path(),
    json: JsonOption = False,
    note: Annotated[str, typer.Option(help="Why, for whoever reviews it.")] = "",
    by: ByOption = None,
) -> None:
    """Propose a text for a flow. It is checked, and comes into force when somebody else has approved it."""
    text = file.read_text(encoding="utf-8-sig")
    change = _at_desk(project, by, lambda desk: desk.propose_text(flow, text, note))
    if json:
        print_json(change)
        return
    for line in diff_lines(change.base, change.content):
        console.print(f"{line.sign if line.sign in '+-' else ' '} {line.text}", markup=False, highlight=False)
    console.print(f"{change.id} waits for its review; isthmus flow preview {flow} --change {change.id}", markup=False)


def approve(
    change: str,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    note: Annotated[str, typer.Option(help="What you say about it.")] = "",
    by: ByOption = None,
) -> None:
    """Let a proposed change come into force: written into the flow's file, and taken up by every process that runs."""
    _said(_at_desk(project, by, lambda desk: desk.approve(change, note)), json)


def refuse(
    change: str,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    note: Annotated[str, typer.Option(help="Why, for whoever made it.")] = "",
    by: ByOption = None,
) -> None:
    """Do not let a proposed change come into force."""
    _said(_at_desk(project, by, lambda desk: desk.refuse(change, note)), json)


def _said(change: FlowChange, json: bool) -> None:
    if json:
        print_json(change)
    else:
        console.print(f"{change.flow}: the change by {change.made_by} is {change.state}.", markup=False)
