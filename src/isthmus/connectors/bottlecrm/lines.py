"""Line items of deals, quotes and invoices: reading them, and what to call to make one list out of another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

import msgspec

from isthmus.connectors.bottlecrm.client import Client
from isthmus.connectors.bottlecrm.fields import decimal_of, key_of
from isthmus.connectors.bottlecrm.resource import is_uuid
from isthmus.errors import Rejected

__all__ = ["WRITTEN", "LineStep", "line_body", "line_changes", "net", "read_lines", "stored", "write_line"]

_TEXTS = ("name", "description", "discount_type")
_EXACT = re.compile(r"(\d+(?:\.\d+)?) × (\d+(?:\.\d+)?)")
_NUMBERS = (
    "quantity",
    "unit_price",
    "discount_value",
    "discount_amount",
    "subtotal",
    "tax_rate",
    "tax_amount",
    "net_amount",
    "total",
)
WRITTEN = frozenset(
    {"product", "name", "description", "quantity", "unit_price", "discount_type", "discount_value", "tax_rate", "order"}
)
"""Fields of a line that can be set; the others are BottleCRM's sums."""


def net(line: Mapping[str, Any]) -> Decimal:
    """Quantity times unit price less the line's discount, rounded as BottleCRM does."""
    cent = Decimal("0.01")
    quantity = 1 if line.get("quantity") is None else line["quantity"]
    gross = (Decimal(quantity) * Decimal(line.get("unit_price") or 0)).quantize(cent, ROUND_HALF_UP)
    off = Decimal(line.get("discount_value") or 0)
    share = gross * off / 100 if line.get("discount_type") == "PERCENTAGE" else off
    return gross - share.quantize(cent, ROUND_HALF_UP)


def stored(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line as BottleCRM can hold it to the cent. Its prices have two decimals: a finer one would change the line's
    sum, so such a line is kept as one piece at its exact sum, with quantity and price in its description."""
    fields = {name: value for name, value in line.items() if name in WRITTEN}
    quantity, price, amount = line.get("quantity"), line.get("unit_price"), line.get("net_amount")
    if quantity is None or price is None or amount is None or Decimal(amount) < 0:
        return fields
    if _cents(Decimal(quantity)) and _cents(Decimal(price)):
        return fields
    return {**fields, "quantity": Decimal(1), "unit_price": amount, "description": f"{quantity} × {price}"}


def _cents(value: Decimal) -> bool:
    return value == value.quantize(Decimal("0.01"))


def _shown(line: dict[str, Any]) -> dict[str, Any]:
    """The line that :func:`stored` was given."""
    found = _EXACT.fullmatch(line.get("description") or "")
    if found is None or line.get("quantity") != 1:
        return line
    return {**line, "quantity": Decimal(found[1]), "unit_price": Decimal(found[2]), "description": None}


class LineStep(msgspec.Struct, frozen=True, kw_only=True):
    """One call that brings the lines closer to what is wanted."""

    method: Literal["POST", "PUT", "DELETE"]
    id: str = ""
    fields: Mapping[str, Any] = {}


def read_lines(rows: Any) -> list[dict[str, Any]]:
    """Lines in their order: ``id``, ``product`` (key), texts, numbers, the discount as a fraction, ``order``."""
    lines = []
    for row in rows or ():
        line: dict[str, Any] = {"id": str(row["id"]), "product": key_of(row.get("product"))}
        line |= {name: row.get(name) or None for name in _TEXTS if name in row}
        line |= {name: decimal_of(row[name]) for name in _NUMBERS if row.get(name) is not None}
        lines.append(_shown(line | {"discount_rate": _rate(line), "order": row.get("order", 0)}))
    return lines


def _rate(line: Mapping[str, Any]) -> Decimal:
    """The discount of a line as a fraction (0.1 is 10 %), however it was entered."""
    off, gross = line.get("discount_value") or Decimal(0), line.get("subtotal") or Decimal(0)
    if line.get("discount_type") == "PERCENTAGE":
        return Decimal(off) / 100
    return (Decimal(off) / gross).quantize(Decimal("0.000001"), ROUND_HALF_UP) if off and gross else Decimal(0)


def line_changes(new: Sequence[Mapping[str, Any]], old: Sequence[Mapping[str, Any]]) -> list[LineStep]:
    """Steps from ``old`` to ``new``: elements with an ``id`` of ``old`` are kept or changed, others are made, and
    what is not in ``new`` any more is taken out. Raises ``Rejected`` on a line that BottleCRM would not take, before
    anything is written."""
    before = {line["id"]: line for line in old}
    kept = {line["id"] for line in new if line.get("id") in before}
    steps = [LineStep(method="DELETE", id=key) for key in before if key not in kept]
    for at, line in enumerate(new):
        _check(line)
        wanted = {name: value for name, value in line.items() if name in WRITTEN}
        was = before.get(line.get("id", ""))
        if was is None:
            steps.append(LineStep(method="POST", fields={"order": at, **stored(line)}))
            continue
        differs = {name: value for name, value in wanted.items() if value != was.get(name)}
        exact = stored(line) != wanted or stored(was) != {name: was[name] for name in was if name in WRITTEN}
        if differs:
            steps.append(LineStep(method="PUT", id=was["id"], fields=stored(line) if exact else differs))
    return steps


def _check(line: Mapping[str, Any]) -> None:
    product, quantity, price = line.get("product"), line.get("quantity"), line.get("unit_price")
    if product is not None and not is_uuid(str(product)):
        raise Rejected(f"{product} is not a product of BottleCRM.", field="line_items")
    if quantity is not None and quantity <= 0:
        raise Rejected("BottleCRM takes only quantities above zero.", field="line_items")
    if price is not None and price < 0:
        raise Rejected("BottleCRM takes no negative prices.", field="line_items")


def line_body(fields: Mapping[str, Any], product_as: str) -> dict[str, Any]:
    """A line as BottleCRM wants it; deals call the product's key ``product_id``, documents ``product``."""
    body = {name: "" if value is None and name in _TEXTS else value for name, value in fields.items()}
    if "product" in body:
        body[product_as] = body.pop("product")
    if product_as == "product_id":
        body.pop("tax_rate", None)
    return {name: value for name, value in body.items() if value is not None or name == product_as}


async def write_line(client: Client, path: str, step: LineStep, product_as: str) -> dict[str, Any] | None:
    """Do one step; None when the document or the line is not there."""
    address = path if step.method == "POST" else f"{path}{step.id}/"
    body = line_body(step.fields, product_as) if step.method != "DELETE" else None
    return await client.send(step.method, address, body)
