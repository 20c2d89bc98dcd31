"""Values on Tryton's wire: JSON with ``__class__`` objects for what JSON has no type for.

Numbers arrive exact: Tryton's floats (quantities) become :class:`~decimal.Decimal` of the digits on the wire, and a
Decimal is sent back as Tryton's own Decimal object, or as a JSON number by :func:`quantity`.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from decimal import Decimal
from typing import Any

__all__ = ["date_of", "decode", "encode", "iso", "quantity"]


def encode(value: Any) -> bytes:
    """The JSON text Tryton expects. Raises ``TypeError`` for a type that has no form there."""
    return json.dumps(value, default=_packed, separators=(",", ":")).encode()


def decode(body: bytes) -> Any:
    """Python values of a JSON text from Tryton. Raises ``ValueError`` when it is not JSON or not well packed."""
    try:
        return json.loads(body, object_hook=_unpacked, parse_float=Decimal)
    except (KeyError, TypeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"not a value of Tryton: {type(error).__name__}") from error


def _packed(value: Any) -> dict[str, Any]:
    match value:
        case Decimal():
            return {"__class__": "Decimal", "decimal": str(value)}
        case dt.datetime():
            naive = value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
            parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
            return {"__class__": "datetime", **{part: getattr(naive, part) for part in parts}}
        case dt.date():
            return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}
        case dt.timedelta():
            return {"__class__": "timedelta", "seconds": value.total_seconds()}
        case bytes():
            return {"__class__": "bytes", "base64": base64.b64encode(value).decode()}
    raise TypeError(f"{type(value).__name__} has no form in Tryton's protocol")


def _unpacked(packed: dict[str, Any]) -> Any:
    match packed.get("__class__"):
        case None:
            return packed
        case "Decimal":
            return Decimal(packed["decimal"])
        case "datetime":
            date = dt.date(packed["year"], packed["month"], packed["day"])
            time = dt.time(packed["hour"], packed["minute"], packed["second"], packed["microsecond"])
            return dt.datetime.combine(date, time, tzinfo=dt.UTC)
        case "date":
            return dt.date(packed["year"], packed["month"], packed["day"])
        case "time":
            return dt.time(packed["hour"], packed["minute"], packed["second"], packed["microsecond"])
        case "timedelta":
            return dt.timedelta(seconds=float(packed["seconds"]))
        case "bytes":
            return base64.b64decode(packed["base64"])
    return packed


def quantity(value: Any) -> float | None:
    """A quantity for a float field of Tryton. Raises ``ValueError`` when it is not a finite number."""
    if value is None or value == "":
        return None
    try:
        number = float(Decimal(str(value)))
    except ArithmeticError as error:
        raise ValueError(f"'{value}' is not a number") from error
    if number - number != 0:
        raise ValueError(f"'{value}' is not a finite number")
    return number


def date_of(value: Any) -> dt.date | None:
    """A date from ISO 8601 text. Raises ``ValueError`` when it is not one."""
    if value is None or value == "":
        return None
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    return dt.date.fromisoformat(str(value)[:10])


def iso(value: dt.date | dt.datetime | None) -> str | None:
    """ISO 8601 text of a date or an instant."""
    return None if value is None else value.isoformat()
