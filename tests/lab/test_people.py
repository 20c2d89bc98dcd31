"""What people do in the systems works in the real ones: the ground under every other test and the demo."""

from __future__ import annotations

import uuid
from decimal import Decimal

import pytest

from isthmus.errors import LabError
from isthmus.lab.people import CrmUser, ErpFault, ErpUser

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


@pytest.fixture
def tag() -> str:
    return uuid.uuid4().hex[:8]


def test_erp_customer(erin: ErpUser, tag: str) -> None:
    party = erin.create_customer(
        f"Müller & 上海 {tag}", email=f"{tag}@a.example", phone="+49 30 1234567", street="Weg 1", postal_code="10115",
        city="Berlin", country="DE", people=[("Ann Lee", f"ann.{tag}@a.example")],
    )  # fmt: skip
    erin.patch_address(party, city="Lyon", country="FR")
    erin.set_contact(party, "email", f"new.{tag}@a.example")
    erin.set_payment_term(party, "60 days")
    erin.set_price_list(party, "Dealer")
    erin.patch_party(party, credit_limit_amount=Decimal("100.00"))
    found = erin.party(f"Müller & 上海 {tag}")
    assert found is not None
    assert found["id"] == party
    assert found["credit_limit_amount"] == Decimal("100.00")
    assert found["customer_payment_term.name"] == "60 days"
    assert found["write_uid"] == erin.id
    (address,) = found["addresses"]
    assert (address["street"], address["city"], address["country.code"]) == ("Weg 1", "Lyon", "FR")
    values = {(each["type"], each["name"], each["value"]) for each in found["contact_mechanisms"]}
    assert ("email", None, f"new.{tag}@a.example") in values
    assert ("email", "Ann Lee", f"ann.{tag}@a.example") in values
    erin.deactivate_party(party)
    hidden = erin.party(party)
    assert hidden is not None
    assert hidden["active"] is False


def test_erp_merge_and_delete(erin: ErpUser, tag: str) -> None:
    kept, double = erin.create_customer(f"Kept {tag}"), erin.create_customer(f"Double {tag}")
    erin.merge_parties(double, kept)
    merged = erin.party(double)
    assert merged is not None
    assert (merged["active"], merged["replaced_by"]) == (False, kept)
    lone = erin.create_customer(f"Lone {tag}")
    erin.delete_party(lone)
    assert erin.party(lone) is None


def test_erp_prices_and_stock(erin: ErpUser, tag: str) -> None:
    party = erin.create_customer(f"Dealer {tag}")
    erin.set_price_list(party, "Dealer")
    erin.change_list_price("LMP-0009", "100")
    assert erin.sale_price("LMP-0009", party) == 90
    assert erin.sale_price("LMP-0009", party, 10) == 80
    erin.set_stock("LMP-0009", 7)
    assert erin.stock("LMP-0009") == 7


def test_erp_order_to_payment_with_a_backorder(erin: ErpUser, tag: str) -> None:
    party = erin.create_customer(f"Buyer {tag}", street="Weg 2", city="Bonn", country="DE")
    erin.set_stock("MTR-0005", 20)
    erin.set_stock("CBL-0006", 20)
    sale = erin.create_sale(party, {"MTR-0005": 5, "CBL-0006": 3}, reference=f"OPP-{tag}")
    order = erin.confirm_sale(sale)
    assert order["state"] == "processing"
    assert order["number"]
    assert [found["id"] for found in erin.sales(f"OPP-{tag}")] == [sale]

    first, backorder = erin.ship(sale, {"MTR-0005": 2, "CBL-0006": 3})
    assert (first["state"], backorder["state"]) == ("done", "waiting")
    assert {move["product.code"]: move["quantity"] for move in backorder["outgoing_moves"]} == {"MTR-0005": 3.0}
    assert erin.sale(sale)["shipment_state"] == "partially shipped"
    assert erin.stock("MTR-0005") == 18
    erin.ship(sale)
    assert erin.sale(sale)["shipment_state"] == "sent"
    with pytest.raises(LabError, match="Nothing of order"):
        erin.ship(sale)

    (invoice,) = erin.invoices(sale)
    assert invoice["state"] == "draft"
    posted = erin.post_invoice(invoice["id"])
    assert (posted["state"], posted["amount_to_pay"]) == ("posted", posted["total_amount"])
    partly = erin.pay(invoice["id"], "10.00")
    assert partly["amount_to_pay"] == posted["total_amount"] - 10
    paid = erin.pay(invoice["id"])
    assert paid["state"] == "paid"
    assert erin.open_amount(invoice["id"]) == 0
    assert erin.sale(sale)["state"] == "done"


