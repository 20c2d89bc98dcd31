"""What the driver contract is told about BottleCRM: samples, changes, what it must refuse, and its webhooks."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import uuid4

import msgspec

from isthmus.connector import Create, FieldInfo
from isthmus.connector.support import RepliesAsked
from isthmus.connectors.bottlecrm import connector
from isthmus.testing import ConnectorContract, Delivery, ResourceCase

NOBODY = "00000000-0000-4000-8000-000000000000"
SECRET = "whsec_contract-secret"
LINES = [
    {"name": "First {tag}", "quantity": Decimal("2.00"), "unit_price": Decimal("9.90")},
    {"name": "Second {tag}", "quantity": Decimal("1.00"), "unit_price": Decimal("5.50")},
]

ACCOUNT = ResourceCase(
    name="account",
    create={
        "name": "Acme {tag} 机械",
        "email": "{tag}@example.com",
        "phone": "+49 30 1234567",
        "website": "https://example.com/{tag}",
        "industry": "MANUFACTURING",
        "currency": "EUR",
        "annual_revenue": Decimal("1234567.89"),
        "city": "Köln",
        "country": "DE",
        "is_active": True,
    },
    change={"phone": "+49 30 7654321", "city": "Bonn", "email": None},
    second={"phone": "+49 30 1111111", "city": "Ulm", "email": "second-{tag}@example.com"},
    invalid={"email": "no mail address"},
    text="description",
    unknown_key=NOBODY,
)
CONTACT = ResourceCase(
    name="contact",
    create={"first_name": "Zoë", "last_name": "Tag {tag}", "email": "{tag}@example.com", "title": "Buyer"},
    change={"title": "Head of purchasing", "phone": "+33 1 23 45 67 89"},
    second={"title": "Retired", "phone": None},
    invalid={"email": "no mail address"},
    text="description",
    parents={"account": "account"},
    unknown_key=NOBODY,
)
PRODUCT = ResourceCase(
    name="product",
    create={
        "name": "Pump {tag}",
        "sku": "P-{tag}",
        "description": "Blue.",
        "price": Decimal("12.34"),
        "currency": "EUR",
        "custom_fields": {"erp_stock": "12", "erp_prices": "Retail 12.34\nWholesale 11.00"},
    },
    change={"price": Decimal("13.00"), "description": "Green.\nAnd round."},
    second={"price": Decimal("14.50"), "description": None},
    invalid={"price": "much"},
    text="name",
    unknown_key=NOBODY,
)
OPPORTUNITY = ResourceCase(
    name="opportunity",
    create={
        "name": "Deal {tag}",
        "stage": "CLOSED_WON",
        "closed_on": "2026-11-20",
        "currency": "EUR",
        "line_items": LINES,
    },
    change={"probability": 60, "stage": "PROPOSAL"},
    second={"probability": 80, "stage": "NEGOTIATION"},
    invalid={"stage": "NO_SUCH_STAGE"},
    text="description",
    parents={"account": "account"},
    unknown_key=NOBODY,
)
CASE = ResourceCase(
    name="case",
    create={"name": "It leaks {tag}", "status": "New", "priority": "High", "case_type": "Incident"},
    change={"priority": "Urgent", "status": "Pending"},
    second={"priority": "Low", "status": "Assigned"},
    invalid={"priority": "Enormous"},
    text="description",
    parents={"account": "account"},
    unknown_key=NOBODY,
)
ESTIMATE = ResourceCase(
    name="estimate",
    create={"title": "Quote {tag}", "currency": "EUR", "tax_rate": Decimal("19.00"), "line_items": LINES[:1]},
    change={"notes": "As discussed", "expiry_date": "2027-01-31"},
    second={"notes": None, "expiry_date": "2027-02-28"},
    invalid={"currency": "NOPE"},
    text="notes",
    parents={"contact": "contact"},
    unknown_key=NOBODY,
)
INVOICE = ResourceCase(
    name="invoice",
    create={
        "invoice_title": "Invoice {tag}",
        "currency": "EUR",
        "tax_amount": Decimal("4.81"),
        "issue_date": "2026-11-01",
        "due_date": "2026-12-01",
        "po_number": "PO-{tag}",
        "line_items": LINES,
    },
    change={"notes": "Thank you", "due_date": "2026-12-15"},
    second={"notes": None, "due_date": "2026-12-31"},
    invalid={"currency": "NOPE"},
    text="notes",
    parents={"contact": "contact"},
    unknown_key=NOBODY,
)
PAYMENT = ResourceCase(
    name="payment",
    create={
        "amount": Decimal("10.00"),
        "payment_date": "2026-11-22",
        "payment_method": "BANK_TRANSFER",
        "reference_number": "R-{tag}",
    },
    invalid={"amount": Decimal("-1.00")},
    text="notes",
    parents={"invoice": "invoice"},
    own_parents=True,
    unknown_key=f"{NOBODY}/{NOBODY}",
)


class BottleCrmContract(ConnectorContract):
    """The contract for any BottleCRM; a subclass gives the ``config`` fixture."""

    connector = connector
    cases = (ACCOUNT, CONTACT, PRODUCT, OPPORTUNITY, CASE, ESTIMATE, INVOICE, PAYMENT)
    wanted: ClassVar[Mapping[str, Mapping[str, FieldInfo]]] = {
        "account": {"custom_fields.erp_number": FieldInfo(type="text", custom=True, label="ERP number")},
        "opportunity": {
            "custom_fields.erp_total": FieldInfo(type="decimal", custom=True, label="ERP total"),
            "custom_fields.erp_lines": FieldInfo(type="list", custom=True, label="ERP lines"),
        },
    }

    async def questions(self, system: Any) -> Mapping[str, msgspec.Struct]:
        fields = {"name": f"How long? {uuid4()}", "status": "New", "priority": "Low"}
        [made] = await system.resources()["case"].write([Create(fields=fields, token=str(uuid4()))])
        return {"case_replies": RepliesAsked(case=made.key)}

    async def refused(self, system: Any) -> Mapping[str, msgspec.Struct]:
        return {"case_replies": RepliesAsked(case=NOBODY)}

    def delivery(self, system: Any) -> Delivery:
        body = {"id": NOBODY, "event": "deal.updated", "created_at": "2026-11-22T06:00:00Z", "data": {"id": NOBODY}}
        return Delivery(body=json.dumps(body).encode(), resource="opportunity", key=NOBODY)

    def sign(self, system: Any, body: bytes, at: datetime) -> dict[str, str]:
        sent = int(at.timestamp())
        digest = hmac.new(SECRET.encode(), f"{sent}.".encode() + body, hashlib.sha256).hexdigest()
        return {"x-bottlecrm-signature": f"t={sent},v1={digest}"}
