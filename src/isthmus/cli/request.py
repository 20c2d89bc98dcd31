"""``request new | list | show | correct | cancel | rest | stock``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isthmus.app.bootstrap import clock
from isthmus.app.requesting import (
    RequestView,
    cancel_request,
    correct_request,
    decide_rest,
    list_requests,
    make_request,
    show_request,
    station_stock_of,
)
from isthmus.cli.opened import ByOption, LinesArgument, who, with_hub
from isthmus.cli.show import JsonOption, ProjectOption, age, console, print_json, table, value_text
from isthmus.desk.naming import amounts
from isthmus.model.state import Item

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)
NumberArgument = Annotated[str, typer.Argument(help="Number of the request.")]
SupplyOption = Annotated[str | None, typer.Option(help="sales_order, fill_up or transfer; else as usual.")]


@app.command("new")
def new(
    station: Annotated[str, typer.Argument(help="Number or name of the station.")],
    lines: LinesArgument,
    requester: Annotated[str, typer.Option("--for", help="Mail address of whoever asks.")],
    project: ProjectOption = Path(),
    json: JsonOption = False,
    supply: SupplyOption = None,
    key: Annotated[str | None, typer.Option(help="The same key twice is one request.")] = None,
) -> None:
    """Ask for material for a station. It is checked, approved, ordered in the ERP and followed by itself."""
    made = with_hub(
        project,
        lambda hub: make_request(hub, station, amounts(lines), supply=supply, requester=requester, key=key),
    )
    _said(made, json, "is asked for")


@app.command("correct")
def correct(
    request: NumberArgument,
    lines: LinesArgument,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    supply: SupplyOption = None,
    by: ByOption = None,
) -> None:
    """Hand a refused request in again, with other quantities."""
    made = with_hub(project, lambda hub: correct_request(hub, request, amounts(lines), supply=supply, by=who(by)))
    _said(made, json, "is handed in again")


@app.command("cancel")
def cancel(
    request: NumberArgument, project: ProjectOption = Path(), json: JsonOption = False, by: ByOption = None
) -> None:
    """Withdraw a request that is not ordered yet."""
    made = with_hub(project, lambda hub: cancel_request(hub, request, by=who(by)))
    _said(made, json, "is withdrawn")


@app.command("rest")
def rest(
    request: NumberArgument,
    decision: Annotated[str, typer.Argument(help="deliver (as a new delivery) or close.")],
    project: ProjectOption = Path(),
    json: JsonOption = False,
    by: ByOption = None,
) -> None:
    """Decide what becomes of what a transfer or fill-up has left."""
    with_hub(project, lambda hub: decide_rest(hub, request, decision, by=who(by)))
    if json:
        print_json({"request": request, "rest": decision})
    else:
        console.print("The rest will be delivered." if decision == "deliver" else "The request ends with what came.")


@app.command("list")
def list_all(
    project: ProjectOption = Path(),
    json: JsonOption = False,
    state: Annotated[list[str] | None, typer.Option(help="Only those in this state.")] = None,
    limit: Annotated[int, typer.Option(help="At most this many.")] = 50,
) -> None:
    """Requests, the newest first."""
    found = with_hub(project, lambda hub: list_requests(hub, state or [], limit))
    if json:
        print_json(found)
        return
    rows = [
        (
            one.fields.get("number") or "",
            one.fields.get("state") or "",
            one.fields.get("supply") or "",
            value_text(one.fields.get("total")),
            one.fields.get("requester") or "",
            one.fields.get("reason") or "",
        )
        for one in found
    ]
    console.print(table(f"{len(rows)} requests", ("number", "state", "supply", "total", "for", "reason"), rows))


@app.command("show")
def show(request: NumberArgument, project: ProjectOption = Path(), json: JsonOption = False) -> None:
    """A request: its positions, its deliveries, and whom it waits for."""
    view = with_hub(project, lambda hub: show_request(hub, request))
    if json:
        print_json(view)
    else:
        _show(view)


def _show(view: RequestView) -> None:
    fields = view.request.fields
    console.print(f"{fields.get('number')}: {fields.get('state')}, {fields.get('supply')}", markup=False, style="bold")
    console.print(f"{view.station}, for {fields.get('requester')}; {value_text(fields.get('total'))}", markup=False)
    if fields.get("reason"):
        console.print(f"refused: {fields['reason']}", markup=False)
    rows = [
        (
            view.skus.get(line["product"], ""),
            line.get("quantity"),
            line.get("available") or "–",
            line.get("shipped") or "0",
            line.get("left") or line.get("quantity"),
        )
        for line in fields.get("lines") or ()
    ]
    console.print(table("Positions", ("sku", "wanted", "available", "shipped", "left"), rows))
    for one in fields.get("deliveries") or ():
        goods = ", ".join(f"{line['quantity']} {view.skus.get(line.get('product'), '?')}" for line in one["lines"])
        child = " (takes the rest)" if one.get("child") else ""
        console.print(f"  delivery {one.get('number')}{child}: {one['state']}, {goods}", markup=False)
    process = view.process
    if process is not None and process.who:
        since = age(process.since, clock())
        console.print(f"waits for {process.who} for {since}: {process.question}", markup=False)
    if process is not None and process.problem is not None:
        console.print(process.problem.message, markup=False)


@app.command("stock")
def stock(
    station: Annotated[str, typer.Argument(help="Number or name of the station.")],
    skus: Annotated[list[str], typer.Argument(help="SKUs.")],
    project: ProjectOption = Path(),
    json: JsonOption = False,
) -> None:
    """Consignment and own stock at a station, and what is on the way there; as the ERP has it now."""
    found = with_hub(project, lambda hub: station_stock_of(hub, station, skus))
    if json:
        print_json(found)
        return
    rows = [(one.place, one.sku, one.on_hand, one.in_transit) for one in found]
    console.print(table("Stock", ("place", "sku", "on hand", "in transit"), rows))


def _said(made: Item, json: bool, what: str) -> None:
    if json:
        print_json(made)
    else:
        console.print(f"{made.fields.get('number')} {what}.", markup=False)
