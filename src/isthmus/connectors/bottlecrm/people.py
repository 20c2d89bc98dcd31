"""Accounts (companies) and contacts (people)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from isthmus.connector import Create, Gone, Key, Traits, Update, WriteAnswer
from isthmus.connectors.bottlecrm.fields import Field
from isthmus.connectors.bottlecrm.resource import CrmResource, is_uuid
from isthmus.errors import Rejected

__all__ = ["Accounts", "Contacts"]

_NO_NAME = "-"
_NAMES = frozenset({"first_name", "last_name"})

_ADDRESS = {
    "address_line": Field("text", "Address"),
    "city": Field("text", "City"),
    "state": Field("text", "State"),
    "postcode": Field("text", "Postal code"),
    "country": Field("text", "Country (ISO alpha-2)"),
}


class Accounts(CrmResource):
    """Companies. The name is unique whatever its case. The list has no date of change, so only a scan (or a webhook)
    shows one; inactive accounts are a list of their own, read before and after the active ones, so that an account
    which changes sides during a scan is seen."""

    name: ClassVar[str] = "account"
    path: ClassVar[str] = "/api/accounts/"
    rows_in: ClassVar[str] = "active_accounts.open_accounts"
    record_in: ClassVar[str] = "account_obj"
    by_id: ClassVar[bool] = True
    parts: ClassVar[Sequence[Mapping[str, str]]] = (
        {"is_active": "false"},
        {"is_active": "true"},
        {"is_active": "false"},
    )
    page_size: ClassVar[int] = 1000
    fields_of: ClassVar[Mapping[str, Field]] = {
        "name": Field("text", "Name"),
        "email": Field("text", "Email"),
        "phone": Field("text", "Phone"),
        "website": Field("text", "Website"),
        "industry": Field("text", "Industry"),
        "number_of_employees": Field("integer", "Employees"),
        "annual_revenue": Field("decimal", "Annual revenue"),
        "currency": Field("text", "Currency"),
        **_ADDRESS,
        "description": Field("text", "Notes"),
        "is_active": Field("boolean", "Active"),
        "created_at": Field("datetime", "Created", readonly=True),
        "custom_fields": Field("object", "Custom fields"),
    }

    async def read_rows(self, params: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
        """Rows of the active or the inactive list, whichever is asked for; both when neither is."""
        data = await self.client.read(self.path, params) or {}
        active = self._rows(data, self.rows_in)
        inactive = self._rows(data, "closed_accounts.close_accounts")
        match params.get("is_active"):
            case "true":
                return active
            case "false":
                return inactive
        return [*active, *inactive]

    async def delete(self, key: Key) -> WriteAnswer:
        """Refuses when deals or tickets hang on the account: BottleCRM would delete them along with it."""
        data = await self.client.read(f"{self.path}{key}/") if is_uuid(key) else None
        if data is None:
            return Gone(key=key)
        hanging = [
            f"{len(data[field])} {word}"
            for field, word in (("opportunity_list", "deals"), ("cases", "tickets"))
            if data.get(field)
        ]
        if hanging:
            raise Rejected(
                f"BottleCRM would delete {' and '.join(hanging)} along with this account.",
                advice="Move or delete them first, or let the flow archive accounts (is_active) instead.",
            )
        return await super().delete(key)


class Contacts(CrmResource):
    """People. The mail address is unique whatever its case. ``account`` is the main account; being listed on other
    accounts does not show here. The date of change serves as version. BottleCRM demands a first and a last name; where
    somebody has only one, the other is kept as ``-`` and read as none."""

    name: ClassVar[str] = "contact"
    path: ClassVar[str] = "/api/contacts/"
    rows_in: ClassVar[str] = "results"
    record_in: ClassVar[str] = "contact_obj"
    page_size: ClassVar[int] = 500
    fields_of: ClassVar[Mapping[str, Field]] = {
        "first_name": Field("text", "First name"),
        "last_name": Field("text", "Last name"),
        "email": Field("text", "Email"),
        "phone": Field("text", "Phone"),
        "title": Field("text", "Job title"),
        "department": Field("text", "Department"),
        "organization": Field("text", "Company (text)"),
        "account": Field("key", "Main account", target="account"),
        "do_not_call": Field("boolean", "Do not call"),
        "linkedin_url": Field("text", "LinkedIn"),
        **_ADDRESS,
        "description": Field("text", "Notes"),
        "is_active": Field("boolean", "Active"),
        "created_at": Field("datetime", "Created", readonly=True),
        "custom_fields": Field("object", "Custom fields"),
    }
    traits = Traits(versioned=True, whole_saves=True, write_batch=20, fetch_batch=50, concurrency=4)

    def special(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The names, without the stand-in for one that is lacking."""
        return {name: None if row.get(name) in (_NO_NAME, "") else row.get(name) for name in _NAMES}

    async def create_body(self, create: Create) -> dict[str, Any]:
        """As for any, with a stand-in for a lacking name; nobody is left without any."""
        body = await super().create_body(create)
        return body | dict.fromkeys(_NAMES - body.keys(), _NO_NAME) if _NAMES & body.keys() else body

    async def update_body(self, update: Update) -> dict[str, Any]:
        """As for any, with a stand-in for a name that is taken away while the other stays."""
        body = await super().update_body(update)
        whole = {**update.before.fields, **update.fields}
        if any(whole.get(name) for name in _NAMES):
            body |= {name: body[name] or _NO_NAME for name in _NAMES & body.keys()}
        return body

    async def candidates(self, fields: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Contacts with the same mail address, else the same name."""
        words = fields.get("email") or fields.get("last_name") or fields.get("first_name") or ""
        return await self.read_rows({"search": str(words).strip(), "limit": "50", "offset": "0"})
