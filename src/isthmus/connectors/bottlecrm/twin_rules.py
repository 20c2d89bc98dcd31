"""What the twin accepts: the fields of each model with BottleCRM's own rules and words of refusal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

__all__ = ["LINE", "MODELS", "STAGES", "Model", "Refused", "Rule", "cents", "clean"]

STAGES = {
    "PROSPECTING": "open",
    "QUALIFICATION": "open",
    "PROPOSAL": "open",
    "NEGOTIATION": "open",
    "CLOSED_WON": "won",
    "CLOSED_LOST": "lost",
}
"""Stages of the default pipeline and what they mean."""

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE = re.compile(r"[\d\s\-()+.]{7,25}")
_KINDS = ("email", "phone", "url")


class Refused(Exception):
    """An answer of 4xx: status and body."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body


@dataclass(frozen=True, slots=True)
class Rule:
    """One writable field. ``kind``: text, email, phone, url, choice, decimal, integer, boolean, date, key, keys."""

    kind: str = "text"
    default: Any = None
    required: bool = False
    longest: int | None = 255
    choices: frozenset[str] = frozenset()
    to: str = ""
    """The model that a key belongs to."""
    as_read: str = ""
    """Name when read, where it differs from the one that is written."""


@dataclass(frozen=True, slots=True)
class Model:
    """One kind of record."""

    rules: Mapping[str, Rule]
    unique: str = ""
    """Field that must be unique, whatever its case."""
    twice: str = ""
    """What BottleCRM says of a second one; empty: it crashes."""
    custom: str = ""
    """Its name among the custom fields' targets."""


def _choice(*choices: str, default: Any = None, required: bool = False) -> Rule:
    return Rule("choice", default=default, required=required, choices=frozenset(choices))


_CURRENCY = _choice("EUR", "USD", "GBP", "CHF", "CNY", "PLN")
_COUNTRY = _choice("DE", "AT", "CH", "FR", "CN", "PL", "GB", "US", "IT", "ES", "NL")
_NOTES = Rule(longest=None)
_BLANK_NOTES = Rule(longest=None, default="")
_ADDRESS = {
    "address_line": Rule(),
    "city": Rule(),
    "state": Rule(),
    "postcode": Rule(longest=64),
    "country": _COUNTRY,
}
_DOCUMENT = {
    "account_id": Rule("key", required=True, to="account", as_read="account"),
    "contact_id": Rule("key", required=True, to="contact", as_read="contact"),
    "opportunity_id": Rule("key", to="opportunity", as_read="opportunity"),
    "client_name": Rule(default=""),
    "client_email": Rule("email", default=""),
    "client_phone": Rule(longest=25, default=""),
    **{f"client_{part}": Rule(longest=100, default="") for part in ("address_line", "city", "state", "postcode")},
    "client_country": Rule("choice", default="", choices=_COUNTRY.choices),
    "currency": Rule("choice", default="USD", choices=_CURRENCY.choices),
    "discount_type": Rule("choice", default="", choices=frozenset({"PERCENTAGE", "FIXED"})),
    "discount_value": Rule("decimal", default="0.00"),
    "tax_rate": Rule("decimal", default="0.00"),
    "issue_date": Rule("date", default="today"),
    "notes": _BLANK_NOTES,
    "terms": _BLANK_NOTES,
}
LINE = Model(
    {
        "product": Rule("key", to="product"),
        "name": Rule(default=""),
        "description": Rule(longest=500, default=""),
        "quantity": Rule("decimal", default="1.00"),
        "unit_price": Rule("decimal", default="0.00"),
        "discount_type": Rule("choice", default="", choices=frozenset({"PERCENTAGE", "FIXED"})),
        "discount_value": Rule("decimal", default="0.00"),
        "tax_rate": Rule("decimal", default="0.00"),
        "order": Rule("integer", default=0),
    }
)
MODELS: Mapping[str, Model] = {
    "account": Model(
        {
            "name": Rule(required=True),
            "email": Rule("email"),
            "phone": Rule("phone"),
            "website": Rule("url"),
            "industry": _choice("MANUFACTURING", "RETAIL", "COMPUTER", "HEALTHCARE"),
            "number_of_employees": Rule("integer"),
            "annual_revenue": Rule("decimal"),
            "currency": _CURRENCY,
            **_ADDRESS,
            "description": _NOTES,
            "is_active": Rule("boolean", default=True),
        },
        unique="name",
        twice="Account already exists with this name",
        custom="Account",
    ),
    "contact": Model(
        {
            "first_name": Rule(required=True),
            "last_name": Rule(required=True),
            "email": Rule("email"),
            "phone": Rule("phone"),
            "title": Rule(),
            "department": Rule(),
            "organization": Rule(),
            "account": Rule("key", to="account"),
            "do_not_call": Rule("boolean", default=False),
            "linkedin_url": Rule("url"),
            **_ADDRESS,
            "description": _NOTES,
            "is_active": Rule("boolean", default=True),
        },
        unique="email",
        twice="Contact already exists with this email",
        custom="Contact",
    ),
    "product": Model(
        {
            "name": Rule(required=True),
            "sku": Rule(longest=100),
            "description": _NOTES,
            "price": Rule("decimal", default="0.00"),
            "currency": Rule("choice", default="EUR", choices=_CURRENCY.choices),
            "category": Rule(longest=100),
            "is_active": Rule("boolean", default=True),
        },
        unique="sku",
    ),
    "opportunity": Model(
        {
            "name": Rule(required=True),
            "account": Rule("key", to="account"),
            "pipeline": Rule("key", default="9d7ad9de-8c43-4c36-9c61-0f7a3b7d8a10"),
            "stage": _choice(*STAGES, default="PROSPECTING"),
            "opportunity_type": _choice("NEW_BUSINESS", "EXISTING_BUSINESS", "RENEWAL"),
            "currency": _CURRENCY,
            "amount": Rule("decimal"),
            "probability": Rule("integer", default=0),
            "closed_on": Rule("date"),
            "contacts": Rule("keys", default=(), to="contact"),
            "description": _NOTES,
            "is_active": Rule("boolean", default=True),
        },
        unique="name",
        twice="Opportunity already exists with this name",
        custom="Opportunity",
    ),
    "case": Model(
        {
            "name": Rule(required=True, longest=64),
            "status": _choice("New", "Assigned", "Pending", "Closed", "Rejected", "Duplicate", required=True),
            "priority": _choice("Low", "Normal", "High", "Urgent", required=True),
            "case_type": _choice("Question", "Incident", "Problem"),
            "account": Rule("key", to="account"),
            "contacts": Rule("keys", default=(), to="contact"),
            "description": _NOTES,
            "closed_on": Rule("date"),
            "is_active": Rule("boolean", default=True),
        },
        unique="name",
        twice="Case already exists with this name",
        custom="Case",
    ),
    "estimate": Model(
        {
            "title": Rule(required=True, longest=100),
            **_DOCUMENT,
            "expiry_date": Rule("date"),
            "introduction": _BLANK_NOTES,
        },
        custom="Estimate",
    ),
    "invoice": Model(
        {
            "invoice_title": Rule(required=True, longest=100),
            **_DOCUMENT,
            "shipping_amount": Rule("decimal", default="0.00"),
            "due_date": Rule("date"),
            "payment_terms": Rule(longest=20, default="NET_30"),
            "po_number": Rule(longest=100),
        },
        custom="Invoice",
    ),
    "payment": Model(
        {
            "amount": Rule("decimal", required=True),
            "payment_date": Rule("date", required=True),
            "payment_method": _choice("CASH", "CHECK", "CREDIT_CARD", "BANK_TRANSFER", "OTHER", required=True),
            "reference_number": Rule(longest=100, default=""),
            "notes": _BLANK_NOTES,
        }
    ),
}
"""Everything the twin has, by the name of the resource."""


