"""What the fields of a BottleCRM record are, and how they look on the wire.

BottleCRM gives decimals as text, links as ``{id, name}`` here and as bare ids there, and empties as null or "". A far
record has decimals, keys and None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from isthmus.connector import FieldInfo
from isthmus.errors import Rejected, Unavailable

__all__ = ["Field", "body_of", "decimal_of", "instant", "key_of", "values_of"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a resource: its type (as in ``FieldInfo``), and where it differs from the usual, how."""

    type: str
    label: str = ""
    readonly: bool = False
    target: str | None = None
    """The resource that a ``key`` (or each of ``keys``) belongs to."""
    write_as: str | None = None
    """Name in a request when it is not the field's own."""
    empty: Any = ""
    """What a text is set to when it is cleared (BottleCRM wants "" in some places and null in others)."""

    def info(self) -> FieldInfo:
        """The same for ``Resource.fields``."""
        shown = "list" if self.type in ("keys", "lines") else self.type
        return FieldInfo(
            type=shown,
            readonly=self.readonly,
            custom=self.type == "object",
            label=self.label,
            target=self.target,
        )


def values_of(row: Mapping[str, Any], fields: Mapping[str, Field]) -> dict[str, Any]:
    """The record fields of a row; a field that the row lacks is left out (absent)."""
    return {
        name: _value(row[name], field.type)
        for name, field in fields.items()
        if name in row and field.type not in ("lines", "object")
    }


def _value(raw: Any, kind: str) -> Any:
    if kind == "key":
        return key_of(raw)
    if kind == "keys":
        return sorted(key for key in map(key_of, raw or ()) if key)
    if raw is None or raw == "":
        return None
    if kind == "decimal":
        return decimal_of(raw)
    if kind == "datetime":
        return instant(raw)
    return raw


def key_of(raw: Any) -> str | None:
    """Key out of a link, however it is given."""
    if isinstance(raw, Mapping):
        raw = raw.get("id")
    return str(raw) if raw else None


def decimal_of(raw: Any) -> Decimal:
    """The exact number. Raises ``Unavailable`` on anything else."""
    try:
        return Decimal(str(raw))
    except InvalidOperation as error:
        raise Unavailable("BottleCRM's answer has something else where a number belongs.") from error


def instant(raw: Any) -> str:
    """The same moment in UTC with six digits of a second, so that later moments compare greater as text."""
    try:
        return datetime.fromisoformat(str(raw)).astimezone(UTC).isoformat(timespec="microseconds")
    except ValueError as error:
        raise Unavailable("BottleCRM's answer has something else where a time belongs.") from error


def body_of(changed: Mapping[str, Any], fields: Mapping[str, Field]) -> dict[str, Any]:
    """The request that sets these fields; lines and custom fields are left to their own makers.

    Raises ``Rejected`` for a field that does not exist or that BottleCRM does not let one set.
    """
    body: dict[str, Any] = {}
    for name, value in changed.items():
        field = fields.get(name)
        if field is None:
            raise Rejected(f"BottleCRM has no field {name} here.", field=name)
        if field.readonly:
            raise Rejected(f"BottleCRM computes {name} itself; it cannot be set.", field=name)
        if field.type in ("lines", "object"):
            continue
        if value is None and field.type == "text":
            value = field.empty
        if field.type == "keys" and not isinstance(value, Sequence):
            value = []
        body[field.write_as or name] = value
    return body
