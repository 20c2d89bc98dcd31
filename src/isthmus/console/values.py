"""Values of fields as people read them: words of state in their language, amounts with their decimals, moments.

A page that compares systems shows what the hub holds, not how it spells it. What is typed into a form, and what the
command line and the API say, stays as it is held.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from babel.numbers import format_decimal, get_currency_precision

__all__ = ["PROCESSES", "SPOKEN", "WORDS", "amount_text", "moment_text"]

SPOKEN = frozenset(
    "state status stage kind supply unit quote_state shipment_state invoice_state erp_state credit_state entry_state"
    .split()
)  # fmt: skip
"""Fields that hold one word of a few."""

WORDS: Mapping[str, str] = {
    # documents, whoever keeps them
    "draft": "draft",
    "quotation": "quotation",
    "checking": "being checked",
    "checked": "checked",
    "confirmed": "confirmed",
    "processing": "in work",
    "done": "done",
    "cancelled": "cancelled",
    "refused": "refused",
    "withdrawn": "taken back",
    "requested": "requested",
    "approving": "to be approved",
    "approved": "approved",
    "sent": "sent",
    "accepted": "accepted",
    "rejected": "turned down",
    "expired": "expired",
    "replaced": "replaced by a newer one",
    "new": "new",
    "ordered": "ordered",
    "partly_shipped": "partly shipped",
    "shipped": "shipped",
    "complete": "complete",
    "announced": "announced",
    "counted": "counted",
    "difference": "difference",
    "settled": "settled",
    "received": "received",
    "credited": "credited",
    "closed": "closed",
    "reported": "reported",
    "booked": "booked",
    "gone": "gone",
    # goods and money
    "none": "none",
    "waiting": "waiting",
    "assigned": "assigned",
    "picked": "picked",
    "packed": "packed",
    "partially shipped": "partly shipped",
    "exception": "held up",
    "pending": "pending",
    "awaiting payment": "to be paid",
    "partially paid": "partly paid",
    "open": "to be paid",
    "posted": "posted",
    "validated": "validated",
    "partially_paid": "partly paid",
    "paid": "paid",
    # deals and questions
    "PROSPECTING": "prospecting",
    "QUALIFICATION": "qualification",
    "PROPOSAL": "proposal",
    "NEGOTIATION": "negotiation",
    "CLOSED_WON": "won",
    "CLOSED_LOST": "lost",
    "New": "new",
    "Assigned": "assigned",
    "Pending": "pending",
    "Closed": "closed",
    "Rejected": "turned down",
    "Duplicate": "asked before",
    # ways of supply, kinds of stations and products, units
    "sales_order": "bought by the station",
    "fill_up": "consignment stock filled up",
    "transfer": "moved to the station's own place",
    "head_office": "head office",
    "centre": "centre",
    "station": "service station",
    "goods": "goods",
    "assets": "asset",
    "service": "service",
    "Unit": "piece",
    "Kilogram": "kilogram",
    "Gram": "gram",
    "Meter": "metre",
    "Liter": "litre",
    "Hour": "hour",
}
"""Word in a field of :data:`SPOKEN` -> English; another one is shown as it is."""

PROCESSES: Mapping[str, str] = {
    "approval_request": "Approval",
    "goods_return": "Return of goods",
    "labour_settlement": "Settlement of labour",
    "material_request": "Request for material",
    "order": "Order of the hub",
    "quote": "Quote of the hub",
}
"""Bundled process -> English; a project's own keeps its name."""

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def amount_text(value: Mapping[str, Any]) -> str:
    """An amount of money with thousands apart and its currency's decimals, or all that it has when these are more."""
    currency = str(value.get("currency") or "")
    try:
        amount = Decimal(str(value["amount"]))
    except InvalidOperation:
        return f"{value['amount']} {currency}".strip()
    decimals = get_currency_precision(currency) if currency else 0
    pattern = "#,##0" + ("." + "0" * decimals + "#" * 8 if decimals else ".########")
    return f"{format_decimal(amount, pattern, locale='en')} {currency}".strip()


def moment_text(text: str) -> str | None:
    """A moment with its zone, as UTC to the second; None when it is none."""
    if not MOMENT.fullmatch(text):
        return None
    try:
        return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    except ValueError:
        return None
