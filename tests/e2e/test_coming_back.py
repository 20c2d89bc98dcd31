"""Goods that come back and bills that people of the ERP credit: in the order's ledger, its trace and the CRM."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from isthmus.lab.people import ErpReturns
from tests.e2e.office import Office, money, see

pytestmark = [pytest.mark.lab, pytest.mark.flow("ERP-4")]


class Sold:
    """A deal that was won, twelve pieces at 10 that were sent, billed and posted."""

    def __init__(self, office: Office, word: str) -> None:
        self.office, self.returns = office, ErpReturns(office.erin)
        self.sku = office.product(word, "10", 50)
        account, self.party = office.customer(word.title())
        office.contact(account)  # the CRM makes no invoice for an account without people
        self.deal, sale = office.order(account, self.party, [(self.sku, 12)])
        self.sale, self.number = int(sale["id"]), str(sale["number"])
        office.erin.ship(self.sale)
        (draft,) = office.erin.invoices(self.sale)
        self.invoice = office.erin.post_invoice(int(draft["id"]))
        self.reaches(shipped=12, invoiced=12)

    def root(self) -> dict[str, Any] | None:
        """The order in its trace."""
        found = self.office.isthmus("trace", f"crm/opportunity/{self.deal}", "--json")
        assert found.code == 0, found
        return next((top for top in found.json["roots"] if f"erp sale {self.sale}" in top["records"]), None)

    def line(self) -> dict[str, Decimal]:
        """The ledger of the order's only line; it is balanced whatever happened."""
        root = self.root()
        if root is None:
            return {}
        ledger = root["ledger"]
        (row,) = ledger["lines"]
        line = {name: Decimal(value) for name, value in row.items() if name not in ("product", "name")}
        assert line["ordered"] + line["over"] == (
            line["shipped"] + line["allocated"] + line["open"] + line["cancelled"]
        ), line
        assert line["shipped"] + line["over_returned"] == line["kept"] + line["returned"], line
        assert line["invoiced"] + line["over_credited"] == line["charged"] + line["credited"], line
        assert line["to_bill"] == line["shipped"] - line["returned"] - line["invoiced"] + line["credited"], line
        assert line["billed"] == line["paid"] + line["due"], line
        assert money(ledger["billed"]) == sum(
            (money(ledger[name]) for name in ("paid", "reported_due", "unexplained")), Decimal(0)
        )
        return line

    def reaches(self, **wanted: int) -> dict[str, Decimal]:
        """Wait until the ledger says so."""
        return see(
            lambda: (line := self.line()) and all(line[name] == value for name, value in wanted.items()) and line
        )

    def documents(self, kind: str) -> list[Mapping[str, Any]]:
        """Of this kind, below the order."""
        root = self.root()
        return [] if root is None else [one for one in root["children"] if one["kind"] == kind]

    def in_crm(self, *words: str) -> None:
        """Wait until the deal says so of its line."""
        see(lambda: all(word in self.office.deal(self.deal, "erp_lines") for word in words))


def test_a_return_shipment_of_people_in_the_erp_is_in_ledger_trace_and_crm(office: Office) -> None:
    sold = Sold(office, "BACKA")
    back = sold.returns.take_back(sold.party, {sold.sku: 3}, of=sold.sale)
    see(lambda: [one["fields"]["state"] for one in sold.documents("Goods that came back")] == ["draft"])
    assert sold.line()["returned"] == 0, "nothing has arrived yet"
    sold.returns.receive(back)
    line = sold.reaches(returned=3, kept=9)
    assert (line["shipped"], line["to_bill"], line["over_returned"]) == (12, -3, 0), "three are to be credited"
    sold.in_crm("shipped 12", "returned 3")
    (shown,) = sold.documents("Goods that came back")
    (there,) = office.erin.read("stock.shipment.out.return", [["id", "=", back]], ["number", "state"])
    assert (shown["name"], shown["fields"]["state"]) == (there["number"], there["state"])
    assert office.isthmus("explain", "erp", "shipment_return", str(back), "--json").code == 0


def test_a_return_sale_of_the_erps_wizard_is_returned_and_credited(office: Office) -> None:
    sold = Sold(office, "BACKB")
    made = sold.returns.return_sale(sold.sale, {sold.sku: 5})
    office.erin.confirm_sale(made)
    (shipment,) = sold.returns.shipments(made)
    sold.returns.receive(int(shipment["id"]))
    sold.reaches(returned=5, credited=0, to_bill=-5)
    (note,) = office.erin.invoices(made)
    posted = office.erin.post_invoice(int(note["id"]))
    line = sold.reaches(returned=5, credited=5, to_bill=0)
    assert line["billed"] == 70, "seven of twelve at 10"
    (shown,) = sold.documents("Credit note")
    assert (shown["name"], money(shown["fields"]["total"]["amount"])) == (posted["number"], posted["total_amount"])
    sold.in_crm("returned 5", "credited 5")
    # The return sale is no order of its own: the CRM knows nothing it could hang on.
    assert [one["entity"] for one in (sold.root() or {})["children"]].count("SalesOrder") == 0


