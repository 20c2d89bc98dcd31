"""Opportunities (BottleCRM's deals) with their line items."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar

import msgspec

from isthmus.connector import Create, Key, Record, Update
from isthmus.connectors.bottlecrm.client import Client
from isthmus.connectors.bottlecrm.custom_fields import CustomFields
from isthmus.connectors.bottlecrm.fields import Field
from isthmus.connectors.bottlecrm.lines import line_changes, net, read_lines, write_line
from isthmus.connectors.bottlecrm.resource import CrmResource
from isthmus.errors import Rejected

__all__ = ["Opportunities"]


class Opportunities(CrmResource):
    """Deals. The name is unique whatever its case. With line items the amount is their sum and BottleCRM's alone;
    ``won`` and ``lost`` follow from the kind of the stage, whatever people call it."""

    name: ClassVar[str] = "opportunity"
    path: ClassVar[str] = "/api/opportunities/"
    rows_in: ClassVar[str] = "opportunities"
    record_in: ClassVar[str] = "opportunity_obj"
    by_id: ClassVar[bool] = True
    page_size: ClassVar[int] = 500
    fields_of: ClassVar[Mapping[str, Field]] = {
        "name": Field("text", "Name"),
        "account": Field("key", "Account", target="account"),
        "pipeline": Field("key", "Pipeline"),
        "stage": Field("text", "Stage (code)"),
        "stage_label": Field("text", "Stage", readonly=True),
        "won": Field("boolean", "Won", readonly=True),
        "lost": Field("boolean", "Lost", readonly=True),
        "opportunity_type": Field("text", "Type"),
        "currency": Field("text", "Currency"),
        "amount": Field("decimal", "Amount"),
        "probability": Field("integer", "Probability (%)"),
        "closed_on": Field("date", "Close date"),
        "contacts": Field("keys", "Contacts", target="contact"),
        "line_items": Field("lines", "Line items"),
        "description": Field("text", "Notes"),
        "is_active": Field("boolean", "Active"),
        "created_at": Field("datetime", "Created", readonly=True),
        "custom_fields": Field("object", "Custom fields"),
    }

    def __init__(self, client: Client, custom: CustomFields) -> None:
        super().__init__(client, custom)
        self._currency: str | None = None

    def special(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Won and lost, and the lines."""
        kind = row.get("stage_kind")
        return {"won": kind == "won", "lost": kind == "lost", "line_items": read_lines(row.get("line_items"))}

    async def record(self, row: Mapping[str, Any]) -> Record:
        """As for any; a deal without a currency is in that of the organisation, as BottleCRM counts it."""
        record = await super().record(row)
        if record.fields.get("currency") is None:
            record = msgspec.structs.replace(record, fields={**record.fields, "currency": await self._usual()})
        return record

    async def _usual(self) -> str | None:
        if self._currency is None:
            settings = await self.client.read("/api/org/settings/")
            self._currency = (settings or {}).get("default_currency") or None
        return self._currency

    async def create_body(self, create: Create) -> dict[str, Any]:
        """As for any; with lines the amount is their sum (a won deal must have one before its lines can come)."""
        body = await super().create_body(create)
        lines = create.fields.get("line_items") or []
        line_changes(lines, [])
        if lines:
            body["amount"] = sum((net(line) for line in lines), Decimal(0))
        return body

    async def after_create(self, key: Key, create: Create) -> None:
        """The line items, in their order."""
        await self._write_lines(key, create.fields.get("line_items") or [], [])

    async def update_body(self, update: Update) -> dict[str, Any]:
        """As for any, without an amount that the lines decide."""
        body = await super().update_body(update)
        if "line_items" in update.fields:
            line_changes(update.fields["line_items"] or [], update.before.fields.get("line_items") or [])
            if update.fields["line_items"]:
                body.pop("amount", None)
        return body

    async def after_update(self, update: Update) -> None:
        """Line items that were added, changed or taken out."""
        if "line_items" in update.fields:
            old = update.before.fields.get("line_items") or []
            await self._write_lines(update.key, update.fields["line_items"] or [], old)

    async def _write_lines(self, key: Key, new: Any, old: Any) -> None:
        for step in line_changes(new, old):
            if await write_line(self.client, f"{self.path}{key}/line-items/", step, "product_id") is None:
                raise Rejected("The deal or one of its lines is not there any more.", field="line_items")
