"""``order simulate | place | show``."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer
from msgspec import structs

from isthmus.app.ordering import OrderView, Placed, answer, place, show, simulate
from isthmus.cli.opened import who, with_hub
from isthmus.cli.show import Exit, JsonOption, ProjectOption, console, print_json, table, value_text
from isthmus.desk.costing import Costs, costs_of, costs_of_line
from isthmus.desk.ledger import surplus
from isthmus.desk.ordering import Difference, Simulation

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)


@app.command("simulate")
def simulate_order(
    customer: Annotated[str, typer.Argument(help="Number, name, tax id or item of the customer.")],
    lines: Annotated[list[str], typer.Argument(help="SKU=QUANTITY, as many as you like.")],
    project: ProjectOption = Path(),
    json: JsonOption = False,
    wanted: Annotated[str | None, typer.Option(help="Not before this day (YYYY-MM-DD).")] = None,
    reference: Annotated[str | None, typer.Option(help="The customer's own word for the order.")] = None,
    cost: Annotated[bool, typer.Option("--cost", help="Also what it costs the company, and the margin.")] = False,
) -> None:
    """Ask the ERP for price, discount, tax, stock, date and credit of an order, without making it."""
    asked = [_line(text) for text in lines]
    found = with_hub(
        project, lambda hub: simulate(hub, customer, asked, wanted_on=wanted, reference=reference, costs=cost)
    )
    if json:
        print_json({**structs.asdict(found), "costs": costs_of(found.truth)} if cost else found)
    else:
        _show_simulation(found)
        if cost:
            _show_costs(found)


@app.command("place")
def place_order(
    simulation: Annotated[str, typer.Argument(help="Its id.")],
    project: ProjectOption = Path(),
    json: JsonOption = False,
    key: Annotated[str | None, typer.Option(help="Placed twice with the same key, it is one order.")] = None,
    by: Annotated[str | None, typer.Option(help="Who orders; you, when left out.")] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the ERP's number.")] = 5.0,
) -> None:
    """Order what was simulated, once. Exit code 1 when nothing was ordered because something has moved, 4 when the
    order is kept and will be confirmed later, or is checked by somebody first."""
    done = with_hub(project, lambda hub: place(hub, simulation, by=who(by), client_key=key, patience=wait))
    if json:
        print_json(done)
    else:
        _show_placed(done)
    codes = {"ordered": Exit.OK, "kept": Exit.NEEDS_PERSON, "checking": Exit.NEEDS_PERSON}
    raise typer.Exit(codes.get(done.state, Exit.DIFFERENT))


@app.command("show")
def show_order(
    order: Annotated[str, typer.Argument(help="Number, reference, item or simulation.")],
    project: ProjectOption = Path(),
    json: JsonOption = False,
) -> None:
    """An order line by line, from ordered to paid; and where the ERP's is not what was placed."""
    view = with_hub(project, lambda hub: show(hub, order))
    if json:
        print_json(view)
    else:
        _show_order(view)


@app.command("answer")
def answer_order(
    order: Annotated[str, typer.Argument(help="Number, reference, item or simulation.")],
    word: Annotated[str, typer.Argument(help="yes or no.")],
    project: ProjectOption = Path(),
    json: JsonOption = False,
    by: Annotated[str | None, typer.Option(help="Who answers; you, when left out.")] = None,
) -> None:
    """Accept what has moved while an order was kept (yes), or withdraw the order (no)."""
    if word not in ("yes", "no"):
        raise typer.BadParameter("Answer yes or no.")
    with_hub(project, lambda hub: answer(hub, order, yes=word == "yes", by=who(by)))
    if json:
        print_json({"order": order, "answer": word})
    else:
        console.print("Accepted." if word == "yes" else "Withdrawn.")


def _line(text: str) -> tuple[str, Decimal]:
    sku, sign, quantity = text.rpartition("=")
    try:
        number = Decimal(quantity)
    except InvalidOperation:
        number = Decimal("NaN")
    if not sign or not number.is_finite():
        raise typer.BadParameter(f"'{text}' is not SKU=QUANTITY.")
    return sku, number


