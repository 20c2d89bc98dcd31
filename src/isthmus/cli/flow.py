"""``flow history | show | preview | rollback``, and the commands of :mod:`.flow_changing`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from isthmus.app.flow_history import VersionView, flow_history, preview_flow, roll_back, show_version
from isthmus.app.flow_notes import account
from isthmus.cli import flow_changing
from isthmus.cli.show import Exit, JsonOption, ProjectOption, console, print_json, run, table, value_text
from isthmus.cli.syncing import show_plan
from isthmus.model.state import Effect
from isthmus.store import WriteCount

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)
app.command("changes")(flow_changing.changes)
app.command("propose")(flow_changing.propose)
app.command("approve")(flow_changing.approve)
app.command("refuse")(flow_changing.refuse)

LimitOption = Annotated[int, typer.Option(help="Show at most this many writes.")]


@app.command("history")
def history(
    flow: Annotated[str | None, typer.Argument(help="Only this one; all flows when left out.")] = None,
    project: ProjectOption = Path(),
    json: JsonOption = False,
) -> None:
    """Every version of a flow that was in force: since when, by whom, and how much it wrote."""
    views = run(flow_history(project, flow))
    if json:
        print_json(views)
        return
    rows = [
        (v.version.flow, v.version.number, _ran(v), v.version.by, _kind(v), sum(c.writes for c in v.counts))
        for v in views
    ]
    console.print(table("Versions of flows", ("flow", "version", "in force since", "by", "is", "writes"), rows))


@app.command("show")
def show(
    flow: str, version: int, project: ProjectOption = Path(), json: JsonOption = False, limit: LimitOption = 20
) -> None:
    """One version: its text, and what was written while it was in force."""
    view = run(show_version(project, flow, version, limit))
    if json:
        print_json(view)
        return
    console.print(f"{flow} {version}: {_kind(view)}, in force since {_ran(view)}, by {view.version.by}", markup=False)
    console.print(view.version.content or view.version.pack or "", markup=False, highlight=False)
    _show_writes(view.counts, view.writes)


@app.command("preview")
def preview(
    flow: str,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    version: Annotated[
        int | None, typer.Option(help="As this version had it; as the project has it now when left out.")
    ] = None,
    change: Annotated[str | None, typer.Option(help="As this proposed change has it.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show every write, not the first of each kind.")] = False,
) -> None:
    """Dry run of one flow, as it is now, as it was or as it may be: what would be written if it were in force. Changes
    nothing."""
    report = run(preview_flow(project, flow, version, change))
    if json:
        print_json(report)
    else:
        show_plan(report, everything=everything)
    if report.problems:
        raise typer.Exit(Exit.UNREACHABLE)


@app.command("rollback")
def rollback(
    flow: str,
    version: int,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    by: Annotated[str | None, typer.Option(help="Who goes back; you, when left out.")] = None,
    limit: LimitOption = 20,
) -> None:
    """Give the flow's file the text of an earlier version, and list what was written since. The present one is kept."""
    done = run(roll_back(project, flow, version, by=by or account(), limit=limit))
    if json:
        print_json(done)
        return
    if done.file is None:
        console.print("The project has the flow as it was then already.")
    else:
        console.print(f"{done.file} is as it was in version {version}. Start the hub again to let it run.")
    if done.pack_changed:
        console.print("The pack's flow that it is laid over has changed since; preview it before you start.")
    _show_writes(done.counts, done.writes)


def _ran(view: VersionView) -> str:
    at = view.version.ran_at
    return f"{at:%Y-%m-%d %H:%M:%S}" if at is not None else "never, set aside"


def _kind(view: VersionView) -> str:
    version = view.version
    kind = version.file if version.content is not None else "the pack's" if version.pack is not None else "taken out"
    return f"{kind} (now)" if view.present else str(kind)


def _show_writes(counts: Sequence[WriteCount], writes: Sequence[Effect]) -> None:
    rows = [(count.system, count.kind, count.outcome, count.writes) for count in counts]
    console.print(table("Writes; they stay written", ("system", "kind", "outcome", "writes"), rows))
    for write in writes:
        where = f"{write.at:%Y-%m-%d %H:%M:%S} {write.system} {write.resource} {write.key or '(new)'}"
        console.print(f"{where} {write.kind}: {write.outcome}", markup=False, highlight=False)
        for field, (old, new) in write.changes.items():
            console.print(f"    {field}: {value_text(old)} → {value_text(new)}", markup=False, highlight=False)
