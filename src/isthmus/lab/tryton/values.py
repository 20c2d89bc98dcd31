"""Values as Tryton's JSON-RPC writes them."""

from __future__ import annotations

import base64
import datetime as dt
from decimal import Decimal
from typing import Any

__all__ = ["decode", "encode", "flat"]


def flat(record: dict[str, Any]) -> dict[str, Any]:
    """Tryton answers ``party.name`` as {"party.": {"name": ...}}: give the many2one back under its dotted name."""
    found: dict[str, Any] = {}
    for key, value in record.items():
        if not key.endswith("."):
            found.setdefault(key, value)
        elif isinstance(value, dict):
            found |= {f"{key}{name}": inner for name, inner in flat(value).items() if name != "id"}
        elif isinstance(value, list):
            found[key[:-1]] = [flat(each) for each in value]
        # None: the reference is empty, and its key without the dot says so
    return found


def encode(value: Any) -> Any:
    """What json cannot write itself. Raises TypeError for what Tryton does not know either."""
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": str(value)}
    if isinstance(value, dt.datetime):
        parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
        return {"__class__": "datetime", **{part: getattr(value, part) for part in parts}}
    if isinstance(value, dt.date):
        return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}
    raise TypeError(f"{type(value).__name__} cannot be sent to Tryton")


def decode(value: dict[str, Any]) -> Any:
    """A JSON object that stands for a value, as that value; any other as it is."""
    match value.get("__class__"):
        case "Decimal":
            return Decimal(value["decimal"])
        case "date":
            return dt.date(value["year"], value["month"], value["day"])
        case "datetime":
            parts = ("year", "month", "day", "hour", "minute", "second", "microsecond")
            return dt.datetime(**{part: int(value.get(part, 0)) for part in parts}, tzinfo=dt.UTC)
        case "timedelta":
            return dt.timedelta(seconds=value["seconds"])
        case "bytes":
            return base64.decodebytes(value["base64"].encode())
    return value
