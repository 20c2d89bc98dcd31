"""Field types and canonical values.

A *canonical value* is JSON-native (str, int, bool, None, list, dict), so two values are the same fact exactly when
``==`` says so; decimals are normalised text (``"10.50"`` and ``"10.5"`` are both ``"10.5"``), money is
``{"amount", "currency"}``, blank text is null. Everything in the hub (item, base, far, journal) is canonical.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

import msgspec

from isthmus.errors import Unmappable

__all__ = ["Canonical", "FieldType", "Kind", "canonical", "completed", "covers", "decimal_text"]

type Canonical = Any

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

MAX_TEXT = 1_000_000
"""Longest text taken from a far system, in characters; longer is set aside rather than cut."""


MAX_DIGITS = 1_000
"""Most digits of a number before or after the point; ``1e999999999`` must not become text."""


class Kind(StrEnum):
    """What a field holds."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    INSTANT = "instant"
    REF = "ref"
    STRUCT = "struct"
    LIST = "list"


class FieldType(msgspec.Struct, frozen=True, kw_only=True):
    """Type of an entity's field. ``fields`` for structs, ``of`` for lists, ``entity`` for references."""

    kind: Kind
    fields: Mapping[str, FieldType] = {}
    of: FieldType | None = None
    entity: str | None = None
    required: tuple[str, ...] = ()
    """Parts without which a struct means nothing (the currency of money): a struct lacking them is null when all its
    other parts are null, and unmappable otherwise."""


def covers(shown: Canonical, wanted: Canonical) -> bool:
    """Whether ``shown`` says everything that ``wanted`` says: equal, but for parts of a struct that ``wanted`` knows
    nothing about."""
    if isinstance(shown, dict) and isinstance(wanted, dict):
        return all(shown.get(name) == part for name, part in wanted.items())
    return bool(shown == wanted)


def completed(value: Any, *others: Any) -> Any:
    """A struct with the parts it knows nothing about filled in from the first of ``others`` that knows them; any other
    value as it is. An absent part is no difference."""
    if not isinstance(value, dict):
        return value
    found = dict(value)
    for other in others:
        if isinstance(other, dict):
            found = {**other, **found}
    return found


def decimal_text(value: Decimal | int | str) -> str:
    """Canonical text of a number: no exponent, no trailing zeros, no negative zero.

    Raises :class:`Unmappable` for what is not a finite number.
    """
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value).strip())
    except InvalidOperation:
        raise Unmappable(f"{str(value)[:40]!r} is not a number.") from None
    if not number.is_finite():
        raise Unmappable(f"{number} is not a finite number.")
    if abs(number.adjusted()) > MAX_DIGITS or len(number.as_tuple().digits) > MAX_DIGITS:
        raise Unmappable(f"A number of more than {MAX_DIGITS} digits is not taken.")
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def canonical(kind: FieldType, value: Any) -> Canonical:
    """The canonical form of ``value`` as ``kind``; null stays null. Raises :class:`Unmappable`."""
    if value is None:
        return None
    if type(value) is str and (kind.kind is Kind.TEXT or kind.kind is Kind.REF):
        # Nearly everything is plain text.
        if len(value) <= MAX_TEXT and value.isascii() and value.isprintable():
            return value.strip() or None
        return _text(value)
    match kind.kind:
        case Kind.TEXT | Kind.REF:
            return _text(value)
        case Kind.INTEGER:
            return _integer(value)
        case Kind.DECIMAL:
            return None if value == "" else decimal_text(_no_bool(value))
        case Kind.BOOLEAN:
            return _boolean(value)
        case Kind.DATE:
            return _date(value)
        case Kind.INSTANT:
            return _instant(value)
        case Kind.STRUCT:
            return _struct(kind, value)
        case Kind.LIST:
            assert kind.of is not None
            if not isinstance(value, list | tuple):
                raise Unmappable(f"Expected a list, got {type(value).__name__}.")
            return _list(kind.of, value)


def _list(of: FieldType, value: Any) -> Canonical:
    elements = [canonical(of, element) for element in value]
    if of.kind is not Kind.STRUCT:
        return elements
    # A list is always whole, so in its elements an absent part and an empty one are the same.
    return [{name: part for name, part in e.items() if part is not None} for e in elements if e is not None]


def _text(value: Any) -> str | None:
    if isinstance(value, bool | list | dict):
        raise Unmappable(f"Expected text, got {type(value).__name__}.")
    text = decimal_text(value) if isinstance(value, Decimal) else str(value)
    if len(text) > MAX_TEXT:
        raise Unmappable(f"Text of {len(text)} characters is over the limit of {MAX_TEXT}.")
    if text.isascii() and text.isprintable():
        return text.strip() or None
    if _UNSTORABLE.search(text):
        raise Unmappable("Text contains a NUL character or half a surrogate pair, which no database stores.")
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").strip()
    return text or None


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool | list | dict):
        raise Unmappable(f"Expected a number, got {type(value).__name__}.")
    return value


def _integer(value: Any) -> int | None:
    if value == "":
        return None
    number = Decimal(decimal_text(_no_bool(value)))
    if number != number.to_integral_value():
        raise Unmappable(f"{number} is not a whole number.")
    return int(number)


def _boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    if value in (0, 1):
        return bool(value)
    text = str(value).strip().lower()
    if text == "":
        return None
    if text in ("true", "yes", "1", "false", "no", "0"):
        return text in ("true", "yes", "1")
    raise Unmappable(f"{text[:40]!r} is not yes or no.")


def _date(value: Any) -> str | None:
    if value == "":
        return None
    try:
        if isinstance(value, date):
            return value.isoformat()[:10]
        return date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError:
        raise Unmappable(f"{str(value)[:40]!r} is not a date (YYYY-MM-DD).") from None


def _instant(value: Any) -> str | None:
    if value == "":
        return None
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise Unmappable(f"{str(value)[:40]!r} is not a date and time (ISO 8601).") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC).isoformat()
    except OverflowError:
        raise Unmappable(f"{str(value)[:40]!r} is outside the years 1 to 9999.") from None


def _struct(kind: FieldType, value: Any) -> Canonical:
    if not isinstance(value, Mapping):
        raise Unmappable(f"Expected {{{', '.join(kind.fields)}}}, got {type(value).__name__}.")
    unknown = [name for name in value if name not in kind.fields and name != "id"]
    if unknown:
        raise Unmappable(f"Unknown part '{unknown[0]}' (known: {', '.join(kind.fields)}).")
    parts = {name: canonical(part, value[name]) for name, part in kind.fields.items() if name in value}
    if all(part is None for name, part in parts.items() if name not in kind.required):
        return None
    for name in kind.required:
        if parts.get(name) is None:
            raise Unmappable(f"A value without its {name} means nothing.", field=name)
    return parts
