"""Documents of a customer as systems and sales would have made them."""

from __future__ import annotations

from typing import Any

from isthmus.app.quoting import make_quote
from isthmus.desk.quoting import WantedLine
from isthmus.model.state import Cause
from isthmus.store import PostgresStore
from tests.api.office import D, PretendBusiness, made


def euro(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "EUR"}


async def bills(store: PostgresStore, customer: str, mark: str = "") -> None:
    """An order with four invoices: overdue, open, paid, and one that nobody may see yet; and a credit note."""
    order = f"order-{customer}"
    await made(store, "SalesOrder", {"customer": customer, "number": f"{mark}SO-1", "state": "done"}, order)
    for number, state, due, amount in (
        ("late", "partially_paid", "2020-01-31", "119.00"),
        ("open", "open", "2099-01-31", "50.00"),
        ("paid", "paid", "2020-01-31", "10.00"),
        ("note", "open", "2099-01-31", "-9.00"),
        ("draft", "draft", "2099-01-31", "777.00"),
    ):
        fields: dict[str, Any] = {
            "customer": customer,
            "order": order,
            "number": f"{mark}{number}",
            "state": state,
            "issued_on": "2020-01-01",
            "due_on": due,
            "currency": "EUR",
            "total": euro(amount),
            "open_amount": euro("0.00" if state == "paid" else amount),
            "lines": [{"product": "p01", "quantity": "1", "unit_price": amount, "amount": amount}],
        }
        await made(store, "Invoice", fields, f"bill-{number}-{customer}")
    paid = {"invoice": f"bill-paid-{customer}", "amount": euro("10.00"), "paid_on": "2020-01-20"}
    await made(store, "Payment", {**paid, "reference": f"{mark}BANK"}, f"payment-{customer}")


async def shipped(store: PostgresStore, customer: str, id: str, quantity: str = "5", price: str = "80") -> None:
    """An order of bearings of which some were shipped."""
    line = {"product": "p01", "quantity": "9", "unit": "Unit", "unit_price": price}
    fields = {"customer": customer, "number": f"SO-{id}", "state": "processing", "ordered": [line], "lines": [line]}
    await made(store, "SalesOrder", {**fields, "currency": "EUR"}, id)
    gone = {"product": "p01", "quantity": quantity, "unit": "Unit"}
    way = {"customer": customer, "order": id, "number": f"CUS-{id}", "state": "done", "lines": [gone]}
    await made(store, "Delivery", way, f"way-{id}")


async def sent_quote(business: PretendBusiness, customer: str, price: str = "90") -> tuple[str, str]:
    """Item and number of a quote that the customer has; nobody turns its process here."""
    line = WantedLine(sku="BRG-01", quantity=D(2), unit_price=D(price))
    quote = await make_quote(business, [line], customer=customer, by="sara@sales.example")
    async with business.transaction() as tx:
        edits = business.edits(tx, Cause("process", "quote"), "Quote")
        await edits.change(quote.id, {"state": "sent", "sent_at": business.now()})
    return quote.id, str(quote.fields["number"])


async def station(store: PostgresStore, customer: str, number: str) -> str:
    """A service station of this customer, with papers of every kind."""
    id = f"station-{number}"
    unit = {"number": number, "name": f"Station {number}", "kind": "station", "customer": customer, "active": True}
    await made(store, "OrganisationUnit", unit, id)
    line = {"id": "1", "product": "p01", "quantity": "1"}
    asked = {"number": f"MR-{number}", "station": id, "state": "refused", "supply": "sales_order", "lines": [line]}
    await made(store, "MaterialRequest", {**asked, "process": f"material_request/MR-{number}"}, f"request-{number}")
    back = {"number": f"RT-{number}", "station": id, "state": "announced", "process": f"goods_return/RT-{number}"}
    sent = [{"id": "1", "product": "p01", "announced": "1"}]
    await made(store, "Return", {**back, "lines": sent, "requester": "x@y.example"}, f"return-{number}")
    repair = {"number": f"RR-{number}", "station": id, "method": "overhaul", "fee": euro("80")}
    await made(store, "RepairRecord", {**repair, "repaired_on": "2026-10-05"}, f"repair-{number}")
    return id
