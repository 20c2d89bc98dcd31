"""``simulate``: prove the engine on a simulated company."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from isthmus.cli.show import Exit, JsonOption, console, errors, print_json
from isthmus.testing.simulator import Campaign, Outcome, campaign, quiet, shrink, simulate

__all__ = ["simulate_company"]


def simulate_company(
    seed: Annotated[int, typer.Option("--seed", help="The first seed.")] = 1,
    steps: Annotated[int, typer.Option("--steps", help="Steps of each storm, at least.")] = 1000,
    seeds: Annotated[int, typer.Option("--seeds", help="How many seeds, one after the other.")] = 1,
    json: JsonOption = False,
) -> None:
    """Run the real engine in a simulated company: people, faults and kills from a seed, then check the invariants."""
    shown = errors.is_terminal and not json
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with quiet(), Progress(*columns, console=errors, transient=True, disable=not shown) as progress:
        task = progress.add_task("seeds", total=seeds)
        began = time.monotonic()

        def report(outcome: Outcome) -> None:
            progress.update(task, advance=1, description=f"seed {outcome.seed}")
            if not shown and not json and time.monotonic() - began > 5:
                errors.print(f"seed {outcome.seed}: {outcome.steps} steps", highlight=False)

        done = campaign(seed, seeds, steps, report=report)
    if json:
        print_json({"violations": done.violations, "steps": done.steps, "seconds": done.seconds, "campaign": done})
    else:
        _show(done, steps)
    if done.failures:
        raise typer.Exit(Exit.DIFFERENT)


def _show(done: Campaign, steps: int) -> None:
    console.print(
        f"{done.violations} of {done.seeds} seeds failed; {done.steps} steps in {done.seconds:.1f} s.", highlight=False
    )
    for failure in done.failures:
        console.print(f"seed {failure.seed}:", *failure.violations[:5], sep="\n    ", markup=False, highlight=False)
    if done.failures:
        with quiet(), errors.status("looking for the shortest script that fails …"):
            least = shrink(simulate(done.failures[0].seed, steps))
        console.print(f"The shortest script found for seed {least.seed}:", highlight=False)
        for action in least.actions:
            console.print(f"    {action}", markup=False, highlight=False)
        console.print("It ends with:", *least.violations[:5], sep="\n    ", markup=False, highlight=False)
