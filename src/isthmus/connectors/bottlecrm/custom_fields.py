"""Custom fields: which exist, reading and writing their values, making missing ones.

BottleCRM merges the custom fields of a request into those that a record has, drops keys that are not defined without
a word, and takes a key away when its value is null. Products and payments have no custom fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from isthmus.connector import FieldInfo
from isthmus.connectors.bottlecrm.client import Client
from isthmus.errors import Rejected, Unavailable

__all__ = ["PREFIX", "TARGETS", "TOKEN", "CustomFields", "changed", "typed"]

PREFIX = "custom_fields."
TOKEN = "isthmus_token"  # noqa: S105 (the name of a field)
"""Custom field that keeps the hub's token of the create, so that its outcome can be recognised."""

TARGETS = {
    "account": "Account",
    "contact": "Contact",
    "opportunity": "Opportunity",
    "case": "Case",
    "estimate": "Estimate",
    "invoice": "Invoice",
}
"""Resource -> BottleCRM's name of the model that its custom fields belong to."""

_TYPES = {
    "text": "text",
    "list": "textarea",
    "integer": "number",
    "decimal": "number",
    "boolean": "checkbox",
    "date": "date",
    "datetime": "text",
    "key": "text",
    "any": "textarea",
}


class CustomFields:
    """The custom field definitions of one organisation."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, dict[str, dict[str, Any]]] | None = None

    async def refresh(self) -> None:
        """Read all definitions again."""
        data = await self._client.read("/api/custom-fields/", {"include_counts": "false"})
        rows = (data or {}).get("definitions")
        if not isinstance(rows, list):
            raise Unavailable("BottleCRM's answer has no list of custom fields.")
        known: dict[str, dict[str, dict[str, Any]]] = {}
        for row in rows:
            known.setdefault(row["target_model"], {})[row["key"]] = row
        self._known = known

    async def keys(self, resource: str) -> frozenset[str]:
        """Keys of the active custom fields of a resource, the token's included."""
        defined = await self._defined(resource)
        return frozenset(key for key, row in defined.items() if row.get("is_active"))

    async def _defined(self, resource: str) -> Mapping[str, dict[str, Any]]:
        target = TARGETS.get(resource)
        if target is None:
            return {}
        if self._known is None:
            await self.refresh()
        return (self._known or {}).get(target, {})

    async def missing(self, wanted: Mapping[str, Mapping[str, FieldInfo]]) -> list[str]:
        """As ``Preparable.missing``."""
        await self.refresh()
        absent = []
        for resource, paths in wanted.items():
            have = await self.keys(resource)
            absent += [f"{resource}.{path}" for path in _with_token(resource, paths) if path[len(PREFIX) :] not in have]
        return absent

    async def prepare(self, wanted: Mapping[str, Mapping[str, FieldInfo]]) -> list[str]:
        """As ``Preparable.prepare``. A field that was switched off is switched on again."""
        made = await self.missing(wanted)
        for name in made:
            resource, _, path = name.partition(".")
            key = path[len(PREFIX) :]
            info = _with_token(resource, wanted[resource])[path]
            old = (await self._defined(resource)).get(key)
            if old is not None:
                await self._client.send("PUT", f"/api/custom-fields/{old['id']}/", {"is_active": True})
                continue
            body = {
                "target_model": TARGETS[resource],
                "key": key,
                "label": (info.label or key.replace("_", " ").capitalize())[:128],
                "field_type": _TYPES.get(info.type, "textarea"),
            }
            await self._client.send("POST", "/api/custom-fields/", body)
        if made:
            await self.refresh()
        return made


def _with_token(resource: str, paths: Mapping[str, FieldInfo]) -> dict[str, FieldInfo]:
    """The custom fields among ``paths`` that BottleCRM can have, and the token's."""
    if resource not in TARGETS:
        return {}
    token = FieldInfo(type="text", custom=True, label="Isthmus token")
    return {path: info for path, info in paths.items() if path.startswith(PREFIX)} | {PREFIX + TOKEN: token}


def typed(raw: Any, keys: Iterable[str]) -> dict[str, Any]:
    """The custom fields of a record: every defined key, null when it has no value; the token is left out."""
    values = dict.fromkeys(keys)
    if isinstance(raw, Mapping):
        values |= {
            key: Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value
            for key, value in raw.items()
        }
    values.pop(TOKEN, None)
    return dict(sorted(values.items()))


def changed(new: Any, old: Any, keys: Iterable[str]) -> dict[str, Any]:
    """What to send so that ``old`` becomes ``new``. Raises ``Rejected`` for a key that is not defined, because
    BottleCRM would drop it without a word."""
    new = new or {}
    old = old or {}
    known = set(keys)
    for key in new:
        if key not in known and new[key] != old.get(key):
            raise Rejected(
                f"BottleCRM has no custom field {key} here.",
                field=f"{PREFIX}{key}",
                advice="'isthmus check --live' lists what is missing and can make it.",
            )
    sent = {key: value for key, value in new.items() if value != old.get(key)}
    return sent | {key: None for key in old if key not in new and old[key] is not None}
