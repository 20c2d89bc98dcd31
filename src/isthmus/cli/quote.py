"""``quote request | make | revise | send | accept | reject | show | list``."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from isthmus.app.bootstrap import clock
from isthmus.app.quote_answers import Accepted, accept_quote, reject_quote
from isthmus.app.quoting import (
    QuoteView,
    list_quotes,
    make_quote,
    request_quote,
    revise_quote,
    send_quote,
    show_quote,
)
from isthmus.cli.opened import ByOption, said, who, with_hub
from isthmus.cli.show import Exit, JsonOption, ProjectOption, age, console, print_json, table, value_text
from isthmus.desk.quoting import WantedLine
from isthmus.model.state import Item

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)
NumberArgument = Annotated[str, typer.Argument(help="Number of the quote.")]
LinesArgument = Annotated[
    list[str] | None, typer.Argument(help="SKU=QUANTITY, or SKU=QUANTITY@PRICE; as many as you like.")
]
UntilOption = Annotated[
    str | None, typer.Option("--until", help="It holds until the end of this day (or this moment); 30 days else.")
]
NoteOption = Annotated[str | None, typer.Option("--note", help="A word to the customer.")]
DiscountOption = Annotated[
    str | None, typer.Option("--discount", help="Percent below the ERP's own prices, where a line names none.")
]
SalesOption = Annotated[str, typer.Option("--by", help="Mail address of the salesperson.")]
KeyOption = Annotated[str | None, typer.Option("--key", help="The same key twice is one quote.")]


@app.command("request")
def request(
    lines: LinesArgument,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    customer: Annotated[str | None, typer.Option(help="Number, name, tax id or item of who asks.")] = None,
    prospect: Annotated[str, typer.Option(help="Who asks and is no customer yet.")] = "",
    email: Annotated[str, typer.Option(help="Where the quote is to be sent.")] = "",
    wanted: Annotated[str | None, typer.Option(help="Not before this day (YYYY-MM-DD).")] = None,
    note: NoteOption = None,
    by: ByOption = None,
    key: KeyOption = None,
) -> None:
    """Ask sales for a quote, for a customer or for somebody who is none yet."""
    made = with_hub(
        project,
        lambda hub: request_quote(
            hub, wanted_lines(lines), customer=customer, prospect=prospect, email=email, note=note or "",
            wanted_on=wanted, by=who(by), key=key,
        ),
    )  # fmt: skip
    _told(made, json, "is asked for")


@app.command("make")
def make(
    by: SalesOption,
    lines: LinesArgument = None,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    customer: Annotated[str | None, typer.Option(help="Number, name, tax id or item of the customer.")] = None,
    opportunity: Annotated[str | None, typer.Option(help="The CRM's deal: its key there, name or item.")] = None,
    request: Annotated[str | None, typer.Option(help="Number of the quote that was asked for.")] = None,
    discount: DiscountOption = None,
    until: UntilOption = None,
    wanted: Annotated[str | None, typer.Option(help="Not before this day (YYYY-MM-DD).")] = None,
    email: Annotated[str, typer.Option(help="Where it is sent; the customer's own address else.")] = "",
    note: NoteOption = None,
    key: KeyOption = None,
) -> None:
    """Make a quote at the ERP's own prices, or at what is offered below them. It is a draft until it is sent."""
    made = with_hub(
        project,
        lambda hub: make_quote(
            hub, wanted_lines(lines), customer=customer, opportunity=opportunity, request=request,
            discount=_share(discount) or Decimal(0), valid_until=until, wanted_on=wanted, note=note or "", email=email,
            by=by, key=key,
        ),
    )  # fmt: skip
    _told(made, json, f"is a draft over {value_text(made.fields.get('total'))}")


@app.command("revise")
def revise(
    quote: NumberArgument,
    lines: LinesArgument = None,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    discount: DiscountOption = None,
    until: UntilOption = None,
    note: NoteOption = None,
    by: ByOption = None,
) -> None:
    """Make the next version, priced anew; the former is replaced and stays readable."""
    made = with_hub(
        project,
        lambda hub: revise_quote(
            hub, quote, wanted_lines(lines), discount=_share(discount), valid_until=until, note=note, by=who(by)
        ),
    )
    _told(made, json, f"is a draft over {value_text(made.fields.get('total'))}")


@app.command("send")
def send(quote: NumberArgument, project: ProjectOption = Path(), json: JsonOption = False, by: ByOption = None) -> None:
    """Send a draft to the customer by mail; it is approved first where the rules ask for it."""
    with_hub(project, lambda hub: send_quote(hub, quote, by=who(by)))
    said(json, "quote", quote, "is on its way.")


@app.command("accept")
def accept(
    quote: NumberArgument,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    seen: Annotated[str | None, typer.Option(help="The simulation that showed what has moved.")] = None,
    by: ByOption = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the ERP's number.")] = 5.0,
) -> None:
    """Order what was offered, once. Exit code 1 when nothing was ordered because something has moved, 4 when the order
    is kept and will be confirmed later."""
    done = with_hub(project, lambda hub: accept_quote(hub, quote, by=who(by), seen=seen, patience=wait))
    if json:
        print_json(done)
    else:
        _show_accepted(done)
    codes = {"ordered": Exit.OK, "kept": Exit.NEEDS_PERSON, "checking": Exit.NEEDS_PERSON}
    raise typer.Exit(codes.get(done.state, Exit.DIFFERENT))


