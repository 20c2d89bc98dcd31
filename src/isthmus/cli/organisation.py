"""``organisation add | list | check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from isthmus.app.organisation import add_unit, check_units, list_units
from isthmus.cli.opened import ByOption, who, with_hub
from isthmus.cli.show import Exit, JsonOption, ProjectOption, console, print_json, table, value_text

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)


@app.command("add")
def add(
    number: Annotated[str, typer.Argument(help="Its number, the same in every system.")],
    name: str,
    kind: Annotated[str, typer.Argument(help="head_office, centre or station.")],
    project: ProjectOption = Path(),
    json: JsonOption = False,
    below: Annotated[str | None, typer.Option(help="Number of the unit that it belongs to.")] = None,
    customer: Annotated[str | None, typer.Option(help="Who pays: number, name or tax id of a customer.")] = None,
    place: Annotated[str | None, typer.Option(help="Code of its own stock in the ERP.")] = None,
    consignment: Annotated[str | None, typer.Option(help="Code of its consignment stock in the ERP.")] = None,
    credit: Annotated[str | None, typer.Option(help="Its credit limit, as in 5000EUR.")] = None,
    email: Annotated[str | None, typer.Option(help="Where it gets notices.")] = None,
    by: ByOption = None,
) -> None:
    """Add a unit of the organisation, or change the one of this number."""
    limit = _money(credit) if credit else None
    made = with_hub(
        project,
        lambda hub: add_unit(
            hub, number=number, name=name, kind=kind, below=below, customer_name=customer, place=place,
            consignment_place=consignment, credit=limit, email=email, by=who(by),
        ),
    )  # fmt: skip
    if json:
        print_json(made)
    else:
        console.print(f"{kind} {number}: {made.id}", markup=False)


@app.command("list")
def list_all(project: ProjectOption = Path(), json: JsonOption = False) -> None:
    """All units, centres below the head office, stations below centres."""
    found = with_hub(project, list_units)
    if json:
        print_json(found)
        return
    depth = {"head_office": "", "centre": "  ", "station": "    "}
    rows = [
        (
            depth.get(str(one.fields.get("kind")), "") + str(one.fields.get("number")),
            one.fields.get("name") or "",
            one.fields.get("kind") or "",
            one.fields.get("place") or "–",
            one.fields.get("consignment_place") or "–",
            value_text(one.fields.get("credit_limit")),
        )
        for one in found
    ]
    console.print(table("Organisation", ("number", "name", "kind", "place", "consignment", "credit limit"), rows))


@app.command("check")
def check(project: ProjectOption = Path(), json: JsonOption = False) -> None:
    """Whether each unit is the same in all systems; exit code 1 when one is not."""
    found = with_hub(project, check_units)
    if json:
        print_json(found)
    else:
        rows = [(one.number, one.name, one.kind, one.parent or "–", " ".join(one.faults) or "in step") for one in found]
        console.print(table("Organisation", ("number", "name", "kind", "below", "is"), rows))
    raise typer.Exit(Exit.DIFFERENT if any(one.faults for one in found) else Exit.OK)


def _money(text: str) -> tuple[str, str]:
    amount, currency = text[:-3].strip(), text[-3:]
    if not currency.isalpha() or not currency.isupper() or not amount.replace(".", "", 1).isdigit():
        raise typer.BadParameter(f"'{text}' is not an amount with its currency, as in 5000EUR.")
    return amount, currency
