"""``compare`` and ``compare --repair``."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from isthmus.app.bootstrap import open_hub
from isthmus.app.comparing import SHOWN, Comparison
from isthmus.app.comparing import compare as compare_sides
from isthmus.app.comparing import repair as repair_sides
from isthmus.cli.show import Exit, JsonOption, ProjectOption, console, errors, print_json, run, table, value_text

__all__ = ["compare"]


def compare(
    flows: Annotated[list[str] | None, typer.Argument(help="Flows to compare; all when none is named.")] = None,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    repair: Annotated[bool, typer.Option("--repair", help="Bring both sides in step, by the flows' rules.")] = False,
    by: Annotated[
        list[str] | None,
        typer.Option("--by", help="With --repair: rule, far or hub for all; ID=far and so on for single ones."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", help="Differences shown one by one.")] = SHOWN,
) -> None:
    """Read both sides completely and show every difference with its cause. The hub may go on meanwhile."""
    if by and not repair:
        raise typer.BadParameter("--by says how to repair; give --repair too.")

    async def work() -> Comparison:
        async with open_hub(project) as hub:
            with _progress(json) as progress:
                task = progress.add_task("")

                def report(system: str, what: str, count: int) -> None:
                    progress.update(task, description=f"{system}: {count} {what}")

                if repair:
                    return await repair_sides(hub, flows or (), by or (), report, by=getpass.getuser(), limit=limit)
                return await compare_sides(hub, flows or (), report, limit=limit)

    found = run(work())
    if json:
        print_json({"flows": found.flows, "counts": found.counts, "drifts": found.drifts, "refused": found.refused})
    else:
        _show(found)
    raise typer.Exit(Exit.OK if not found.total else Exit.DIFFERENT)


def _show(found: Comparison) -> None:
    rows = [(d.id, d.kind, d.flow, f"{d.system} {d.resource} {d.key}", _fields(d.fields)) for d in found.drifts]
    console.print(table(f"{found.total} differences", ("id", "cause", "flow", "record", "fields"), rows))
    if len(found.drifts) < found.total:
        console.print(f"… the first {len(found.drifts)}; --limit shows more.")
    for cause, count in found.counts.items():
        console.print(f"{cause}: {count}")
    for id, reason in found.refused.items():
        errors.print(f"{id} was not repaired: {reason}", markup=False, highlight=False)


def _fields(fields: object) -> str:
    sides = fields if isinstance(fields, dict) else {}
    return "; ".join(
        f"{name}: hub {value_text(each['hub'], 30)}, far {value_text(each['far'], 30)}" for name, each in sides.items()
    )


def _progress(quiet: bool) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=errors,
        transient=True,
        disable=quiet or not errors.is_terminal,
    )
