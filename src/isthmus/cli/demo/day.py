"""The business day: what people do in one system, and the waiting until it is seen in the other.

Every step looks at the far systems themselves, through their own interfaces as a user of them would; the hub's word
is never taken for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial

import msgspec

from isthmus.cli.demo.stage import Stage
from isthmus.lab.people import CrmUser, ErpUser
from isthmus.model.state import InboxEntry

__all__ = ["CUSTOMER", "Day", "StepResult"]

CUSTOMER = {
    "name": "云帆精密机械有限公司",
    "email": "einkauf@yunfan.example",
    "phone": "+49 30 5557788",
    "address_line": "Hafenstraße 12",
    "city": "Hamburg",
    "postcode": "20457",
    "country": "DE",
    "currency": "EUR",
}
"""The new customer of the day, as it is entered in the CRM."""
PATIENCE = 60.0
"""Seconds until a step that is not seen counts as failed."""


class StepResult(msgspec.Struct, frozen=True):
    """One thing that should be seen, and after how long it was."""

    what: str
    seen: bool
    seconds: float
    detail: str = ""


class Day:
    """Plays the steps; ``results`` collects what was seen."""

    def __init__(self, stage: Stage, say: Callable[[str], None]) -> None:
        self.stage, self._say = stage, say
        self.crm: CrmUser = stage.crm_user()
        self.erp: ErpUser = stage.erp_user()
        self.results: list[StepResult] = []
        self.order_number = ""
        self.account = self.deal = self.sku = self.other = ""
        self.party = self.sale = 0

    def see[T](self, what: str, probe: Callable[[], T | None]) -> T | None:
        """Look until ``probe`` gives something; says how long it took."""
        began = time.monotonic()
        found: T | None = None
        while time.monotonic() - began < PATIENCE:
            found = probe()
            if found:
                break
            time.sleep(0.1)
        seconds = time.monotonic() - began
        seen = bool(found)
        detail = str(found) if seen and isinstance(found, str | int | Decimal) and not isinstance(found, bool) else ""
        self.results.append(StepResult(what, seen, seconds, detail))
        mark = "✓" if seen else "✗ NOT SEEN:"
        self._say(f"  {mark} {what}{': ' + detail if detail else ''}  ({seconds:.2f} s)")
        return found

    def play(self) -> None:
        """The whole day, in order."""
        steps: list[Callable[[], None]] = [
            self.new_customer,
            self.price_change,
            self.conflict,
            self.deal_won,
            self.partial_shipment,
            self.invoice_and_payment,
            self.outage,
        ]
        for step in steps:
            self._say(f"\n{(step.__doc__ or '').splitlines()[0]}")
            step()

    def new_customer(self) -> None:
        """09:00  Carl enters a new customer in the CRM: 云帆精密机械有限公司"""
        self.account = self.crm.create_account(**CUSTOMER)
        self.crm.create_contact(self.account, "小明", "王", "wang@yunfan.example", title="Head of purchasing")
        party = self.see("the ERP has the customer, with address and e-mail", self._party)
        if party is None:
            return
        self.party = int(party)
        self.see("the CRM shows the ERP's customer number", lambda: self._custom("erp_number"))
        self.see("the ERP has the contact person", self._has_person)
        self.erp.set_price_list(self.party, "Dealer")
        self.erp.set_payment_term(self.party, "30 days")
        self._say("  Erin (ERP) puts the customer on the dealer price list, 30 days, credit limit 50,000.")
        self.erp.patch_party(self.party, credit_limit_amount=Decimal(50000))
        self.see("the CRM shows terms and credit limit", self._terms)

    def price_change(self) -> None:
        """10:00  Erin changes a list price in the ERP"""
        product = self.crm.products()[0]
        self.sku = str(product["sku"])
        price = Decimal(str(product["price"])) + Decimal("7.5")
        self.erp.change_list_price(self.sku, price)
        self.see(f"the CRM sells {self.sku} at the new price", lambda: self._crm_price() == price and str(price))
        self.erp.set_stock(self.sku, 8)
        self.see("the CRM shows the new stock of 8", self._crm_stock)

    def conflict(self) -> None:
        """11:00  Both change the same phone number at the same moment, and Erin the website besides"""
        self.stage.stop_hub()
        self.crm.patch_account(self.account, phone="+49 40 111111")
        self.erp.set_contact(self.party, "phone", "+49 40 222222")
        self.erp.set_contact(self.party, "website", "https://yunfan.example")
        self.stage.start_hub()
        self.see("the website arrives in the CRM all the same", self._website)
        entry: InboxEntry | None = self.see(
            "the phone number waits in the inbox, nothing is overwritten", self._conflict_entry
        )
        kept = self._phones() == ("+4940111111", "+4940222222")
        self.results.append(StepResult("both sides still have their own number", kept, 0.0))
        if entry is None:
            return
        self._say("  Erin decides: the CRM's number is right.")
        self.stage.decide(entry.id, "far" if entry.detail["system"] == "crm" else "hub")
        self.see("both systems have the decided number", lambda: len(set(self._phones())) == 1)

    def deal_won(self) -> None:
        """13:00  Carl wins a deal: 12 pieces at the dealer's price, 3 of another product"""
        second = next(p for p in self.crm.products() if p["sku"] != self.sku)
        self.other = str(second["sku"])
        self.erp.set_stock(self.other, 50)
        contact = self.crm.contacts(email="wang@yunfan.example")[0]
        self.deal = self.crm.create_opportunity(
            self.account, "Pumps for Hamburg", [(self.sku, 12, None), (self.other, 3, None)], contacts=[contact["id"]]
        )
        self.crm.set_stage(self.deal, "CLOSED_WON")
        sale = self.see("the ERP has the order, confirmed, with its own price, discount and tax", self._sale)
        if sale is None:
            return
        self.sale = int(sale)
        order = self.erp.sale(self.sale)
        self.order_number = str(order["number"])
        self.see("the CRM shows the order number", lambda: self._deal("erp_order_number") == self.order_number)
        total = Decimal(str(order["total_amount"]))
        self.see(
            f"the CRM shows the ERP's total of {total} EUR",
            lambda: Decimal(str(self._deal("erp_total") or 0)) == total,
        )

    def partial_shipment(self) -> None:
        """14:00  Only 8 of 12 pieces are in stock: Erin ships those, the rest becomes a backorder"""
        self.erp.ship(self.sale, {self.sku: 8, self.other: 3})
        self.see(
            "the CRM shows the order as partially shipped", lambda: "partially" in self._deal("erp_shipment_state")
        )
        self.see("the CRM shows 8 shipped and 4 open", self._open_quantities)
        self.erp.set_stock(self.sku, 4)
        self.erp.ship(self.sale)
        self.see(
            "the backorder is shipped, the CRM shows the order as sent",
            lambda: self._deal("erp_shipment_state") == "sent",
        )

    def invoice_and_payment(self) -> None:
        """15:00  Erin posts the invoices; the customer pays the first, Carl notes it in the CRM"""
        for invoice in self.erp.invoices(self.sale):
            if invoice["state"] == "draft":
                self.erp.post_invoice(int(invoice["id"]))
        first = self.erp.invoices(self.sale)[0]
        number = str(first["number"])
        found = self.see(f"invoice {number} is in the CRM", lambda: self._crm_invoice(number))
        if found is None:
            return
        half = (Decimal(str(first["total_amount"])) / 2).quantize(Decimal("0.01"))
        self.crm.record_payment(str(found), half, "SEPA 4711")
        self.see(
            f"the ERP's receivable is smaller by {half}",
            lambda: self.erp.open_amount(int(first["id"])) == Decimal(str(first["total_amount"])) - half,
        )
        for invoice in self.erp.invoices(self.sale):
            if self.erp.open_amount(int(invoice["id"])):
                self.erp.pay(int(invoice["id"]))
        self.see(
            "the rest is paid in the ERP, the CRM shows the order as paid",
            lambda: self._deal("erp_invoice_state") == "paid",
        )
        self.see("the ERP has booked the CRM's payment once", lambda: self._payments_in_erp(int(first["id"])) == 2)
        self.see("the CRM shows the customer's credit in use as the ERP does", self._same_credit)

    def outage(self) -> None:
        """16:00  The ERP goes down; Carl works on; it comes back"""
        self.stage.lab.tryton.kill()
        website = "https://www.yunfan.example"
        self.crm.patch_account(self.account, website=website)
        names = [f"Night shift {number} GmbH" for number in range(1, 6)]
        for number, name in enumerate(names):
            self.crm.create_account(name, email=f"night{number}@shift.example", country="DE", city=f"Werk {number}")
        time.sleep(3)
        if not self._website(website):
            # BottleCRM saves whole records: what the hub wrote at that very moment can have undone it (decision 21).
            self._say("  The CRM has lost Carl's edit beside another save; he makes it again.")
            self.crm.patch_account(self.account, website=website)
        self.stage.lab.tryton.start()
        self.erp = self.stage.erp_user()
        self.see("the ERP has caught up with the change", lambda: self._erp_website() == website)
        for name in names:
            self.see(f"{name} is in the ERP, once", partial(self._once, name))

    # -- looking -------------------------------------------------------------------------------------------------

    def _party(self) -> int | None:
        party = self.erp.party(CUSTOMER["name"])
        if party is None or not party["addresses"] or party["addresses"][0]["city"] != CUSTOMER["city"]:
            return None
        values = [mechanism["value"] for mechanism in party["contact_mechanisms"]]
        return int(party["id"]) if CUSTOMER["email"] in values else None

    def _has_person(self) -> bool:
        party = self.erp.party(self.party)
        assert party is not None
        return any(m["value"] == "wang@yunfan.example" and m["name"] for m in party["contact_mechanisms"])

    def _custom(self, name: str) -> str:
        account = self.crm.account(self.account)
        assert account is not None
        return str((account.get("custom_fields") or {}).get(name) or "")

    def _terms(self) -> str:
        terms, limit = self._custom("erp_payment_terms"), self._custom("erp_credit_limit")
        return f"{terms}, {limit}" if terms == "30 days" and limit and Decimal(limit) == 50000 else ""

    def _same_credit(self) -> bool:
        party = self.erp.party(self.party)
        assert party is not None
        return Decimal(self._custom("erp_credit_used") or 0) == Decimal(str(party["credit_amount"] or 0))

    def _crm_price(self) -> Decimal:
        product = self.crm.product(self.sku)
        assert product is not None
        return Decimal(str(product["price"]))

    def _crm_stock(self) -> bool:
        product = self.crm.product(self.sku)
        assert product is not None
        return any(line.split()[-1:] == ["8"] for line in str(product.get("description") or "").splitlines())

    def _once(self, name: str) -> bool:
        return len(self.erp.parties([["name", "=", name]])) == 1

    def _website(self, expected: str = "https://yunfan.example") -> bool:
        account = self.crm.account(self.account)
        assert account is not None
        return bool(account.get("website") == expected)

    def _erp_website(self) -> str:
        party = self.erp.party(self.party)
        assert party is not None
        return next((str(m["value"]) for m in party["contact_mechanisms"] if m["type"] == "website"), "")

    def _phones(self) -> tuple[str, str]:
        account, party = self.crm.account(self.account), self.erp.party(self.party)
        assert account is not None
        assert party is not None
        theirs = next(m["value"] for m in party["contact_mechanisms"] if m["type"] == "phone" and not m["name"])
        return (str(account["phone"]).replace(" ", ""), str(theirs).replace(" ", ""))

    def _conflict_entry(self) -> InboxEntry | None:
        return self.stage.open_conflict("phone", [("crm", "account", self.account), ("erp", "party", str(self.party))])

    def _sale(self) -> int | None:
        party_sales = self.erp.read("sale.sale", [["party", "=", self.party]], ["state", "total_amount", "number"])
        # A worker of the ERP takes up what was confirmed a moment later; only then there is something to ship.
        done = [s for s in party_sales if s["state"] in ("processing", "done")]
        return int(done[0]["id"]) if len(party_sales) == 1 and done else None

    def _deal(self, name: str) -> str:
        deal = self.crm.opportunity(self.deal)
        assert deal is not None
        return str((deal.get("custom_fields") or {}).get(name) or "")

    def _open_quantities(self) -> bool:
        text = self._deal("erp_lines")
        return "shipped 8" in text and "open 4" in text

    def _crm_invoice(self, number: str) -> str:
        return next((str(i["id"]) for i in self.crm.invoices() if i.get("invoice_title") == number), "")

    def _payments_in_erp(self, invoice: int) -> int:
        found = self.erp.read("account.invoice", [["id", "=", invoice]], ["payment_lines"])
        return len(found[0]["payment_lines"])
