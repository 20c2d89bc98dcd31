"""An order's way to its payment, by the connector, on the twin: what the contract does not know about."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from isthmus.connector import Create, Gone, Record, Update
from isthmus.connectors import tryton
from isthmus.connectors.tryton import TRYTON, TrytonSystem
from isthmus.connectors.tryton.twin import TrytonTwin
from isthmus.connectors.tryton.twin_business import warning_name
from isthmus.errors import Rejected
from isthmus.project.defaults import load_default_mapping
from tests.connectors.tryton.contract_cases import configured

type Day = tuple[TrytonTwin, TrytonSystem]


@pytest.fixture
async def day() -> AsyncIterator[Day]:
    """A twin and the connector at work on it."""
    async with TrytonTwin() as twin:
        config = configured(
            url=twin.url, database="erp", login="hub", password=twin.password, price_lists=["Dealer"], quote_orders=True
        )
        system = await TRYTON.open(config)
        yield twin, system
        await system.close()


async def write(system: TrytonSystem, resource: str, *writes: Any) -> list[Any]:
    """Answers to writes."""
    return list(await system.resources()[resource].write(writes))  # type: ignore[attr-defined]


async def ordered(system: TrytonSystem, quantity: int = 12, *, token: str = "order-1", **party: Any) -> Record:
    """A dealer's order for bolts."""
    fields = {"name": "Dealer", "price_list": "Dealer", "payment_term": "30 days", "addresses": [{"city": "Köln"}]}
    (dealer,) = await write(system, "party", Create(token="d", fields={**fields, **party}))
    (bolt,) = await write(system, "product", Create(token="b", fields={"name": "Bolt", "list_price": Decimal(10)}))
    lines = [{"product": bolt.key, "quantity": Decimal(quantity)}]
    create = Create(token=token, fields={"party": dealer.key, "reference": "CRM-7", "lines": lines})
    (sale,) = await write(system, "sale", create)
    assert isinstance(sale, Record), sale
    return sale


async def test_price_discount_and_term_of_an_order_are_trytons(day: Day) -> None:
    sale = await ordered(day[1])
    (line,) = sale.fields["lines"]
    assert (line["unit_price"], line["base_price"], line["discount_rate"]) == (Decimal(8), Decimal(10), Decimal("0.2"))
    assert sale.fields["discount_amount"] == Decimal("24.00")
    assert sale.fields["payment_term"] == "30 days"
    assert (sale.fields["state"], sale.fields["confirmed"]) == ("quotation", False)


async def test_a_changed_quantity_is_priced_anew(day: Day) -> None:
    twin, system = day
    sale = await ordered(system)
    with twin.store.transaction({}):
        twin.store.write("sale.sale", [int(sale.key)], {"state": "draft"})
    (sale,) = await system.resources()["sale"].fetch([sale.key])
    assert isinstance(sale, Record)
    lines = [{**sale.fields["lines"][0], "quantity": Decimal(2)}]
    (changed,) = await write(system, "sale", Update(before=sale, fields={"lines": lines}))
    assert changed.fields["lines"][0]["unit_price"] == Decimal(9)
    assert changed.fields["lines"][0]["id"] == sale.fields["lines"][0]["id"]


async def test_an_order_goes_to_shipment_backorder_invoice_and_payment(day: Day) -> None:
    twin, system = day
    (sale,) = await write(system, "sale", Update(before=await ordered(system), fields={"confirmed": True}))
    assert sale.fields["confirmed"]
    assert sale.fields["state"] == "processing"
    (shipment,) = await system.resources()["shipment"].fetch(sale.fields["shipments"])
    assert isinstance(shipment, Record)
    with twin.store.transaction({}):
        twin.business.ship(int(shipment.key), {int(shipment.fields["lines"][0]["id"]): 5.0})
    (sale,) = await system.resources()["sale"].fetch([sale.key])
    assert isinstance(sale, Record)
    assert [sale.fields["lines"][0][name] for name in ("quantity", "shipped", "open")] == [12, 5, 7]
    shipments = await system.resources()["shipment"].fetch(sale.fields["shipments"])
    assert [one.fields["backorder"] for one in shipments if isinstance(one, Record)] == [False, True]

    (invoice,) = await system.resources()["invoice"].fetch(sale.fields["invoices"])
    (invoice,) = await write(system, "invoice", Update(before=invoice, fields={"posted": True}))  # type: ignore[arg-type]
    total = invoice.fields["total_amount"]
    assert (invoice.fields["payment_state"], invoice.fields["amount_to_pay"]) == ("open", total)
    for token, amount, state in (("p1", Decimal(20), "partially_paid"), ("p2", total - 20, "paid")):
        fields = {"invoice": invoice.key, "amount": amount, "description": "Wire"}
        (payment,) = await write(system, "payment", Create(token=token, fields=fields))
        assert (payment.fields["amount"], payment.fields["description"]) == (amount, "Wire")
        (again,) = await write(system, "payment", Create(token=token, fields=fields))
        assert again == payment, "the same token paid twice"
        (invoice,) = await system.resources()["invoice"].fetch([invoice.key])
        assert invoice.fields["payment_state"] == state
    (sale,) = await system.resources()["sale"].fetch([sale.key])
    assert isinstance(sale, Record)
    assert sale.fields["lines"][0]["invoiced"] == 12


