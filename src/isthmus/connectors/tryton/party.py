"""Customers: parties with their addresses, contact mechanisms and identifiers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from isthmus.connector import Change, Create, FieldInfo, Found, Gone, Record, Traits, Update
from isthmus.connectors.tryton.changes import Changed, Watch
from isthmus.connectors.tryton.collection import Seen, digest, identify
from isthmus.connectors.tryton.sublists import commands
from isthmus.connectors.tryton.taxid import tax_identifier, with_tax_id
from isthmus.connectors.tryton.writing import WritableCollection
from isthmus.errors import IsthmusError, Rejected

__all__ = ["Parties"]

_READ = (
    *("name", "code", "active", "_timestamp", "credit_limit_amount", "credit_amount", "replaced_by"),
    *("lang.code", "customer_payment_term.name", "sale_price_list.name"),
    *(f"addresses.{name}" for name in ("sequence", "street", "city", "postal_code", "active", "_timestamp")),
    *("addresses.country.code", "addresses.subdivision.name"),
    *(f"contact_mechanisms.{name}" for name in ("sequence", "type", "value", "name", "active", "_timestamp")),
    *(f"identifiers.{name}" for name in ("sequence", "type", "code", "active", "_timestamp")),
)
_OPTIONAL = {
    "account_credit_limit": frozenset({"credit_limit_amount", "credit_amount"}),
    "sale_price_list": frozenset({"sale_price_list.name"}),
}
_CHILDREN = {
    "addresses": "party.address",
    "contact_mechanisms": "party.contact_mechanism",
    "identifiers": "party.identifier",
}


class Parties(WritableCollection):
    """Resource ``party``."""

    name = "party"
    model = "party.party"
    watch: ClassVar[Watch] = {
        "party.party": {},
        "party.address": {"party": "party.party"},
        "party.contact_mechanism": {"party": "party.party"},
        "party.identifier": {"party": "party.party"},
        "account.move.line": {"party": "party.party"},
        "sale.sale": {},
    }
    known: ClassVar[Mapping[str, FieldInfo]] = {
        "name": FieldInfo(type="text", label="Name"),
        "code": FieldInfo(type="text", label="Code"),
        "active": FieldInfo(type="boolean", label="Active"),
        "lang": FieldInfo(type="text", label="Language"),
        "addresses": FieldInfo(type="list", label="Addresses"),
        "contact_mechanisms": FieldInfo(type="list", label="Contact Mechanisms"),
        "identifiers": FieldInfo(type="list", label="Identifiers"),
        "tax_id": FieldInfo(type="text", label="Code of the first identifier of a tax type"),
        "payment_term": FieldInfo(type="text", label="Customer Payment Term"),
        "price_list": FieldInfo(type="text", label="Sale Price List"),
        "credit_limit": FieldInfo(type="decimal", label="Credit Limit Amount"),
        "credit_amount": FieldInfo(type="decimal", readonly=True, label="Credit Amount"),
        "currency": FieldInfo(type="text", label="Currency of the company; cannot be another"),
        "own_company": FieldInfo(type="boolean", readonly=True, label="Is a company of this Tryton itself"),
    }
    writes = Traits(write_batch=100, guarded_writes=True, concurrency=4)

    async def read(self, domain: Sequence[Any], limit: int | None = None) -> Sequence[Seen]:
        """Parties with everything that belongs to them, in one call."""
        absent: set[str] = set()
        for module, names in _OPTIONAL.items():
            if not self.tryton.has(module):
                absent |= names
        rows = await self.rows([name for name in _READ if name not in absent], domain, limit)
        return [self._seen(row) for row in rows]

    def _seen(self, row: Mapping[str, Any]) -> Seen:
        stamps = {f"party.party,{row['id']}": row["_timestamp"]}
        for list_name, model in _CHILDREN.items():
            for child in row[f"{list_name}."]:
                stamps[f"{model},{child['id']}"] = child["_timestamp"]
        fields: dict[str, Any] = {
            "name": row["name"] or "",
            "code": row["code"],
            "active": bool(row["active"]),
            "lang": _inner(row, "lang", "code"),
            "addresses": [_address(child) for child in _shown(row["addresses."])],
            "contact_mechanisms": [
                {"id": str(child["id"]), "type": child["type"], "value": child["value"]}
                for child in _shown(row["contact_mechanisms."])
                if not child["name"]
            ],
            "identifiers": [
                {"id": str(child["id"]), "type": child["type"], "code": child["code"]}
                for child in _shown(row["identifiers."])
            ],
            "payment_term": _inner(row, "customer_payment_term", "name"),
            "currency": self.tryton.currency,
            "own_company": int(row["id"]) in self.tryton.own_parties,
        }
        tax = tax_identifier(fields["identifiers"])
        fields["tax_id"] = tax["code"] if tax else None
        if self.tryton.has("sale_price_list"):
            fields["price_list"] = _inner(row, "sale_price_list", "name")
        if self.tryton.has("account_credit_limit"):
            fields["credit_limit"] = row["credit_limit_amount"]
            fields["credit_amount"] = row["credit_amount"]
        return Seen(Record(key=str(row["id"]), fields=fields, version=digest(stamps, fields)), stamps, row)

    def shown(self, seen: Seen) -> Change:
        """The party, or where it went when people merged it into another one."""
        into = seen.extra["replaced_by"]
        return seen.record if into is None else Gone(key=seen.record.key, merged_into=str(into))

    async def affected(self, rows: Sequence[Changed]) -> Sequence[int]:
        """Parties themselves, owners of changed parts, and those whose credit in use moved."""
        ids = identify(rows, self.model)
        sales = identify(rows, "sale.sale")
        if sales and self.tryton.has("account_credit_limit"):
            found = await self.rows(["party"], [["id", "in", list(set(sales))]], model="sale.sale")
            ids += [int(row["party"]) for row in found]
        return ids

    async def make(self, creates: Sequence[Create]) -> list[int | IsthmusError]:
        """All in one call."""
        return await self.make_rows(creates, lambda create: self._values(create.fields, None))

    async def plan(self, update: Update, seen: Seen) -> tuple[int, dict[str, Any]] | None:
        values = await self._values(update.fields, update.before.fields)
        return (int(update.key), values) if values else None

    async def _values(self, fields: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, Any]:
        names, values = self.tryton.names, dict[str, Any]()
        if "tax_id" in fields:
            known = fields.get("identifiers", (before or {}).get("identifiers")) or []
            places = fields.get("addresses", (before or {}).get("addresses")) or [{}]
            identifiers = with_tax_id(known, fields["tax_id"], places[0].get("country"))
            fields = {**fields, "identifiers": identifiers}
        for field, value in fields.items():
            match field:
                case "name":
                    values["name"] = value
                case "code":
                    if value:
                        values["code"] = value
                case "tax_id":
                    continue  # it is one of the identifiers
                case "currency":
                    self.own_currency(value)
                case "active":
                    values["active"] = bool(value)
                case "lang":
                    values["lang"] = await names.optional("ir.lang", "code", value, ours="lang", what="language")
                case "payment_term":
                    values["customer_payment_term"] = await names.optional(
                        "account.invoice.payment_term", "name", value, ours="payment_term", what="payment term"
                    )
                case "price_list":
                    values["sale_price_list"] = await names.optional(
                        "product.price_list", "name", value, ours="price_list", what="price list"
                    )
                case "credit_limit":
                    values["credit_limit_amount"] = None if value is None else Decimal(str(value))
                case "addresses" | "contact_mechanisms" | "identifiers":
                    values[field] = await commands(value, (before or {}).get(field), getattr(self, f"_{field}"))
                case _:
                    raise Rejected(f"The field '{field}' of a party cannot be written.", field=field)
        if before is None:
            values.setdefault("addresses", [])
        return values

    async def _addresses(self, element: Mapping[str, Any]) -> dict[str, Any]:
        country = await self.tryton.names.country(element.get("country"))
        values: dict[str, Any] = {"street": element.get("street"), "city": element.get("city")}
        values["postal_code"] = element.get("postal_code")
        values["country"] = country
        values["subdivision"] = await self.tryton.names.subdivision(element.get("subdivision"), country)
        return values

    async def _contact_mechanisms(self, element: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": element.get("type") or "other", "value": element.get("value") or ""}

    async def _identifiers(self, element: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": element.get("type") or None, "code": element.get("code") or ""}

    async def find_created(self, create: Create, since: datetime) -> Sequence[Found]:
        """Parties of that name that our user made since then. Tryton has no place for the token on a party."""
        found = await self.read(
            [
                ["name", "=", str(create.fields.get("name") or "").strip()],
                *self.made_by_us(since),
            ]
        )
        return [Found(record=one.record, certain=False) for one in found]


def _inner(row: Mapping[str, Any], field: str, name: str) -> Any:
    inner = row.get(f"{field}.")
    return inner[name] if inner else None


def _shown(children: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    active = [child for child in children if child["active"]]
    return sorted(active, key=lambda child: (child["sequence"] is None, child["sequence"] or 0, child["id"]))


def _address(child: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": str(child["id"]),
        "street": child["street"],
        "city": child["city"],
        "postal_code": child["postal_code"],
        "subdivision": _inner(child, "subdivision", "name"),
        "country": _inner(child, "country", "code"),
    }
