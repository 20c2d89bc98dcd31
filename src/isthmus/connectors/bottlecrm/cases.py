"""Cases (BottleCRM's tickets)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from isthmus.connector import Change, Create, Gone, Key, Update
from isthmus.connector.support import Replies, RepliesAsked, Reply
from isthmus.connectors.bottlecrm.client import Client
from isthmus.connectors.bottlecrm.fields import Field, instant
from isthmus.connectors.bottlecrm.resource import CrmResource, is_uuid
from isthmus.errors import Rejected

__all__ = ["Cases", "replies_of"]

_PATH = "/api/cases/"


class Cases(CrmResource):
    """Tickets. The name is unique among open and closed ones; the account can be set only when one is made. A ticket
    that people merged into another or put in the bin is gone."""

    name: ClassVar[str] = "case"
    path: ClassVar[str] = _PATH
    rows_in: ClassVar[str] = "cases"
    record_in: ClassVar[str] = "cases_obj"
    by_id: ClassVar[bool] = True
    parts: ClassVar[Sequence[Mapping[str, str]]] = ({"ordering": "-id", "slim": "true"},)
    fields_of: ClassVar[Mapping[str, Field]] = {
        "name": Field("text", "Subject"),
        "status": Field("text", "Status"),
        "priority": Field("text", "Priority"),
        "case_type": Field("text", "Type", empty=None),
        "account": Field("key", "Account", target="account"),
        "contacts": Field("keys", "Contacts", target="contact"),
        "description": Field("text", "Description"),
        "closed_on": Field("date", "Closed on"),
        "created_at": Field("datetime", "Created", readonly=True),
        "custom_fields": Field("object", "Custom fields"),
    }

    async def fetch_one(self, key: Key) -> Change:
        """One ticket; a merged one is gone and tells the one that survived."""
        data = await self.client.read(f"{self.path}{key}/") if is_uuid(key) else None
        if data is None:
            return Gone(key=key)
        if data.get("merged_into"):
            return Gone(key=key, merged_into=str(data["merged_into"]))
        row = self._part(data, self.record_in)
        return await self.record(row) if row.get("is_active", True) else Gone(key=key)

    async def create_body(self, create: Create) -> dict[str, Any]:
        """As for any; BottleCRM demands a status and a priority."""
        return {"status": "New", "priority": "Normal"} | await super().create_body(create)

    async def update_body(self, update: Update) -> dict[str, Any]:
        """As for any; BottleCRM would leave another account aside without a word."""
        if "account" in update.fields and update.fields["account"] != update.before.fields.get("account"):
            raise Rejected("BottleCRM sets the account of a ticket only when it is made.", field="account")
        return {name: value for name, value in (await super().update_body(update)).items() if name != "account"}

    async def candidates(self, fields: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Tickets whose subject contains this one's."""
        words = str(fields.get("name") or "").strip()
        return await self.read_rows({"name": words, "limit": "50", "offset": "0", "slim": "true"})


async def replies_of(client: Client, asked: RepliesAsked) -> Replies:
    """The comments of a ticket that its customer may read (as in BottleCRM's own portal); never internal notes."""
    data = await client.read(f"{_PATH}{asked.case}/") if is_uuid(asked.case) else None
    if data is None:
        raise Rejected(f"BottleCRM has no ticket {asked.case}.", field="case")
    rows = [row for row in data.get("comments") or () if row.get("is_internal") is False and row.get("comment")]
    found = [
        Reply(
            text=str(row["comment"]),
            at=instant(row.get("commented_on")),
            by_customer=row.get("commented_by") is None and row.get("commented_by_contact") is not None,
        )
        for row in rows
    ]
    return Replies(replies=tuple(sorted(found, key=lambda one: one.at)))
