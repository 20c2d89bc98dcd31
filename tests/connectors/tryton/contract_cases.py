"""What the contract needs to know about Tryton's resources; the same for the twin and the real one."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from isthmus.connectors.tryton import TRYTON, TrytonConfig
from isthmus.connectors.tryton.hints import sign
from isthmus.testing import ConnectorContract, Delivery, Request, ResourceCase

_BUTTONS = ("quote", "confirm", "cancel", "post")

CASES = (
    ResourceCase(
        name="party",
        create={
            "name": "Ada {tag}",
            "lang": "en",
            "credit_limit": Decimal("1500.00"),
            "addresses": [
                {"street": "Rue {tag} 1", "city": "Liège", "postal_code": "4000"},
                {"street": "Straße 2", "city": "Köln", "postal_code": "50667"},
            ],
            "contact_mechanisms": [{"type": "email", "value": "{tag}@example.com"}],
        },
        change={"name": "Eve {tag}", "credit_limit": Decimal("99.90")},
        second={"name": "Zoe {tag}", "credit_limit": None},
        invalid={"identifiers": [{"type": "eu_vat", "code": "XX{tag}"}]},
        text="name",
    ),
    ResourceCase(
        name="contact",
        create={"name": "Bo {tag}", "email": "{tag}@example.com", "phone": "+32 478 12 34 56"},
        change={"email": "other-{tag}@example.com", "name": "Bea {tag}"},
        second={"email": None, "name": "Bob {tag}"},
        invalid={"name": ""},
        text="name",
        parents={"party": "party"},
        readonly_echo=frozenset({"phone"}),
    ),
    ResourceCase(
        name="product",
        create={
            "name": "Bolt {tag}",
            "code": "B-{tag}",
            "description": "A bolt",
            "list_price": Decimal("12.5"),
            "cost_price": Decimal("7.25"),
        },
        change={"name": "Nut {tag}", "list_price": Decimal("13.75")},
        second={"name": "Screw {tag}", "cost_price": Decimal(8), "list_price": Decimal(14)},
        invalid={"type": "thing-{tag}"},
        text="name",
    ),
    ResourceCase(
        name="sale",
        create={
            "reference": "CRM {tag}",
            "lines": [
                {"description": "Fitting {tag}", "quantity": Decimal(3), "unit_price": Decimal("40.5")},
                {"description": "Travel", "quantity": Decimal("1.5"), "unit_price": Decimal(20)},
            ],
        },
        change={"reference": "CRM 2 {tag}", "description": "By phone"},
        second={"reference": "CRM 3 {tag}", "description": None},
        invalid={"lines": [{"product": "999999999", "quantity": Decimal(1)}]},
        text="comment",
        parents={"party": "party"},
    ),
)


class TrytonCases(ConnectorContract):
    """The contract's cases for Tryton; derived for the twin and for the lab."""

    connector = TRYTON
    cases = CASES

    def is_write(self, request: Request) -> bool:
        """Reads are POSTs as well: the method in the body tells."""
        try:
            call = json.loads(request.body)
        except ValueError:
            return False
        kind, _, method = str(call["method"]).rpartition(".")
        if kind.startswith("wizard."):
            return method == "execute" and call["params"][2] in ("choice", "pay")
        return kind.startswith("model.") and method in ("create", "write", "delete", *_BUTTONS)

    def delivery(self, system: Any) -> Delivery:
        """A hint as the outbox module sends it."""
        body = {"database": system.database, "records": [["party.party", 7]], "more": False}
        return Delivery(body=json.dumps(body).encode(), resource="party", key="7")

    def sign(self, system: Any, body: bytes, at: datetime) -> dict[str, str]:
        """Headers with the module's signature."""
        stamp = str(int(at.timestamp()))
        return {"x-isthmus-signature": f"t={stamp},v1={sign(SECRET, stamp, body)}"}


SECRET = "contract-hint-secret"


def configured(**fields: Any) -> TrytonConfig:
    """A configuration with the secret that the contract signs with."""
    return TrytonConfig(hint_secret=SECRET, **fields)
