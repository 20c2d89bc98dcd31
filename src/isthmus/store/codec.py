"""Between database rows and values: jsonb by msgspec, rows to structs, structs to batches of JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, NamedTuple, get_args

import msgspec
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Dumper, Loader

from isthmus.store.queries import query

__all__ = ["Payload", "Texts", "as_array", "columns", "decoded", "from_row", "payload", "register"]

_JSONB_OID = 3802
_JSON_OID = 114
_TEXT_ARRAY_OID = 1009
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_COLUMN_TYPES = {str, int, float, bool, bytes, datetime, type(None)}
"""Types that the driver gives by itself; everything else is JSON."""


class Payload(bytes):
    """JSON text on its way to a ``jsonb`` parameter."""

    exact = True
    """Whether it says just what the rows say; False: something could not be stored and was replaced."""


class Texts(list[str]):
    """Texts on their way to a ``text[]`` parameter: written in one go, a tenth of the driver's time for each."""


class _TextsDumper(Dumper):
    oid = _TEXT_ARRAY_OID

    def dump(self, obj: Texts) -> bytes:
        quoted = [text.replace("\\", "\\\\").replace('"', '\\"') for text in obj]
        return ('{"' + '","'.join(quoted) + '"}' if quoted else "{}").encode()


class _PayloadDumper(Dumper):
    oid = _JSONB_OID

    def dump(self, obj: Buffer) -> bytes:
        return bytes(obj)


class _JsonLoader(Loader):
    """Leaves JSON as bytes: :func:`from_row` decodes each column straight into its type."""

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


def register(context: AdaptContext) -> None:
    """Teach a connection these types."""
    context.adapters.register_dumper(Payload, _PayloadDumper)
    context.adapters.register_dumper(Texts, _TextsDumper)
    context.adapters.register_loader(_JSONB_OID, _JsonLoader)
    context.adapters.register_loader(_JSON_OID, _JsonLoader)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Set):
        return sorted(value)
    raise NotImplementedError(f"{type(value).__name__} cannot be stored")


_ENCODER = msgspec.json.Encoder(enc_hook=_plain)


def payload(rows: Iterable[msgspec.Struct] | Mapping[str, Any]) -> Payload:
    """JSON of rows (or of one value) that PostgreSQL takes for sure.

    PostgreSQL stores neither NUL characters nor half surrogates, which far systems do send in messages; one of them
    must not stop a whole batch, so both become U+FFFD.
    """
    value = rows if isinstance(rows, Mapping) else list(rows)
    try:
        text = _ENCODER.encode(value)
    except UnicodeEncodeError:
        return _mended(_builtins(value))
    if rb"\u0000" in text:
        return _mended(msgspec.json.decode(text))
    return Payload(text)


def _mended(value: Any) -> Payload:
    found = Payload(_ENCODER.encode(_storable(value)))
    found.exact = False
    return found


def _builtins(value: Any) -> Any:
    return msgspec.to_builtins(value, enc_hook=_plain)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {_storable(key): _storable(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(part) for part in value]
    return value


class _Plan(NamedTuple):
    """How rows become one kind of struct."""

    names: tuple[str, ...]
    json: tuple[tuple[str, msgspec.json.Decoder[Any]], ...]
    enums: tuple[tuple[str, Mapping[str, Enum]], ...]


@cache
def _plan(struct: type[msgspec.Struct]) -> _Plan:
    names, json, enums = [], [], []
    for field in msgspec.structs.fields(struct):
        names.append(field.name)
        if isinstance(field.type, type) and issubclass(field.type, Enum):
            enums.append((field.name, {member.value: member for member in field.type}))
        elif not set(get_args(field.type) or (field.type,)) <= _COLUMN_TYPES:
            json.append((field.name, msgspec.json.Decoder(field.type)))
    return _Plan(tuple(names), tuple(json), tuple(enums))


def from_row[S: msgspec.Struct](struct: type[S], row: Sequence[Any]) -> S:
    """A struct from a row whose columns are the struct's fields, in order."""
    plan = _plan(struct)
    values = dict(zip(plan.names, row, strict=True))
    for name, decoder in plan.json:
        text = values[name]
        if text is not None:
            values[name] = {} if text == b"{}" else decoder.decode(text)
    for name, members in plan.enums:
        values[name] = members[values[name]]
    return struct(**values)


@cache
def as_array(name: str, struct: type[msgspec.Struct]) -> bytes:
    """The query of this name, giving one JSON array of its rows, for :func:`decoded`. Its columns are the struct's
    fields, in order; it changes nothing (PostgreSQL lets no such query stand inside another one)."""
    fields = msgspec.structs.fields(struct)
    columns = ", ".join(
        f"encode({field.name}, 'base64') as {field.name}" if bytes in _types(field.type) else field.name
        for field in fields
    )
    names = ", ".join(field.name for field in fields)
    inner = query(name).decode().rstrip().removesuffix(";")
    made = f"select {columns} from ({inner}) as found ({names})"  # noqa: S608 - names of our structs' fields
    return f"select coalesce(json_agg(made), '[]') from ({made}) as made".encode()  # noqa: S608 - as above


@cache
def _array_decoder[S: msgspec.Struct](struct: type[S]) -> msgspec.json.Decoder[list[S]]:
    return msgspec.json.Decoder(list[struct])  # type: ignore[valid-type]


def decoded[S: msgspec.Struct](struct: type[S], array: bytes) -> list[S]:
    """Structs from the array of :func:`as_array`."""
    return _array_decoder(struct).decode(array)


def _types(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) or (annotation,)


def columns(rows: Iterable[tuple[str, ...]], *names: str) -> dict[str, Texts]:
    """Rows as one array parameter per column."""
    columns: dict[str, Texts] = {name: Texts() for name in names}
    for row in rows:
        for name, value in zip(names, row, strict=True):
            columns[name].append(value)
    return columns
