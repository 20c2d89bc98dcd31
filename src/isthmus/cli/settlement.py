"""``settlement repair | repairs | close | report | withdraw | again | list | show``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from isthmus.app.bootstrap import clock
from isthmus.app.settlements import (
    SettlementView,
    book_again,
    close_month,
    list_repairs,
    list_settlements,
    note_repair,
    report_settlement,
    show_settlement,
    withdraw_settlement,
)
from isthmus.cli.opened import ByOption, said, who, with_hub
from isthmus.cli.show import JsonOption, ProjectOption, age, console, print_json, table, value_text
from isthmus.desk.naming import amounts

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)
NumberArgument = Annotated[str, typer.Argument(help="Number of the settlement.")]
StationArgument = Annotated[str, typer.Argument(help="Number or name of the station.")]


@app.command("repair")
def repair(
    station: StationArgument,
    method: Annotated[str, typer.Argument(help="How it was repaired, in the words of repairs.yaml.")],
    on: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Day of the repair.")],
    project: ProjectOption = Path(),
    json: JsonOption = False,
    part: Annotated[list[str] | None, typer.Option(help="SKU=QUANTITY of a part that was used.")] = None,
    currency: Annotated[str | None, typer.Option(help="Currency of the fee, where the level has several.")] = None,
    corrects: Annotated[str | None, typer.Option(help="Number of the repair that this one puts right.")] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="With --corrects: that was no repair.")] = False,
    serial: Annotated[str | None, typer.Option(help="Serial number of what was repaired.")] = None,
    key: Annotated[str | None, typer.Option(help="The same key twice is one repair.")] = None,
    by: ByOption = None,
) -> None:
    """Note a repair of a station; level and fee follow from the rules."""
    made = with_hub(
        project,
        lambda hub: note_repair(
            hub, station, method=method, repaired_on=on.date(), parts=amounts(part or []), currency=currency,
            corrects=corrects, withdrawn=withdraw, serial_number=serial, key=key, by=who(by),
        ),
    )  # fmt: skip
    if json:
        print_json(made)
    else:
        fields = made.fields
        fee = value_text(fields.get("fee"))
        console.print(f"{fields.get('number')}: level {fields.get('level')}, {fee}", markup=False)


@app.command("repairs")
def repairs(
    station: StationArgument,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    unsettled: Annotated[bool, typer.Option("--unsettled", help="Only those in no settlement yet.")] = False,
    limit: Annotated[int, typer.Option(help="At most this many.")] = 50,
) -> None:
    """Repairs of a station, the newest first."""
    found = with_hub(project, lambda hub: list_repairs(hub, station, unsettled=unsettled, limit=limit))
    if json:
        print_json(found)
        return
    columns = ("number", "repaired_on", "method", "level", "settlement")
    rows = [(*(one.fields.get(name) or "–" for name in columns), value_text(one.fields.get("fee"))) for one in found]
    console.print(table(f"{len(rows)} repairs", ("number", "on", "method", "level", "settlement", "fee"), rows))


@app.command("close")
def close(
    project: ProjectOption = Path(),
    json: JsonOption = False,
    centre: Annotated[str | None, typer.Option(help="Number or name; all centres, when left out.")] = None,
    period: Annotated[str | None, typer.Option(help="Month as 2026-10; the previous one, when left out.")] = None,
    by: ByOption = None,
) -> None:
    """Total a month that has ended: one settlement for each centre and currency. Twice is the same."""
    made = with_hub(project, lambda hub: close_month(hub, centre, period, by=who(by)))
    if json:
        print_json(made)
        return
    rows = [(one.fields["number"], one.fields["state"], value_text(one.fields["total"])) for one in made]
    console.print(table(f"{len(rows)} settlements", ("number", "state", "total"), rows))


@app.command("report")
def report(
    number: NumberArgument,
    by: Annotated[str, typer.Option(help="Mail address of whoever reports for the centre.")],
    project: ProjectOption = Path(),
    json: JsonOption = False,
) -> None:
    """The centre reports its settlement; then it is approved and booked in the ERP."""
    with_hub(project, lambda hub: report_settlement(hub, number, by=by))
    said(json, "settlement", number, "is reported.")


@app.command("again")
def again(
    number: NumberArgument, project: ProjectOption = Path(), json: JsonOption = False, by: ByOption = None
) -> None:
    """Have the ERP asked again that has refused the entry."""
    with_hub(project, lambda hub: book_again(hub, number, by=who(by)))
    said(json, "settlement", number, "is given to the ERP again.")


@app.command("withdraw")
def withdraw(
    number: NumberArgument, project: ProjectOption = Path(), json: JsonOption = False, by: ByOption = None
) -> None:
    """Take back a settlement that finance has not approved; its repairs are free for another one."""
    with_hub(project, lambda hub: withdraw_settlement(hub, number, by=who(by)))
    said(json, "settlement", number, "is withdrawn.")


@app.command("list")
def list_all(
    project: ProjectOption = Path(),
    json: JsonOption = False,
    state: Annotated[list[str] | None, typer.Option(help="Only those in this state.")] = None,
    limit: Annotated[int, typer.Option(help="At most this many.")] = 50,
) -> None:
    """Settlements, the newest month first."""
    found = with_hub(project, lambda hub: list_settlements(hub, state or [], limit))
    if json:
        print_json(found)
        return
    names = ("number", "state", "due_on", "entry", "entry_state")
    rows = [(*(one.fields.get(name) or "–" for name in names), value_text(one.fields.get("total"))) for one in found]
    columns = ("number", "state", "due", "entry", "in the ERP", "total")
    console.print(table(f"{len(rows)} settlements", columns, rows))


@app.command("show")
def show(number: NumberArgument, project: ProjectOption = Path(), json: JsonOption = False) -> None:
    """A settlement line by line, its entry in the ERP's books, and whom it waits for."""
    view = with_hub(project, lambda hub: show_settlement(hub, number))
    if json:
        print_json(view)
    else:
        _show(view)


def _show(view: SettlementView) -> None:
    fields = view.document.fields
    late = ", late" if fields.get("late") else ""
    console.print(f"{fields.get('number')}: {fields.get('state')}{late}", markup=False, style="bold")
    console.print(f"{view.centre}, up to {fields.get('cut_off_on')}, due {fields.get('due_on')}", markup=False)
    rows = [
        (
            line.get("number"),
            view.stations.get(line["station"], ""),
            line.get("level"),
            line.get("amount"),
            f"corrects {line['corrects']}" if line.get("corrects") else "",
        )
        for line in fields.get("lines") or ()
    ]
    console.print(table("Repairs", ("number", "station", "level", "amount", ""), rows))
    console.print(f"total {value_text(fields.get('total'))}", markup=False)
    if fields.get("entry"):
        undone = f" by {fields['entry_cancelled_by']}" if fields.get("entry_cancelled_by") else ""
        console.print(f"entry {fields['entry']} is {fields.get('entry_state')}{undone}", markup=False)
    if fields.get("reason"):
        console.print(str(fields["reason"]), markup=False)
    process = view.process
    if process is not None and process.who:
        console.print(f"waits for {process.who} for {age(process.since, clock())}: {process.question}", markup=False)