def test_a_credit_note_in_part_and_then_of_more_than_was_billed(office: Office) -> None:
    sold = Sold(office, "CREDA")
    number = str(sold.invoice["number"])
    see(lambda: office.crm_invoice(number))
    posted = office.erin.post_invoice(sold.returns.credit(int(sold.invoice["id"]), refund=False, keep={sold.sku: 2}))
    line = sold.reaches(credited=2, charged=10)
    assert (line["returned"], line["to_bill"], line["billed"]) == (0, 2, 100), "two that are kept are not paid for"
    (shown,) = sold.documents("Credit note")
    assert (shown["name"], shown["fields"]["credits"]) == (posted["number"], number)
    sold.in_crm("credited 2")
    # BottleCRM has no credit notes: the invoice shows them.
    see(lambda: office.custom(office.crm_invoice(number), "erp_credit_notes") == posted["number"])
    assert money(office.custom(office.crm_invoice(number), "erp_credited")) == -posted["total_amount"] > 0
    office.erin.post_invoice(sold.returns.credit(int(sold.invoice["id"]), refund=False, keep={sold.sku: 11}))
    line = sold.reaches(credited=13, over_credited=1)
    assert (line["charged"], line["billed"]) == (0, -10), "credited once too often, and not hidden"
    told = office.isthmus("trace", sold.number)
    assert "1 are credited that were not billed" in " ".join(told.out.split())
    office.settle()
    assert office.entries("failure", str(sold.invoice["id"]), office.crm_invoice(number)["id"]) == []  # type: ignore[index]


def test_an_invoice_that_is_credited_whole_is_neither_owed_nor_lost(office: Office) -> None:
    sold = Sold(office, "CREDB")
    number = str(sold.invoice["number"])
    see(lambda: office.crm_invoice(number))
    note = office.erin.invoice(sold.returns.credit(int(sold.invoice["id"]), refund=True))
    assert office.erin.invoice(int(sold.invoice["id"]))["state"] == "cancelled"
    line = sold.reaches(invoiced=12, credited=12, charged=0)
    assert (line["billed"], line["due"], line["to_bill"]) == (0, 0, 12)
    states = {
        one["name"]: one["fields"]["state"] for one in (sold.root() or {})["children"] if one["entity"] == "Invoice"
    }
    assert states == {number: "credited", str(note["number"]): "paid"}
    see(lambda: office.custom(office.crm_invoice(number), "erp_state") == "credited")
    see(lambda: office.custom(office.crm_invoice(number), "erp_credit_notes") == note["number"])
    assert office.crm_invoice(str(note["number"])) is None


def test_what_is_cancelled_in_the_erp_counts_nothing(office: Office) -> None:
    sold = Sold(office, "BACKC")
    back = sold.returns.take_back(sold.party, {sold.sku: 3}, of=sold.sale)
    made = sold.returns.return_sale(sold.sale, {sold.sku: 4})
    office.erin.confirm_sale(made)
    (shipment,) = sold.returns.shipments(made)
    note = sold.returns.credit(int(sold.invoice["id"]), refund=False, keep={sold.sku: 2})
    see(lambda: len(sold.documents("Goods that came back")) == 2)
    sold.returns.cancel(back)
    sold.returns.cancel(int(shipment["id"]))
    office.erin.insist("model.account.invoice.cancel", [note])
    see(lambda: {one["fields"]["state"] for one in sold.documents("Goods that came back")} == {"cancelled"})
    see(lambda: office.held("erp", "invoice", note, "state") == "cancelled")
    line = sold.line()
    assert (line["returned"], line["credited"], line["kept"], line["charged"]) == (0, 0, 12, 12)


def test_more_comes_back_than_was_sent_and_that_is_shown(office: Office) -> None:
    sold = Sold(office, "BACKD")
    sold.returns.receive(sold.returns.take_back(sold.party, {sold.sku: 14}, of=sold.sale))
    line = sold.reaches(returned=14, over_returned=2)
    assert (line["kept"], line["to_bill"]) == (0, -14)
    sold.in_crm("returned 14")
    shown = office.isthmus("order", "show", sold.number)
    assert "2 came back that were not sent by this order" in " ".join(shown.out.split())


def test_a_return_of_nothing_known_is_kept_with_its_customer(office: Office) -> None:
    sold = Sold(office, "BACKE")
    sold.returns.receive(back := sold.returns.take_back(sold.party, {sold.sku: 1}))
    see(
        lambda: office.rows(
            "select 1 from link where resource = 'shipment_return' and key = %s and state = 'linked'", str(back)
        )
    )
    assert office.held("erp", "shipment_return", back, "customer")
    assert office.held("erp", "shipment_return", back, "order") is None
    assert sold.line()["returned"] == 0
