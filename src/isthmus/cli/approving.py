"""``approve list | show | decide`` and ``delegation list | add | end``. The brake's approvals are in the inbox."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from isthmus.app.approvals import (
    ApprovalView,
    decide_approval,
    delegate,
    end_delegation,
    list_approvals,
    list_delegations,
    show_approval,
)
from isthmus.app.bootstrap import clock, open_store
from isthmus.cli.opened import who
from isthmus.cli.show import JsonOption, ProjectOption, age, console, print_json, run, table
from isthmus.desk.approval_state import ApprovalRequest, Choice, RequestState, deciders, names_of
from isthmus.model.fields import decimal_text

__all__ = ["app", "delegations"]

app = typer.Typer(no_args_is_help=True)
delegations = typer.Typer(no_args_is_help=True)


@app.command("list")
def list_requests(
    project: ProjectOption = Path(),
    json: JsonOption = False,
    state: Annotated[RequestState, typer.Option(help="open, approved, refused or expired.")] = RequestState.OPEN,
    who: Annotated[str | None, typer.Option(help="Only what this login may decide in its own right.")] = None,
    limit: Annotated[int, typer.Option(help="At most this many.")] = 50,
) -> None:
    """Approval requests with who must act, since when and until when; the oldest first."""
    found = run(list_approvals(project, state, limit))
    if who:
        login = who.strip().lower()
        found = [one for one in found if any(login in seat.members for seat in deciders(one))]
    if json:
        print_json(found)
        return
    now = clock()
    rows = [
        (one.id, f"{one.document} {one.key}", one.title, one.amount, _who(one), age(one.since, now), _until(one))
        for one in found
    ]
    columns = ("id", "document", "question", "amount", "who", "for", "until")
    console.print(table(f"{len(found)} {state}", columns, rows))


@app.command("show")
def show(
    request: str,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    cost: Annotated[bool, typer.Option("--cost", help="Also the margin, where it is known.")] = False,
) -> None:
    """One request: its stages, what was decided by whom with which comment, and the mails about it."""
    view = run(show_approval(project, request, margin=cost))
    if json:
        print_json(view)
    else:
        _show(view)


def _show(view: ApprovalView) -> None:
    request = view.request
    lines = [
        f"requested by {request.requester} on {request.requested_at:%Y-%m-%d %H:%M}, rule '{request.rule}'",
        *(f"{label}: {value}" for label, value in {"amount": request.amount, **request.details}.items() if value),
    ]
    if request.facts.get("margin") is not None:
        lines.append(f"margin: {decimal_text(Decimal(str(request.facts['margin'])) * 100)} %")
    for number, stage in enumerate(request.stages):
        now = " (now)" if request.state is RequestState.OPEN and number == request.stage else ""
        lines.append(f"stage {number + 1} {stage.name}{now}, {stage.need} of: {names_of(stage.seats)}")
        for answer in view.answers:
            if answer.stage == number:
                deputy = f" for {answer.on_behalf_of}" if answer.on_behalf_of != answer.by else ""
                comment = f": {answer.comment}" if answer.comment else ""
                lines.append(
                    f"  {answer.at:%Y-%m-%d %H:%M} {answer.by}{deputy} {answer.choice} ({answer.via}){comment}"
                )
    if request.state is RequestState.OPEN:
        lines.append(f"now: {_who(request)}, {_until(request) or 'without a deadline'}")
    lines += [
        f"mail to {notice.recipient}: {notice.state}, {notice.problem.message}"
        for notice in view.notices
        if notice.problem is not None
    ]
    console.print(f"{request.document} {request.key}: {request.title} – {request.state}", markup=False, style="bold")
    for line in lines:
        console.print(line, markup=False, highlight=False)


@app.command("decide")
def decide(
    request: str,
    choice: Choice,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    by: Annotated[str | None, typer.Option(help="Login (mail address) of who answers; you, when left out.")] = None,
    on_behalf_of: Annotated[str, typer.Option(help="Whose deputy answers; one's own right when left out.")] = "",
    comment: Annotated[str, typer.Option(help="Shown to the requester.")] = "",
) -> None:
    """Answer a request; it goes on at once when that settles its stage."""

    async def work() -> ApprovalRequest:
        async with open_store(project) as (_, store):
            return await decide_approval(
                store,
                request,
                by=who(by),
                choice=choice,
                via="cli",
                comment=comment,
                on_behalf_of=on_behalf_of,
                now=clock(),
            )

    found = run(work())
    if json:
        print_json(found)
    else:
        console.print(f"Your answer to {found.document} {found.key}: {choice}.", markup=False)


@delegations.command("list")
def list_all(
    project: ProjectOption = Path(),
    json: JsonOption = False,
    every: Annotated[bool, typer.Option("--all", help="Those that are over as well.")] = False,
) -> None:
    """Who answers for whom, from when until when."""
    found = run(list_delegations(project, all=every))
    if json:
        print_json(found)
        return
    rows = [
        (
            one.id,
            one.person,
            one.deputy,
            f"{one.from_at:%Y-%m-%d %H:%M}",
            f"{one.ended_at or one.until_at:%Y-%m-%d %H:%M}",
        )
        for one in found
    ]
    console.print(table(f"{len(found)} delegations", ("id", "person", "deputy", "from", "until"), rows))


@delegations.command("add")
def add(
    person: str,
    deputy: str,
    until: Annotated[datetime, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"], help="UTC; a day begins at 0:00.")],
    project: ProjectOption = Path(),
    json: JsonOption = False,
    start: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"], help="UTC; now, when left out."),
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who says so; you, when left out.")] = None,
) -> None:
    """Let DEPUTY answer for PERSON."""
    made = run(
        delegate(
            project,
            person=person,
            deputy=deputy,
            from_at=start.replace(tzinfo=UTC) if start else clock(),
            until_at=until.replace(tzinfo=UTC),
            by=who(by),
        )
    )
    if json:
        print_json(made)
    else:
        console.print(
            f"{made.deputy} answers for {made.person} until {made.until_at:%Y-%m-%d %H:%M} UTC.", markup=False
        )


@delegations.command("end")
def end(delegation: str, project: ProjectOption = Path(), json: JsonOption = False) -> None:
    """End a delegation before its time."""
    run(end_delegation(project, delegation))
    if json:
        print_json({"ended": delegation})
    else:
        console.print("It is ended.")


def _who(request: ApprovalRequest) -> str:
    return names_of(deciders(request))


def _until(request: ApprovalRequest) -> str:
    return f"{request.due_at:%Y-%m-%d %H:%M}" if request.due_at else ""
