"""``notice list | show | retry``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isthmus.app.bootstrap import clock
from isthmus.app.notices import list_notices, retry_notice, show_notice
from isthmus.cli.show import JsonOption, ProjectOption, age, console, print_json, run, table
from isthmus.desk.notices import NoticeState

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_all(
    project: ProjectOption = Path(),
    json: JsonOption = False,
    state: Annotated[
        NoticeState | None, typer.Option(help="queued, sending, sent, refused, bounced or off; all when left out.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="Only to this address.")] = None,
    limit: Annotated[int, typer.Option(help="At most this many.")] = 50,
) -> None:
    """Notices by mail, the newest first, with what keeps each from its reader."""
    found = run(list_notices(project, state, to, limit))
    if json:
        print_json(found)
        return
    rows = [
        (
            one.id,
            one.milestone,
            f"{one.document} {one.key}",
            one.recipient,
            one.state,
            age(one.queued_at, clock()),
            one.problem.message if one.problem else "",
        )
        for one in found
    ]
    columns = ("id", "milestone", "document", "to", "state", "for", "problem")
    console.print(table(f"{len(found)} notices", columns, rows))


@app.command("show")
def show(notice: str, project: ProjectOption = Path(), json: JsonOption = False) -> None:
    """One notice and what it says."""
    view = run(show_notice(project, notice))
    if json:
        print_json(view)
        return
    found, text = view.notice, view.text
    console.print(f"{found.milestone} to {found.recipient}: {found.state}", markup=False, style="bold")
    if found.problem is not None:
        console.print(found.problem.message, markup=False)
    lines = [text.subject, "", *text.paragraphs, *(f"{label}: {value}" for label, value in text.facts)]
    console.print("\n".join(lines), markup=False, highlight=False)


@app.command("retry")
def retry(notice: str, project: ProjectOption = Path(), json: JsonOption = False) -> None:
    """Send one that was refused, came back, or was set aside again now."""
    run(retry_notice(project, notice))
    if json:
        print_json({"notice": notice})
    else:
        console.print("It is sent (by the running hub).")