@app.command("reject")
def reject(
    quote: NumberArgument,
    project: ProjectOption = Path(),
    json: JsonOption = False,
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    by: ByOption = None,
) -> None:
    """The customer does not want it; one that was not sent yet is withdrawn."""
    made = with_hub(project, lambda hub: reject_quote(hub, quote, reason=reason, by=who(by)))
    _told(made, json, f"is {made.fields.get('state')}")


@app.command("show")
def show(quote: NumberArgument, project: ProjectOption = Path(), json: JsonOption = False) -> None:
    """A quote: its positions, its versions, its order, and whom it waits for."""
    view = with_hub(project, lambda hub: show_quote(hub, quote))
    if json:
        print_json(view)
    else:
        _show(view)


@app.command("list")
def list_all(
    project: ProjectOption = Path(),
    json: JsonOption = False,
    state: Annotated[list[str] | None, typer.Option(help="Only those in this state.")] = None,
    limit: Annotated[int, typer.Option(help="At most this many.")] = 50,
) -> None:
    """Quotes, the newest first."""
    found = with_hub(project, lambda hub: list_quotes(hub, state or [], limit))
    if json:
        print_json(found)
        return
    names = ("number", "state", "total", "conceded", "valid_until", "salesperson", "reason")
    rows = [tuple(value_text(one.fields.get(name)) for name in names) for one in found]
    console.print(table(f"{len(rows)} quotes", names, rows))


def wanted_lines(words: list[str] | None) -> list[WantedLine]:
    """``SKU=QUANTITY`` or ``SKU=QUANTITY@PRICE``."""
    found = []
    for word in words or ():
        sku, sign, rest = word.rpartition("=")
        quantity, at, price = rest.partition("@")
        numbers = [_number(text) for text in (quantity, *([price] if at else []))]
        if not sign or not sku or None in numbers:
            raise typer.BadParameter(f"'{word}' is neither SKU=QUANTITY nor SKU=QUANTITY@PRICE.")
        amount = numbers[0]
        assert amount is not None
        found.append(WantedLine(sku=sku, quantity=amount, unit_price=numbers[1] if at else None))
    return found


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _share(percent: str | None) -> Decimal | None:
    if percent is None:
        return None
    number = _number(percent.removesuffix("%").strip())
    if number is None:
        raise typer.BadParameter(f"'{percent}' is no number of percent.")
    return number / 100


def _told(made: Item, json: bool, what: str) -> None:
    if json:
        print_json(made)
    else:
        console.print(f"{made.fields.get('number')} {what}.", markup=False)


def _show_accepted(done: Accepted) -> None:
    for one in done.held:
        console.print(f"Kept although the ERP's {one.sku} is {one.now} now (was {one.before}).", markup=False)
    if done.state == "ordered":
        console.print(f"Ordered: {done.number}, total {done.total} {done.currency}.", markup=False)
    elif done.state in ("kept", "checking"):
        words = "it will be confirmed. " if done.state == "kept" else ""
        console.print(f"Kept as {done.order}; {words}{done.reason}".strip(), markup=False)
    elif done.state == "moved":
        rows = [(one.line or "", one.sku or "", one.what, one.before, one.now) for one in done.differences]
        console.print(table(f"{len(rows)} differences", ("line", "sku", "what", "offered", "now"), rows))
        if done.number is not None:
            console.print(f"Its deal was won meanwhile and is the order {done.number}, not as offered.", markup=False)
        console.print(
            f"Nothing was accepted. To accept all the same: isthmus quote accept {done.quote} "
            f"--seen {done.simulation.id}",
            markup=False,
        )
    elif done.state == "cancelled":
        console.print(f"The order {done.number or done.order} is cancelled.", markup=False)
    else:
        console.print(f"Not ordered: {done.reason}", markup=False)


def _show(view: QuoteView) -> None:
    fields = view.quote.fields
    console.print(f"{fields.get('number')}: {fields.get('state')}", markup=False, style="bold")
    console.print(
        f"{view.customer}; total {value_text(fields.get('total'))}, tax {value_text(fields.get('tax_total'))}; "
        f"holds until {value_text(fields.get('valid_until'))}",
        markup=False,
    )
    if len(view.versions) > 1:
        console.print(f"versions: {', '.join(view.versions)}", markup=False)
    if fields.get("reason"):
        console.print(f"reason: {fields['reason']}", markup=False)
    names = ("quantity", "unit", "list_price", "own_price", "unit_price", "amount", "available_on")
    rows = [
        (view.skus.get(line["product"], ""), *(value_text(line.get(name)) for name in names))
        for line in fields.get("lines") or ()
    ]
    columns = ("sku", "quantity", "unit", "list price", "the ERP's", "offered", "amount", "deliverable")
    console.print(table("Positions", columns, rows))
    if view.order is not None:
        console.print(f"order {view.order.fields.get('number') or view.order.id}", markup=False)
    process = view.process
    if process is not None and process.who:
        console.print(f"waits for {process.who} for {age(process.since, clock())}: {process.question}", markup=False)
    if process is not None and process.problem is not None:
        console.print(process.problem.message, markup=False)