async def test_paying_more_than_is_left_is_refused_with_both_amounts(day: Day) -> None:
    _, system = day
    (sale,) = await write(system, "sale", Update(before=await ordered(system), fields={"confirmed": True}))
    (invoice,) = await system.resources()["invoice"].fetch(sale.fields["invoices"])
    early = Create(token="p0", fields={"invoice": invoice.key, "amount": Decimal(1)})
    (answer,) = await write(system, "payment", early)
    assert isinstance(answer, Rejected)
    assert "draft" in answer.message
    await write(system, "invoice", Update(before=invoice, fields={"posted": True}))  # type: ignore[arg-type]
    (answer,) = await write(
        system, "payment", Create(token="p", fields={"invoice": invoice.key, "amount": Decimal(999)})
    )
    assert isinstance(answer, Rejected)
    assert answer.field == "amount"
    assert "999" in answer.message
    assert "114.24" in answer.message


async def test_a_credit_warning_is_refused_by_name_and_skipped_when_accepted(day: Day) -> None:
    twin, system = day
    sale = await ordered(system, credit_limit=Decimal(50))
    (answer,) = await write(system, "sale", Update(before=sale, fields={"confirmed": True}))
    assert isinstance(answer, Rejected)
    assert warning_name("credit_limit_amount", f"sale.sale,{sale.key}") in answer.message
    assert answer.field == "credit_limit"
    config = configured(
        url=twin.url, database="erp", login="hub", password=twin.password, accept_warnings=["*.credit_limit_amount"]
    )
    bold = await TRYTON.open(config)
    (answer,) = await write(bold, "sale", Update(before=sale, fields={"confirmed": True}))
    assert isinstance(answer, Record)
    assert answer.fields["confirmed"]
    await bold.close()


async def test_an_order_that_may_exceed_the_limit_passes_and_no_other_with_it(day: Day) -> None:
    _, system = day
    sales = [await ordered(system, token=f"order-{at}", credit_limit=Decimal(50)) for at in range(3)]
    assert [sale.fields["over_limit"] for sale in sales] == [None, None, None]
    answers = await write(
        system,
        "sale",
        *(
            Update(before=sale, fields={"confirmed": True, **({"over_limit": True} if at == 1 else {})})
            for at, sale in enumerate(sales)
        ),
    )
    refused, passed, other = answers
    assert isinstance(refused, Rejected)
    assert isinstance(other, Rejected)
    assert isinstance(passed, Record)
    assert passed.fields["confirmed"]
    assert "over_limit" not in passed.fields, "no matter any more"
    # The next one of the same customer is asked about again.
    (again,) = await write(system, "sale", Update(before=sales[0], fields={"confirmed": True}))
    assert isinstance(again, Rejected)


async def test_a_quotation_is_cancelled_once_with_the_reason_and_what_people_wrote_stays(day: Day) -> None:
    twin, system = day
    sale = await ordered(system)
    (sale,) = await write(system, "sale", Update(before=sale, fields={"comment": "Ring twice."}))
    assert (sale.fields["state"], sale.fields["cancelled"], sale.fields["cancel_reason"]) == ("quotation", False, None)
    twin.calls.clear()
    asked = {"cancelled": True, "cancel_reason": "Not paid.\nTwice."}
    (gone,) = await write(system, "sale", Update(before=sale, fields=asked))
    assert isinstance(gone, Record), gone
    assert [gone.fields[name] for name in ("state", *asked)] == ["cancelled", True, "Not paid.\nTwice."]
    assert gone.fields["comment"] == "Ring twice.\n\nCancelled by Isthmus: Not paid.\nTwice."
    # The answer is lost and it is written again: nothing happens twice.
    (again,) = await write(system, "sale", Update(before=gone, fields=asked))
    assert again.fields["comment"] == gone.fields["comment"]
    assert twin.calls.count("model.sale.sale.cancel") == 1
    (answer,) = await write(system, "sale", Update(before=gone, fields={"cancelled": False}))
    assert isinstance(answer, Rejected)


async def test_a_sale_that_is_processed_is_cancelled_by_people_only(day: Day) -> None:
    _, system = day
    (sale,) = await write(system, "sale", Update(before=await ordered(system), fields={"confirmed": True}))
    (answer,) = await write(system, "sale", Update(before=sale, fields={"cancelled": True, "cancel_reason": "No."}))
    assert isinstance(answer, Rejected)
    assert (answer.field, "processing" in answer.message) == ("cancelled", True)
    (found,) = await system.resources()["sale"].fetch([sale.key])
    assert isinstance(found, Record)
    assert (found.fields["state"], found.fields["comment"]) == ("processing", None), "nothing half done"


