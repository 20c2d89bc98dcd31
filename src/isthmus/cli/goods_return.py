"""``return new | send | count | settle | again | cancel | list | show``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from isthmus.app.bootstrap import clock
from isthmus.app.returns import (
    ReturnView,
    announce_return,
    ask_again,
    cancel_return,
    count_return,
    list_returns,
    send_return,
    settle_return,
    show_return,
)
from isthmus.cli.opened import ByOption, LinesArgument, said, who, with_hub
from isthmus.cli.show import JsonOption, ProjectOption, age, console, print_json, table, value_text
from isthmus.desk.naming import amounts
from isthmus.desk.returning import Blame, Responsible

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)
NumberArgument = Annotated[str, typer.Argument(help="Number of the return.")]


@app.command("new")
def new(
    station: Annotated[str, typer.Argument(help="Number or name of the station.")],
    lines: LinesArgument,
    requester: Annotated[str, typer.Option("--for", help="Mail address of whoever sends them back.")],
    project: ProjectOption = Path(),
    json: JsonOption = False,
    reason: Annotated[str, typer.Option(help="Why they come back.")] = "",
    credit: Annotated[bool, typer.Option("--credit", help="Their price is given back.")] = False,
    key: Annotated[str | None, typer.Option(help="The same key twice is one return.")] = None,
) -> None:
    """Announce goods that a station will send back."""
    made = with_hub(
        project,
        lambda hub: announce_return(
            hub, station, amounts(lines), requester=requester, reason=reason, credited=credit, key=key
        ),
    )
    if json:
        print_json(made)
    else:
        console.print(f"{made.fields.get('number')} is announced.", markup=False)


@app.command("send")
def send(
    number: NumberArgument,
    lines: Annotated[list[str] | None, typer.Argument(help="SKU=QUANTITY; what was announced, when left out.")] = None,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    tracking: Annotated[str, typer.Option(help="Number of the consignment.")] = "",
    by: ByOption = None,
) -> None:
    """The station has sent the goods."""
    with_hub(project, lambda hub: send_return(hub, number, amounts(lines or []), tracking=tracking, by=who(by)))
    said(json, "return", number, "is on its way.")


@app.command("count")
def count(
    number: NumberArgument,
    lines: LinesArgument,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    by: ByOption = None,
) -> None:
    """The centre has counted what arrived; what is not named has not arrived."""
    with_hub(project, lambda hub: count_return(hub, number, amounts(lines), by=who(by)))
    said(json, "return", number, "is counted.")


@app.command("settle")
def settle(
    number: NumberArgument,
    blames: Annotated[list[str], typer.Argument(help="SKU=RESPONSIBLE: station, carrier, centre or nobody.")],
    evidence: Annotated[str, typer.Option(help="What shows it: a photo, a protocol, a letter.")],
    project: ProjectOption = Path(),
    json: JsonOption = False,
    by: ByOption = None,
) -> None:
    """Say who is responsible for each difference; only then the ERP hears of the return."""
    found = _blames(blames, evidence)
    with_hub(project, lambda hub: settle_return(hub, number, found, by=who(by)))
    said(json, "return", number, "is settled.")


@app.command("again")
def again(
    number: NumberArgument, project: ProjectOption = Path(), json: JsonOption = False, by: ByOption = None
) -> None:
    """Have the ERP asked again that has refused the return."""
    with_hub(project, lambda hub: ask_again(hub, number, by=who(by)))
    said(json, "return", number, "is given to the ERP again.")


@app.command("cancel")
def cancel(
    number: NumberArgument, project: ProjectOption = Path(), json: JsonOption = False, by: ByOption = None
) -> None:
    """Take back a return that nobody has counted yet."""
    with_hub(project, lambda hub: cancel_return(hub, number, by=who(by)))
    said(json, "return", number, "is cancelled.")


@app.command("list")
def list_all(
    project: ProjectOption = Path(),
    json: JsonOption = False,
    state: Annotated[list[str] | None, typer.Option(help="Only those in this state.")] = None,
    limit: Annotated[int, typer.Option(help="At most this many.")] = 50,
) -> None:
    """Returns, the newest first."""
    found = with_hub(project, lambda hub: list_returns(hub, state or [], limit))
    if json:
        print_json(found)
        return
    columns = ("number", "state", "erp_state", "requester", "reason")
    rows = [tuple(str(one.fields.get(name) or "") for name in columns) for one in found]
    console.print(table(f"{len(rows)} returns", ("number", "state", "in the ERP", "for", "reason"), rows))


@app.command("show")
def show(number: NumberArgument, project: ProjectOption = Path(), json: JsonOption = False) -> None:
    """A return: announced, sent, counted, settled, received; and whom it waits for."""
    view = with_hub(project, lambda hub: show_return(hub, number))
    if json:
        print_json(view)
    else:
        _show(view)


def _show(view: ReturnView) -> None:
    fields = view.document.fields
    console.print(f"{fields.get('number')}: {fields.get('state')}", markup=False, style="bold")
    console.print(f"{view.station}, for {fields.get('requester')}", markup=False)
    names = ("announced", "sent", "counted", "settled", "received", "responsible", "evidence")
    rows = [
        (view.skus.get(line["product"], ""), *(line.get(name) or "–" for name in names))
        for line in fields.get("lines") or ()
    ]
    console.print(table("Positions", ("sku", *names), rows))
    if fields.get("reference"):
        console.print(f"the ERP's return {fields['reference']} is {fields.get('erp_state')}", markup=False)
    if fields.get("credit_state"):
        total = value_text(fields.get("credit_total"))
        name = fields.get("credit_note") or ""
        console.print(f"credit note {name} is {fields['credit_state']}: {total}", markup=False)
    process = view.process
    if process is not None and process.who:
        console.print(f"waits for {process.who} for {age(process.since, clock())}: {process.question}", markup=False)


def _blames(words: Sequence[str], evidence: str) -> dict[str, Blame]:
    found = {}
    for word in words:
        sku, _, name = word.rpartition("=")
        if name not in tuple(Responsible) or not sku:
            raise typer.BadParameter(f"'{word}' is not SKU=RESPONSIBLE ({', '.join(Responsible)}).")
        found[sku] = Blame(responsible=Responsible(name), evidence=evidence)
    return found
