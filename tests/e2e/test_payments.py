"""Payments of customers, both ways, and nothing twice (ERP-7)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.office import Office, money, see

pytestmark = [pytest.mark.lab, pytest.mark.flow("ERP-7")]


def booked(office: Office, invoice: int) -> int:
    """How many payments the ERP has booked on an invoice."""
    (row,) = office.erin.read("account.invoice", [["id", "=", invoice]], ["payment_lines"])
    return len(row["payment_lines"])


def crm_payments(office: Office, invoice: str) -> list[Any]:
    return sorted(money(payment["amount"]) for payment in office.carl.payments(invoice))


def test_payments_of_both_sides_reach_the_other_once(office: Office) -> None:
    deal, invoice, mirror = office.bill("PAID", "100")
    key = int(invoice["id"])
    assert money(invoice["total_amount"]) == 119

    office.carl.record_payment(mirror, "40", "SEPA 0815")
    see(lambda: office.erin.open_amount(key) == 79)
    see(lambda: money(office.custom(office.carl.invoice(mirror), "erp_open")) == 79)
    assert office.custom(office.carl.invoice(mirror), "erp_state") in ("open", "partially_paid")
    office.in_step("crm", "invoice", mirror)

    office.erin.pay(key, "50")
    see(lambda: crm_payments(office, mirror) == [40, 50])
    see(lambda: money(office.custom(office.carl.invoice(mirror), "erp_open")) == 29)
    # BottleCRM saves whole records: a payment in the very moment of the hub's write would be undone there.
    office.in_step("crm", "invoice", mirror)

    office.carl.record_payment(mirror, "29", "SEPA 0816")
    see(lambda: office.erin.open_amount(key) == 0)
    see(lambda: office.custom(office.carl.invoice(mirror), "erp_state") == "paid")
    see(lambda: office.deal(deal, "erp_invoice_state") == "paid")
    office.settle()
    assert booked(office, key) == 3
    assert crm_payments(office, mirror) == [29, 40, 50]