async def test_a_moved_stock_shows_in_the_feed_of_products_sales_and_shipments(day: Day) -> None:
    twin, system = day
    (sale,) = await write(system, "sale", Update(before=await ordered(system), fields={"confirmed": True}))
    feeds = {name: system.resources()[name] for name in ("product", "sale", "shipment")}
    cursors = {name: (await feed.changes(None)).cursor for name, feed in feeds.items()}  # type: ignore[attr-defined]
    with twin.store.transaction({}):
        twin.business.ship(int(sale.fields["shipments"][0]))
    for name, feed in feeds.items():
        assert (await feed.changes(cursors[name])).items, name  # type: ignore[attr-defined]


async def test_a_changed_price_list_reprices_every_product_in_the_feed(day: Day) -> None:
    twin, system = day
    await ordered(system)
    products = system.resources()["product"]
    cursor = (await products.changes(None)).cursor  # type: ignore[attr-defined]
    with twin.store.transaction({}):
        twin.store.write("product.price_list.line", [2], {"formula": "unit_price * 0.5"})
    page = await products.changes(cursor)  # type: ignore[attr-defined]
    assert page.more
    assert page.items[0].fields["prices"][0]["amount"] == Decimal(5)
    while page.more:
        page = await products.changes(page.cursor)  # type: ignore[attr-defined]
    assert not page.items


async def test_a_contact_that_takes_anothers_name_is_merged_into_it(day: Day) -> None:
    twin, system = day
    (party,) = await write(system, "party", Create(token="p", fields={"name": "Ada"}))
    one, two = await write(
        system,
        "contact",
        *(Create(token=name, fields={"party": party.key, "name": name, "email": f"{name}@x.org"}) for name in "ab"),
    )
    with twin.store.transaction({}):
        twin.store.write("party.contact_mechanism", [int(two.key)], {"name": "a"})
    answers = await system.resources()["contact"].fetch([one.key, two.key])
    assert answers[1] == Gone(key=two.key, merged_into=one.key)


@pytest.mark.parametrize(
    ("code", "country", "kind"),
    [
        ("GB980780684", None, "gb_vat"),
        ("BE0897290877", "US", "eu_vat"),
        ("91-1144442", "US", "us_ein"),
        ("4711", None, None),
    ],
)
async def test_a_tax_number_gets_the_type_of_its_letters_or_country(
    day: Day, code: str, country: str | None, kind: str | None
) -> None:
    fields = {"name": "Ada", "tax_id": code, "addresses": [{"city": "X", "country": country}]}
    (party,) = await write(day[1], "party", Create(token="p", fields=fields))
    assert party.fields["identifiers"][0]["type"] == kind
    assert party.fields["tax_id"] == (code if kind else None)


async def test_without_the_outbox_changes_come_from_change_dates_and_no_delete_is_promised() -> None:
    async with TrytonTwin(outbox=False) as twin:
        config = configured(url=twin.url, database="erp", login="hub", password=twin.password, overlap=0.5)
        system = await TRYTON.open(config)
        parties = system.resources()["party"]
        assert parties.traits.deletes == "silent"
        assert "deletes show only" in (await system.check()).warnings[0]
        cursor = (await parties.changes(None)).cursor  # type: ignore[attr-defined]
        fields = {"name": "Ada", "addresses": [{"city": "Liège"}]}
        (made,) = await write(system, "party", Create(token="p", fields=fields))
        page = await parties.changes(cursor)  # type: ignore[attr-defined]
        assert [item.key for item in page.items] == [made.key]
        with twin.store.transaction({}):
            twin.store.write("party.address", [int(made.fields["addresses"][0]["id"])], {"city": "Namur"})
        page = await parties.changes(page.cursor)  # type: ignore[attr-defined]
        assert page.items[0].fields["addresses"][0]["city"] == "Namur"
        await system.close()


async def test_the_default_mapping_names_only_fields_that_exist(day: Day) -> None:
    mapping = load_default_mapping(Path(tryton.__file__).with_name("mapping.yaml"))
    documents = ("SalesOrder", "Delivery", "Delivery@shipment_return", "Invoice", "Payment")
    assert set(mapping) == {"Customer", "Contact", "Product", *documents}
    assert {one.resource for one in mapping.values()} <= set(day[1].resources())


async def test_a_lost_order_is_found_by_its_token_and_tells_whether_others_have_touched_it(day: Day) -> None:
    sale = await ordered(day[1])
    sales = day[1].resources()["sale"]
    row = day[0].store.row("sale.sale", int(sale.key))
    for user, untouched in ((None, True), (row["create_uid"], True), (row["create_uid"] + 6, False)):
        row["write_uid"] = user
        found = await sales.find_created(Create(token="order-1", fields={}), datetime.now(UTC))  # type: ignore[attr-defined]
        assert [(one.record.key, one.certain, one.untouched) for one in found] == [(sale.key, True, untouched)]