def cents(value: Decimal) -> str:
    """An amount as BottleCRM writes it."""
    return str(value.quantize(Decimal("0.01"), ROUND_HALF_UP))


def clean(model: Model, body: Mapping[str, Any], *, partial: bool, today: str) -> dict[str, Any]:
    """The accepted values of a request, under their names when read. Raises :class:`Refused` as 400 with every fault.
    Fields that the model does not have are dropped without a word, as Django REST framework does."""
    values: dict[str, Any] = {}
    errors: dict[str, list[str]] = {}
    for name, rule in model.rules.items():
        if name not in body:
            if rule.required and not partial:
                errors[name] = ["This field is required."]
            elif not partial:
                values[rule.as_read or name] = today if rule.default == "today" else rule.default
            continue
        try:
            values[rule.as_read or name] = _cleaned(rule, body[name])
        except ValueError as error:
            errors[name] = [str(error)]
    if errors:
        raise Refused(400, {"error": True, "errors": errors})
    return values


def _cleaned(rule: Rule, value: Any) -> Any:
    if value is None:
        if rule.required or rule.default == "":
            raise ValueError("This field may not be null.")
        return rule.default if rule.kind in ("keys", "boolean") else None
    match rule.kind:
        case "decimal":
            return _decimal(value)
        case "integer":
            return int(value)
        case "boolean":
            return bool(value)
        case "date":
            return date.fromisoformat(str(value)).isoformat()
        case "keys":
            return [str(key) for key in value]
        case "key":
            return str(value)
    return _text(rule, str(value).strip())


def _decimal(value: Any) -> str:
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError("A valid number is required.") from error
    if number != number.quantize(Decimal("0.01")):
        raise ValueError("Ensure that there are no more than 2 decimal places.")
    return cents(number)


def _text(rule: Rule, text: str) -> str:
    if not text and rule.required:
        raise ValueError("This field may not be blank.")
    if rule.kind == "email" and text and not _EMAIL.fullmatch(text):
        raise ValueError("Enter a valid email address.")
    if rule.kind == "phone" and text and not _PHONE.fullmatch(text):
        raise ValueError("Enter a valid phone number (7-25 characters, digits and separators only)")
    if rule.kind == "choice" and text and text not in rule.choices:
        raise ValueError(f'"{text}" is not a valid choice.')
    if rule.longest is not None and len(text) > rule.longest:
        raise ValueError(f"Ensure this field has no more than {rule.longest} characters.")
    return text
