"""``plan`` and ``sync``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from isthmus.app.approving import catch_up_approving
from isthmus.app.bootstrap import clock, open_hub
from isthmus.app.planning import PlanLine, PlanReport, make_plan
from isthmus.app.searching import searchable
from isthmus.app.summary import SyncSummary, summarise
from isthmus.app.watching import watch_fields
from isthmus.cli.show import Exit, JsonOption, ProjectOption, console, errors, print_json, run, table, value_text

__all__ = ["plan", "show_plan", "sync"]

SHOWN = 20
"""Planned writes shown in full unless --all is given."""


def plan(
    project: ProjectOption = Path(),
    json: JsonOption = False,
    everything: Annotated[bool, typer.Option("--all", help="Show every write, not the first of each kind.")] = False,
) -> None:
    """Dry run on both sides: creates, updates, deletes, conflicts, field by field. Changes nothing anywhere."""

    async def work() -> PlanReport:
        async with open_hub(project) as hub:
            with _progress(json) as progress:
                return await make_plan(hub, _reading(progress))

    report = run(work())
    if json:
        print_json(report)
    else:
        show_plan(report, everything=everything)
    if report.problems:
        raise typer.Exit(Exit.UNREACHABLE)


def show_plan(report: PlanReport, *, everything: bool = False) -> None:
    """The plan as tables: how much on which side, then what exactly."""
    rows = [
        (
            system,
            flow,
            kinds.get("create", 0),
            kinds.get("update", 0),
            kinds.get("delete", 0) + kinds.get("archive", 0),
            kinds.get("refuse", 0),
        )
        for system, flows in report.counts.items()
        for flow, kinds in flows.items()
    ]
    columns = ("system", "flow", "creates", "updates", "deletes", "cannot")
    console.print(table("Plan: what would be written, and where (nothing was)", columns, rows))
    console.print(
        f"{len(report.conflicts)} conflicts and {len(report.doubtful)} doubtful matches would wait in the inbox; "
        f"{report.read} records read."
    )
    for line in report.lines if everything else _samples(report.lines):
        where = f"{line.system} {line.resource} {line.key or '(new)'}"
        console.print(f"[bold]{line.kind}[/bold] {where} ", end="")
        console.print(line.name, markup=False, end=f"  {line.note}\n" if line.note else "\n", highlight=False)
        for field, (old, new) in line.changes.items():
            console.print(f"    {field}: {value_text(old)} → {value_text(new)}", markup=False, highlight=False)
    if not everything and len(report.lines) > SHOWN:
        console.print("… samples only; --all shows every write.")
    for entry in [*report.conflicts, *report.doubtful][:10]:
        console.print(f"? {entry['summary']}", markup=False, highlight=False)
    for brake in report.brakes:
        console.print(f"Mass change: {brake} would stop and ask; 'isthmus sync --yes' approves what this plan shows.")
    for system, fields in report.custom_fields.items():
        console.print(f"{system}: a run would first make the custom fields {', '.join(fields)}.")
    for system, problem in report.problems.items():
        errors.print(f"{system}: {problem}", markup=False)


def _samples(lines: Sequence[PlanLine]) -> list[PlanLine]:
    """A few of every kind, so that one flow does not hide the others."""
    taken: dict[tuple[str, str, str], int] = {}
    samples = []
    for line in lines:
        group = (line.system, line.flow, line.kind)
        taken[group] = taken.get(group, 0) + 1
        if taken[group] <= 2 or line.kind == "refuse":
            samples.append(line)
    return samples[:SHOWN]


def sync(
    project: ProjectOption = Path(),
    json: JsonOption = False,
    once: Annotated[bool, typer.Option("--once", help="Catch up once and end (the default).")] = True,
    yes: Annotated[bool, typer.Option("--yes", help="Approve mass changes that stop at the brake.")] = False,
) -> None:
    """Catch up once: observe everything, settle everything that is due, and end. 'isthmus run' does so continuously."""

    async def work() -> SyncSummary:
        async with open_hub(project, prepare=True) as hub, searchable(hub.store):
            began = clock()
            await watch_fields(hub)
            with _progress(json) as progress:
                if yes:
                    done = await catch_up_approving(hub, by="command line", report=_reading(progress))
                else:
                    done = await hub.engine.catch_up(_reading(progress))
            return await summarise(hub, done, began)

    summary = run(work())
    if json:
        print_json(summary)
    else:
        console.print(
            f"Read {summary.read} records, wrote {summary.written} in {summary.seconds:.1f} s; "
            f"{summary.inbox} inbox entries are open, {summary.waiting} writes still wait."
        )
        for system, problem in summary.problems.items():
            errors.print(f"{system}: {problem}", markup=False)
        for brake in summary.brakes:
            console.print(brake, markup=False)
    if summary.problems:
        raise typer.Exit(Exit.UNREACHABLE)
    if summary.inbox:
        raise typer.Exit(Exit.NEEDS_PERSON)


def _progress(quiet: bool) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=errors,
        transient=True,
        disable=quiet or not errors.is_terminal,
    )


def _reading(progress: Progress) -> Callable[[str, str, int], None]:
    tasks: dict[tuple[str, str], TaskID] = {}

    def report(system: str, resource: str, count: int) -> None:
        place = (system, resource)
        if place not in tasks:
            tasks[place] = progress.add_task("")
        progress.update(tasks[place], description=f"{system} {resource}: {count} read")

    return report
