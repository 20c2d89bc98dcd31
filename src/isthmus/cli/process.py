"""``process start | signal | list | show | retry | cancel``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from isthmus.app.bootstrap import clock
from isthmus.app.flow_notes import account
from isthmus.app.processes import (
    ProcessView,
    cancel_process,
    list_processes,
    retry_process,
    show_process,
    signal_process,
    start_process,
)
from isthmus.cli.show import JsonOption, ProjectOption, age, console, print_json, run, table, value_text
from isthmus.process import OPEN, Process, ProcessState

__all__ = ["app", "drawn"]

app = typer.Typer(no_args_is_help=True)


@app.command("start")
def start(
    name: str,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    given: Annotated[str, typer.Option("--input", help="What it is started with, as JSON; else nothing.")] = "",
    id: Annotated[str | None, typer.Option(help="Its id; one that exists is not started again.")] = None,
) -> None:
    """Start a process of the project. A running hub takes it up at once."""
    process, new = run(start_process(project, name, _value(given, "--input"), id=id))
    if json:
        print_json({"process": process, "started": new})
    else:
        console.print(f"{process} is started." if new else f"{process} was started before.", markup=False)


@app.command("signal")
def signal(
    process: str,
    topic: str,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    value: Annotated[str, typer.Option(help="What it is told, as JSON; nothing when left out.")] = "",
    by: Annotated[str | None, typer.Option(help="Who tells it; you, when left out.")] = None,
    id: Annotated[str | None, typer.Option(help="Of this signal; one that was given before counts once.")] = None,
) -> None:
    """Tell a process something that it waits for, or will."""
    told = signal_process(project, process, topic, _value(value, "--value"), id=id, by=by or account())
    new = run(told)
    if json:
        print_json({"process": process, "told": new})
    else:
        console.print("It is told." if new else "It was told before.")


def _value(text: str, option: str) -> Any:
    try:
        return msgspec.json.decode(text.encode()) if text else None
    except msgspec.DecodeError as error:
        raise typer.BadParameter(f"This is no JSON: {error}", param_hint=option) from error


@app.command("list")
def list_open(
    project: ProjectOption = Path(),
    json: JsonOption = False,
    state: Annotated[
        list[ProcessState] | None, typer.Option(help="Only those in this state; open and failed ones when left out.")
    ] = None,
    limit: Annotated[int, typer.Option(help="At most this many.")] = 50,
) -> None:
    """Processes with what each one waits for, from whom and since when; the newest first."""
    found = run(list_processes(project, state or [*OPEN, ProcessState.FAILED], limit))
    if json:
        print_json(found)
        return
    console.print(drawn(found, clock()))


def drawn(found: Sequence[Process], now: datetime) -> Table:
    """Processes as a table."""
    rows = [(p.id, p.name, p.state, p.step, _waits(p), age(p.since, now)) for p in found]
    return table(f"{len(found)} processes", ("id", "process", "state", "at", "waits for", "for"), rows)


@app.command("show")
def show(process: str, project: ProjectOption = Path(), json: JsonOption = False) -> None:
    """One process: what it was started with, what it has behind it, what it was told, what comes next."""
    view = run(show_process(project, process))
    if json:
        print_json(view)
    else:
        _show(view)


def _show(view: ProcessView) -> None:
    process = view.process
    console.print(f"{process.name} {process.id}: {process.state}", markup=False, style="bold")
    console.print(f"started {process.started_at:%Y-%m-%d %H:%M:%S} with {value_text(process.input)}", markup=False)
    for entry in view.history:
        came = entry.problem.message if entry.problem else value_text(entry.value) if entry.done else "open"
        console.print(f"  {entry.at:%Y-%m-%d %H:%M:%S}  {entry.kind} {entry.name}: {came}", markup=False)
    for told in view.signals:
        console.print(
            f"  {told.at:%Y-%m-%d %H:%M:%S}  {told.by} said {told.topic}: {value_text(told.value)}", markup=False
        )
    if process.result is not None:
        console.print(f"result: {value_text(process.result)}", markup=False)
    if process.state in OPEN or process.problem is not None:
        console.print(f"now at '{process.step}' for {age(process.since, clock())}: {_waits(process)}", markup=False)


def _waits(process: Process) -> str:
    """What it waits for, in words."""
    parts = [process.problem.message] if process.problem is not None else []
    if process.question:
        parts.append(f"{process.who}: {process.question}")
    if process.wake_at is not None:
        parts.append(f"until {process.wake_at:%Y-%m-%d %H:%M:%S}")
    return "; ".join(parts)


@app.command("retry")
def retry(process: str, project: ProjectOption = Path(), json: JsonOption = False) -> None:
    """Go on now at the step at which a process failed, or which it would try again later."""
    run(retry_process(project, process))
    _said(json, process, "It is tried again.")


@app.command("cancel")
def cancel(
    process: str,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    by: Annotated[str | None, typer.Option(help="Who cancels; you, when left out.")] = None,
) -> None:
    """Stop a process for good. What it has done stays done; a step under way ends, none follows."""
    run(cancel_process(project, process, by=by or account()))
    _said(json, process, "It is cancelled.")


def _said(json: bool, process: str, text: str) -> None:
    if json:
        print_json({"process": process})
    else:
        console.print(text)
