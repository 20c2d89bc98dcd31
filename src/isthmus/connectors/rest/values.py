"""Between the API's JSON and far values: dotted paths, exact decimals, times of every custom."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from isthmus.connector import FieldInfo, Record
from isthmus.connectors.rest.definition import Field, ResourceDef
from isthmus.errors import Rejected, Unavailable

__all__ = ["MISSING", "Shape", "at", "encode", "phrase", "put", "time_text"]

MISSING: Any = object()
"""Nothing stands at this path."""

_NUMBERS = msgspec.json.Encoder(decimal_format="number")


class _Number(msgspec.Struct, frozen=True):
    """A decimal that goes out as a JSON number."""

    value: Decimal


def at(value: Any, path: str) -> Any:
    """What stands at a dotted path (``a.b.0.c``); the value itself for an empty path, MISSING if nothing does."""
    for part in path.split(".") if path else ():
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return MISSING
    return value


def put(target: dict[str, Any], path: str, value: Any) -> None:
    """Set what stands at a dotted path, making objects on the way."""
    *way, last = path.split(".")
    for part in way:
        target = target.setdefault(part, {})
    target[last] = value


def encode(value: Any) -> bytes:
    """JSON to send: decimals as text, but those marked as numbers as exact numbers."""

    def plain(inner: Any) -> Any:
        match inner:
            case _Number():
                return inner.value
            case Decimal():
                return str(inner)
            case Mapping():
                return {name: plain(each) for name, each in inner.items()}
            case list() | tuple():
                return [plain(each) for each in inner]
        return inner

    return _NUMBERS.encode(plain(value))


def phrase(template: str, encoding: str, **parts: str) -> str:
    """A query parameter: the template filled in, then encoded."""
    for name, part in parts.items():
        template = template.replace("{" + name + "}", part)
    return base64.urlsafe_b64encode(template.encode()).decode() if encoding == "base64url" else template


def time_text(moment: datetime, form: str) -> str:
    """A moment (UTC) as the API writes times."""
    match form:
        case "iso":
            return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case "unix":
            return str(int(moment.timestamp()))
        case "unix_ms":
            return str(int(moment.timestamp() * 1000))
    return moment.astimezone(UTC).strftime(form)


class Shape:
    """How records of one resource look on the wire and to the hub."""

    def __init__(self, resource: ResourceDef) -> None:
        self._definition = resource
        self.fields = {
            name: Field(type=field) if isinstance(field, str) else field  # type: ignore[arg-type]
            for name, field in resource.fields.items()
        }

    def infos(self) -> dict[str, FieldInfo]:
        """Description of the known fields."""
        infos = {
            name: FieldInfo(type=field.type, readonly=field.readonly, target=field.target or None)
            for name, field in self.fields.items()
        }
        if self._definition.parent is not None:
            parent = self._definition.parent
            infos[parent.field] = FieldInfo(type="key", target=parent.resource)
        return infos

    def key(self, raw: Any) -> str:
        """Key of a record. Raises ``Unavailable`` if there is none: then this is no record."""
        found = at(raw, self._definition.key)
        if found is MISSING or found is None or isinstance(found, bool | Mapping | list):
            raise Unavailable(
                f"A record has no key at '{self._definition.key}'.",
                advice="Does the definition point at the records, and is that the path of their key?",
            )
        return str(found)

    def record(self, raw: Any, parent: str | None, etag: str | None) -> Record:
        """The record behind this JSON."""
        key = self.key(raw)
        fields: dict[str, Any] = {}
        if parent is not None and self._definition.parent is not None:
            key = f"{parent}/{key}"
            fields[self._definition.parent.field] = parent
        if not self.fields:
            fields |= raw
        for name, field in self.fields.items():
            value = at(raw, field.path or name)
            if value is not MISSING:
                fields[name] = _read(value, field, name)
        version = etag if self._definition.version_header else at(raw, self._definition.version or "\0")
        return Record(key=key, fields=fields, version=None if version in (MISSING, None) else str(version))

    def body(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """What to send for these fields. Raises ``Rejected`` for a field that cannot be written."""
        body: dict[str, Any] = {}
        parent = self._definition.parent.field if self._definition.parent else None
        for name, value in fields.items():
            field = self.fields.get(name)
            if name == parent:
                continue
            if field is None and self.fields:
                raise Rejected(f"The definition has no field '{name}'.", field=name)
            if field is not None and field.readonly:
                raise Rejected(f"The field '{name}' is read-only in the definition.", field=name)
            put(body, (field.write or field.path if field else "") or name, _write(value, field))
        return body

    def whole(self, before: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
        """All writable fields: as they were, with the changes."""
        parent = self._definition.parent.field if self._definition.parent else None
        kept = {
            name: value
            for name, value in before.items()
            if name in self.fields and name != parent and not self.fields[name].readonly
        }
        return {**kept, **changed}


def _read(value: Any, field: Field, name: str) -> Any:
    """A far value from JSON. Raises ``Unavailable`` if it is not of the type that was declared."""
    if value is None:
        return None
    try:
        match field.type:
            case "decimal":
                return Decimal(str(value).strip()) if value != "" else None
            case "integer":
                return int(value)
            case "text" | "key":
                return value if isinstance(value, str) else str(value)
            case "date":
                return _moment(value, field.format).date().isoformat() if value != "" else None
            case "datetime":
                return _moment(value, field.format).isoformat() if value != "" else None
    except (ValueError, InvalidOperation, TypeError) as error:
        raise Unavailable(
            f"The field '{name}' is declared as {field.type}, but the answer has {type(value).__name__} "
            f"in another form.",
            advice="Correct its type or format in the definition.",
        ) from error
    return value


def _moment(value: Any, form: str) -> datetime:
    match form:
        case "iso":
            found = datetime.fromisoformat(str(value))
        case "unix":
            found = datetime.fromtimestamp(int(value), UTC)
        case "unix_ms":
            found = datetime.fromtimestamp(int(value) / 1000, UTC)
        case _:
            found = datetime.strptime(str(value), form)  # noqa: DTZ007 - the zone is added below
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def _write(value: Any, field: Field | None) -> Any:
    """JSON for a far value."""
    if field is None or value is None:
        return value
    if isinstance(value, Decimal):
        return _Number(value) if field.send == "number" else str(value)
    if field.format == "iso" or field.type not in ("date", "datetime"):
        return value
    moment = datetime.fromisoformat(value) if field.type == "datetime" else date.fromisoformat(value)
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    text = time_text(moment if moment.tzinfo else moment.replace(tzinfo=UTC), field.format)
    return int(text) if re.fullmatch("unix|unix_ms", field.format) else text