def _show_simulation(found: Simulation) -> None:
    truth = found.truth
    rows = [
        (
            line.sku, line.quantity, line.unit, line.list_price, f"{line.discount_rate * 100:.2f} %", line.unit_price,
            line.amount, "–" if line.on_hand is None else line.on_hand, line.date or "not to be had",
        )
        for line in truth.lines
    ]  # fmt: skip
    columns = ("sku", "quantity", "unit", "list price", "discount", "price", "amount", "in stock", "deliverable")
    console.print(table(f"Simulation {found.id}", columns, rows))
    console.print(
        f"net {truth.untaxed}, tax {truth.tax}, total {truth.total} {truth.currency}; discount {truth.discount}",
        markup=False,
    )
    if truth.credit is not None and truth.credit.limit is not None:
        word = "exceeds" if truth.credit.exceeded else "is within"
        console.print(f"{truth.credit.after} {word} the credit limit of {truth.credit.limit}", markup=False)
    console.print(f"Valid until {found.expires_at:%Y-%m-%d %H:%M} UTC: isthmus order place {found.id}", markup=False)


def _show_costs(found: Simulation) -> None:
    def row(name: str, costs: Costs | None) -> tuple[object, ...]:
        if costs is None:
            return name, "not known", "", ""
        return name, costs.cost, costs.margin, "–" if costs.rate is None else f"{costs.rate * 100:.2f} %"

    truth = found.truth
    rows = [*(row(line.sku, costs_of_line(line)) for line in truth.lines), row("all", costs_of(truth))]
    console.print(table(f"Costs in {truth.currency}", ("sku", "cost", "margin", "share"), rows))


def _differences(found: tuple[Difference, ...]) -> None:
    rows = [(one.line or "", one.sku or "", one.what, one.before, one.now) for one in found]
    console.print(table(f"{len(found)} differences", ("line", "sku", "what", "said", "now"), rows))


def _show_placed(done: Placed) -> None:
    if done.state == "ordered":
        console.print(
            f"Ordered: {done.number}, total {done.total} {done.currency}, discount {done.discount}.", markup=False
        )
    elif done.state == "kept":
        why = f" ({done.reason})" if done.reason else ""
        console.print(f"Kept as {done.order}; it will be confirmed{why}.", markup=False)
    elif done.state == "checking":
        console.print(
            f"Kept as {done.order}: it exceeds the credit limit, and somebody decides about that.", markup=False
        )
        console.print(f"Who, and since when: isthmus process show {done.order}", markup=False)
    elif done.state == "moved":
        _differences(done.differences)
        console.print(f"Nothing was ordered. To order all the same: isthmus order place {done.simulation.id}")
    elif done.state == "cancelled":
        console.print(f"The order {done.number or done.order} is cancelled.", markup=False)
    else:
        console.print(f"Not ordered: {done.reason}", markup=False)


def _show_order(view: OrderView) -> None:
    fields, ledger = view.order.fields, view.ledger
    console.print(f"Order {fields.get('number') or view.order.id}: {fields.get('state') or 'kept'}", style="bold")
    names = ("ordered", "confirmed", "allocated", "shipped", "delivered", "returned", "open", "invoiced", "credited")
    money = ("billed", "paid", "due")
    rows = [(line.name, *(getattr(line, name) for name in (*names, *money))) for line in ledger.lines]
    console.print(table("Ledger", ("sku", *names, *money), rows))
    console.print(
        f"total {value_text(fields.get('total'))}, billed {ledger.billed}, paid {ledger.paid}, "
        f"open by the ERP {ledger.reported_due}",
        markup=False,
    )
    if ledger.unexplained:
        console.print(f"{ledger.unexplained} is not explained by the documents that the hub has.", markup=False)
    for line in ledger.lines:
        for text in surplus(line):
            console.print(f"{text}.", markup=False)
    for one in ledger.beside:
        console.print(f"Not in the order: {one}", markup=False)
    if view.deviations:
        _differences(view.deviations)
    for problem in view.problems:
        console.print(problem, markup=False)
