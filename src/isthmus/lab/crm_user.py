"""A person who works in the CRM: does and sees there what its web client would, over its REST interface."""

from __future__ import annotations

import datetime as dt
import urllib.parse
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from isthmus.errors import LabError

from .json_client import send

__all__ = ["CrmUser", "Line"]

_PAGE = 500

Line = tuple[str, float, Decimal | str | None]
"""(product's SKU, quantity, unit price or None for the product's own)."""


class CrmUser:
    """Acts on BottleCRM with a personal token. Records are plain dicts as the interface gives them, ids are texts.

    Raises LabError with the answer when the CRM refuses or does not answer.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """One request; ``path`` without ``/api``, for instance ``/accounts/``."""
        words = urllib.parse.urlencode({name: value for name, value in query.items() if value is not None})
        address = f"{self._url}/api{path}" + (f"?{words}" if words else "")
        return send(method, address, body, headers=self._headers, encode=str)

    # accounts and contacts

    def account(self, key: str) -> dict[str, Any] | None:
        """The account with this id, or this exact name; None when there is none."""
        if _is_id(key):
            answer = self._look(f"/accounts/{key}/")
            account: dict[str, Any] | None = answer and answer["account_obj"]
            return account
        return next((account for account in self.accounts(name=key) if account["name"] == key), None)

    def accounts(self, **query: Any) -> list[dict[str, Any]]:
        """All active accounts, newest first; ``name`` and others narrow as the interface offers it."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.call("GET", "/accounts/", limit=_PAGE, offset=len(found), **query)
            rows = page["active_accounts"]["open_accounts"]
            found += rows
            if len(rows) < _PAGE:
                return found

    def create_account(self, name: str, **values: Any) -> str:
        """A new account with email, phone, currency, address_line, city, postcode, country, custom_fields; its id."""
        return str(self.call("POST", "/accounts/", {"name": name, **values})["id"])

    def patch_account(self, account: str, **values: Any) -> None:
        """Change fields of an account."""
        self.call("PATCH", f"/accounts/{account}/", values)

    def delete_account(self, account: str) -> None:
        """Delete an account. Raises LabError (409) while invoices or estimates name it."""
        self.call("DELETE", f"/accounts/{account}/")

    def create_contact(self, account: str, first_name: str, last_name: str, email: str, **values: Any) -> str:
        """A new contact person of an account: phone, title, ... Its id."""
        body = {"first_name": first_name, "last_name": last_name, "email": email, "account": account, **values}
        answer = self.call("POST", "/contacts/", body)
        if identifier := answer.get("id") or (answer.get("contact") or {}).get("id"):
            return str(identifier)
        return str(self.contacts(email=email)[0]["id"])

    def patch_contact(self, contact: str, **values: Any) -> None:
        """Change fields of a contact person."""
        self.call("PATCH", f"/contacts/{contact}/", values)

    def contacts(self, **query: Any) -> list[dict[str, Any]]:
        """Contact persons; ``email`` and ``search`` narrow."""
        found: list[dict[str, Any]] = self.call("GET", "/contacts/", limit=_PAGE, **query)["results"]
        return found

    def contacts_of(self, account: str) -> list[dict[str, Any]]:
        """The contact persons of one account."""
        answer = self.call("GET", f"/accounts/{account}/")
        found: list[dict[str, Any]] = answer.get("contacts") or answer["account_obj"].get("contacts") or []
        return found

    # products

    def product(self, sku: str) -> dict[str, Any] | None:
        """The product with this SKU."""
        return next((product for product in self.products(search=sku) if product["sku"] == sku), None)

    def products(self, **query: Any) -> list[dict[str, Any]]:
        """The catalogue; ``search`` narrows."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.call("GET", "/invoices/products/", limit=_PAGE, offset=len(found), **query)
            rows = page["results"]
            found += rows
            if len(rows) < _PAGE:
                return found

    def create_product(self, sku: str, name: str, price: Decimal | str, currency: str = "EUR") -> str:
        """A new product; its id."""
        answer = self.call(
            "POST", "/invoices/products/", {"sku": sku, "name": name, "price": str(price), "currency": currency}
        )
        return _identifier(answer, "product")

    def patch_product(self, product: str, **values: Any) -> None:
        """Change fields of a product."""
        self.call("PUT", f"/invoices/products/{product}/", values)

    # opportunities

    def create_opportunity(
        self, account: str, name: str, lines: Sequence[Line] = (), *, contacts: Sequence[str] = (), **values: Any
    ) -> str:
        """A deal with its line items, in the stage PROSPECTING and in EUR unless ``values`` says otherwise. Its id."""
        body = {
            "name": name,
            "account": account,
            "stage": "PROSPECTING",
            "currency": "EUR",
            "amount": "0",
            "probability": 20,
            "contacts": list(contacts),
            **values,
        }
        opportunity = _identifier(self.call("POST", "/opportunities/", body), "opportunity")
        for sku, quantity, price in lines:
            self.add_line(opportunity, sku, quantity, price)
        return opportunity

    def add_line(
        self, opportunity: str, sku: str, quantity: float, price: Decimal | str | None = None, **values: Any
    ) -> None:
        """A line item on a deal; discount_type and discount_value in ``values``."""
        product = self._product(sku)
        body = {
            "product_id": product["id"],
            "name": product["name"],
            "quantity": str(quantity),
            "unit_price": str(price if price is not None else product["price"]),
            **values,
        }
        self.call("POST", f"/opportunities/{opportunity}/line-items/", body)

    def opportunity(self, opportunity: str) -> dict[str, Any] | None:
        """A deal with its ``line_items``; None when there is none."""
        answer = self._look(f"/opportunities/{opportunity}/")
        if answer is None:
            return None
        deal: dict[str, Any] = dict(answer["opportunity_obj"])
        lines = self.call("GET", f"/opportunities/{opportunity}/line-items/")
        deal["line_items"] = lines.get("results", lines.get("line_items", [])) if isinstance(lines, dict) else lines
        return deal

    def patch_opportunity(self, opportunity: str, **values: Any) -> None:
        """Change fields of a deal."""
        self.call("PATCH", f"/opportunities/{opportunity}/", values)

    def set_stage(self, opportunity: str, stage: str) -> None:
        """Move a deal: PROSPECTING, QUALIFICATION, PROPOSAL, NEGOTIATION, CLOSED_WON, CLOSED_LOST."""
        values: dict[str, Any] = {"stage": stage}
        if stage.startswith("CLOSED"):
            values["closed_on"] = dt.datetime.now(dt.UTC).date().isoformat()
        self.patch_opportunity(opportunity, **values)

    # estimates, invoices, payments

    def create_estimate(
        self,
        account: str,
        contact: str,
        title: str,
        lines: Sequence[Line],
        *,
        tax_rate: Decimal | str = "19",
        **values: Any,
    ) -> str:
        """A quote with lines; its id."""
        body = {"title": title, **self._document(account, contact, lines, tax_rate, until="expiry_date"), **values}
        return _identifier(self.call("POST", "/invoices/estimates/", body), "estimate")

    def estimate(self, estimate: str) -> dict[str, Any] | None:
        """A quote with its lines; None when there is none."""
        answer = self._look(f"/invoices/estimates/{estimate}/")
        return answer and answer.get("estimate", answer)

    def accept_estimate(self, estimate: str) -> None:
        """Send a quote to the customer and accept it there, by the link the customer gets; nobody else can."""
        self.call("POST", f"/invoices/estimates/{estimate}/send/", {})
        quote = self.estimate(estimate) or {}
        acceptance = {"name": quote["client_name"], "email": quote["client_email"] or "buyer@customer.example"}
        send(
            "POST",
            f"{self._url}/api/public/estimate/{quote['public_token']}/accept/",
            acceptance,
            headers={},
            encode=str,
        )

    def create_invoice(
        self,
        account: str,
        contact: str,
        title: str,
        lines: Sequence[Line],
        *,
        tax_rate: Decimal | str = "19",
        **values: Any,
    ) -> str:
        """A draft invoice; its id."""
        body = {"invoice_title": title, **self._document(account, contact, lines, tax_rate, until="due_date"), **values}
        return _identifier(self.call("POST", "/invoices/", body), "invoice")

    def convert_estimate(self, estimate: str) -> str:
        """Make the invoice of an accepted quote; the invoice's id."""
        return _identifier(self.call("POST", f"/invoices/estimates/{estimate}/convert/", {}), "invoice")

    def invoice(self, invoice: str) -> dict[str, Any] | None:
        """An invoice; None when there is none."""
        answer = self._look(f"/invoices/{invoice}/")
        return answer and answer.get("invoice", answer)

    def invoices(self, **query: Any) -> list[dict[str, Any]]:
        """Invoices, newest first, the first page."""
        found: list[dict[str, Any]] = self.call("GET", "/invoices/", limit=100, **query)["results"]
        return found

    def send_invoice(self, invoice: str) -> None:
        """Send an invoice to the customer."""
        self.call("POST", f"/invoices/{invoice}/send/", {})

    def record_payment(self, invoice: str, amount: Decimal | str, reference: str = "") -> None:
        """Note that the customer paid ``amount`` today."""
        body = {
            "amount": str(amount),
            "payment_date": dt.datetime.now(dt.UTC).date().isoformat(),
            "payment_method": "BANK_TRANSFER",
            "reference_number": reference,
        }
        self.call("POST", f"/invoices/{invoice}/payments/", body)

    def payments(self, invoice: str) -> list[dict[str, Any]]:
        """The payments of an invoice."""
        answer = self.call("GET", f"/invoices/{invoice}/payments/")
        found: list[dict[str, Any]] = (
            answer if isinstance(answer, list) else answer.get("results", answer.get("payments"))
        )
        return found

    # details

    def _document(
        self, account: str, contact: str, lines: Sequence[Line], tax_rate: Decimal | str, *, until: str
    ) -> dict[str, Any]:
        """What quotes and invoices have in common; ``until`` names the date 30 days from now."""
        today = dt.datetime.now(dt.UTC).date()
        return {
            "account_id": account,
            "contact_id": contact,
            **self._person(contact),
            "currency": "EUR",
            "tax_rate": str(tax_rate),
            "issue_date": today.isoformat(),
            until: (today + dt.timedelta(days=30)).isoformat(),
            "line_items": [self._document_line(line) for line in lines],
        }

    def _document_line(self, line: Line) -> dict[str, Any]:
        sku, quantity, price = line
        product = self._product(sku)
        return {
            "product": product["id"],
            "name": product["name"],
            "quantity": str(quantity),
            "unit_price": str(price if price is not None else product["price"]),
        }

    def _person(self, contact: str) -> dict[str, str]:
        person = self.call("GET", f"/contacts/{contact}/")["contact_obj"]
        name = f"{person['first_name']} {person['last_name']}"
        return {"client_name": name, "client_email": person["email"] or "buyer@customer.example"}

    def _product(self, sku: str) -> dict[str, Any]:
        product = self.product(sku)
        if product is None:
            raise LabError(f"The CRM has no product {sku!r}.")
        return product

    def _look(self, path: str) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = self.call("GET", path)
        except LabError as error:
            if ": 404 " in str(error):
                return None
            raise
        return answer


def _is_id(key: str) -> bool:
    return len(key) == 36 and key.count("-") == 4


def _identifier(answer: dict[str, Any], name: str) -> str:
    inner = answer.get(name)
    identifier = answer.get("id") or answer.get(f"{name}_id") or (inner.get("id") if isinstance(inner, dict) else inner)
    if identifier is None:
        raise LabError(f"The CRM made a {name} but gave no id: {answer}.")
    return str(identifier)
