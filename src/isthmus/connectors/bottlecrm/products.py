"""Products. BottleCRM has no custom fields for them, so values of other systems are kept in a marked block at the end
of the description, one line each, where sales people see them. The block reads as ``custom_fields`` like elsewhere;
its values are texts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from isthmus.connector import Create, Gone, Page, Record, Traits, Update, WriteAnswer
from isthmus.connectors.bottlecrm.fields import Field, body_of
from isthmus.connectors.bottlecrm.paging import Walk, Where, next_page
from isthmus.connectors.bottlecrm.resource import CrmResource
from isthmus.errors import Rejected, UnknownOutcome

__all__ = ["MARK", "Products", "join_block", "split_block"]

MARK = "--- from the ERP, kept by Isthmus; changes below this line are overwritten ---"
_LINE = re.compile(r"^([a-z][a-z0-9 ]*): (.*)$")
_WHOLE = 100_000
"""Rows asked for at once: the list is sorted by name, which people change, so only one answer is surely complete."""


class Products(CrmResource):
    """The catalogue. The SKU is unique; BottleCRM answers a second one by a crash, so it is looked up first."""

    name: ClassVar[str] = "product"
    path: ClassVar[str] = "/api/invoices/products/"
    rows_in: ClassVar[str] = "results"
    record_in: ClassVar[str] = ""
    page_size: ClassVar[int] = _WHOLE
    update_method: ClassVar[str] = "PUT"
    fields_of: ClassVar[Mapping[str, Field]] = {
        "name": Field("text", "Name"),
        "sku": Field("text", "SKU", empty=None),
        "description": Field("text", "Description"),
        "price": Field("decimal", "Price"),
        "currency": Field("text", "Currency"),
        "category": Field("text", "Category"),
        "is_active": Field("boolean", "Active"),
        "created_at": Field("datetime", "Created", readonly=True),
        "custom_fields": Field("object", "Values of other systems (in the description)"),
    }
    traits = Traits(versioned=True, whole_saves=True, write_batch=20, fetch_batch=50, concurrency=4)

    async def scan(self, after: str | None) -> Page:
        """As ``Resource.scan``: the whole catalogue in one answer, because no place in a list sorted by name is
        sure. Beyond 100,000 products each further page reads the catalogue from its start again."""
        walk = Walk(read=self.read_rows, place=lambda row: "", unique=False, size=_WHOLE)
        rows, then = await next_page(walk, Where.of(after))
        items = [await self.record(row) for row in rows]
        return Page(items=items, cursor=then.cursor() if then else None, more=then is not None)

    def special(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The description without the block, and the block's values."""
        text, values = split_block(row.get("description") or "")
        return {"description": text or None, "custom_fields": values}

    async def create_body(self, create: Create) -> dict[str, Any]:
        """As for any, with the block put into the description."""
        await self._refuse_taken(create.fields.get("sku"), None)
        body = await super().create_body(create)
        text = join_block(create.fields.get("description"), create.fields.get("custom_fields"))
        return body | ({"description": text} if text else {})

    async def update_body(self, update: Update) -> dict[str, Any]:
        """As for any; a change of the description keeps the block and the other way round."""
        body = body_of(update.fields, self.fields_of)
        if "sku" in update.fields:
            await self._refuse_taken(update.fields["sku"], update.key)
        if update.fields.keys() & {"description", "custom_fields"}:
            whole = {**update.before.fields, **update.fields}
            body["description"] = join_block(whole.get("description"), whole.get("custom_fields"))
        return body

    async def _refuse_taken(self, sku: Any, own: str | None) -> None:
        for row in await self._with_sku(sku):
            if row["id"] != own:
                raise Rejected(f"The SKU {sku} belongs to another product ({row.get('name')}).", field="sku")

    async def _with_sku(self, sku: Any) -> Sequence[Mapping[str, Any]]:
        if not sku:
            return []
        rows = await self.read_rows({"search": str(sku).strip(), "limit": "1000", "offset": "0"})
        return [row for row in rows if row.get("sku") == str(sku).strip()]

    async def create(self, create: Create) -> WriteAnswer:
        """Make a product; its answer is complete, so it is not read again."""
        made = await self.client.send("POST", self.path, await self.create_body(create))
        return await self._answered(made)

    async def update(self, update: Update) -> WriteAnswer:
        """Change a product; its answer is complete, so it is not read again."""
        body = await self.update_body(update)
        changed = await self.client.send("PUT", f"{self.path}{update.key}/", body)
        return Gone(key=update.key) if changed is None else await self._answered(changed)

    async def _answered(self, answer: Mapping[str, Any] | None) -> Record:
        row = (answer or {}).get("product")
        if not isinstance(row, Mapping) or "id" not in row:
            raise UnknownOutcome("BottleCRM answered a write without the product, so it may have happened.")
        return await self.record(row)

    async def candidates(self, fields: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Products with the same SKU, else the same name. There is no place for a token."""
        if fields.get("sku"):
            return await self._with_sku(fields["sku"])
        return await super().candidates(fields)


def split_block(description: str) -> tuple[str, dict[str, str]]:
    """The description as people wrote it, and the values in the block.

    >>> split_block("Blue.\\n\\n" + MARK + "\\nerp stock: 12")
    ('Blue.', {'erp_stock': '12'})
    """
    text, mark, block = description.partition(MARK)
    values: dict[str, str] = {}
    key = ""
    for line in block.splitlines() if mark else ():
        match = _LINE.match(line)
        if match:
            key = match[1].replace(" ", "_")
            values[key] = match[2]
        elif key and line.startswith("    "):
            values[key] += "\n" + line[4:]
    return (text.rstrip() if mark else text), values


def join_block(text: Any, values: Mapping[str, Any] | None) -> str:
    """A description with the block behind it; no block without values."""
    lines = [
        f"{key.replace('_', ' ')}: " + str(value).strip().replace("\n", "\n    ")
        for key, value in sorted((values or {}).items())
        if value is not None and str(value).strip()
    ]
    own = str(text or "").partition(MARK)[0].rstrip()
    return own if not lines else "\n".join([*([own, ""] if own else []), MARK, *lines])