def test_erp_says_why_it_refuses(erin: ErpUser, tag: str) -> None:
    party = erin.create_customer(f"Buyer {tag}", city="Bonn", country="DE")
    sale = erin.create_sale(party, {"CBL-0006": 1})
    erin.cancel_sale(sale)
    assert erin.sale(sale)["state"] == "cancelled"
    with pytest.raises(ErpFault) as fault:
        erin.patch_party(party, name=f"Buyer {tag}", no_such_field=1)
    assert "no_such_field" in str(fault.value)


def test_crm_account_contact_product(carl: CrmUser, tag: str) -> None:
    account = carl.create_account(
        f"Neu {tag}", email=f"{tag}@x.example", phone="+49 30 1234567", currency="EUR", address_line="Weg 1",
        city="Berlin", postcode="10115", country="DE", custom_fields={"vat_number": "DE694833801"},
    )  # fmt: skip
    contact = carl.create_contact(account, "Ann", "Lee", f"ann.{tag}@x.example", phone="+49 30 12345678")
    carl.patch_contact(contact, title="Buyer")
    carl.patch_account(account, city="Bonn")
    found = carl.account(f"Neu {tag}")
    assert found is not None
    assert (found["id"], found["city"], found["country"]) == (account, "Bonn", "DE")
    assert found["custom_fields"] == {"vat_number": "DE694833801"}
    (person,) = carl.contacts_of(account)
    assert (person["id"], person["title"]) == (contact, "Buyer")
    product = carl.create_product(f"N-{tag}", "New", "9.90")
    carl.patch_product(product, price="10.90")
    now = carl.product(f"N-{tag}")
    assert now is not None
    assert now["price"] == "10.90"
    lone = carl.create_account(f"Lone {tag}")
    carl.delete_account(lone)
    assert carl.account(lone) is None


def test_crm_deal_estimate_invoice_payment(carl: CrmUser, tag: str) -> None:
    account = carl.create_account(f"Deal {tag}")
    contact = carl.create_contact(account, "Bo", "Li", f"bo.{tag}@x.example")
    deal = carl.create_opportunity(
        account, f"Deal {tag}", [("PMP-0001", 3, None), ("VLV-0002", 2, "30.00")], contacts=[contact]
    )
    carl.set_stage(deal, "CLOSED_WON")
    won = carl.opportunity(deal)
    assert won is not None
    assert won["stage"] == "CLOSED_WON"
    assert [(line["product"]["sku"], line["quantity"]) for line in won["line_items"]] == [
        ("PMP-0001", "3.00"), ("VLV-0002", "2.00"),
    ]  # fmt: skip

    estimate = carl.create_estimate(account, contact, f"Quote {tag}", [("PMP-0001", 1, None)], opportunity_id=deal)
    carl.accept_estimate(estimate)
    quote = carl.estimate(estimate)
    assert quote is not None
    assert quote["status"] == "Accepted"
    invoice = carl.convert_estimate(estimate)
    carl.send_invoice(invoice)
    carl.record_payment(invoice, "50.00", "REF")
    billed = carl.invoice(invoice)
    assert billed is not None
    assert billed["status"] == "Partially_Paid"
    assert [payment["amount"] for payment in carl.payments(invoice)] == ["50.00"]
    with pytest.raises(LabError, match="409"):
        carl.delete_account(account)
    own = carl.create_invoice(account, contact, f"Invoice {tag}", [("PMP-0001", 1, "10")])
    assert own in {each["id"] for each in carl.invoices()}
