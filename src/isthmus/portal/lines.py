"""Lists of part numbers and quantities as people type them into a form, and ids of forms that are sent once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from isthmus.app.bootstrap import new_id
from isthmus.app.shopping import LineFault, PastedLine, read_lines
from isthmus.model.state import Item
from isthmus.portal.site import Call, shop_of

__all__ = [
    "goods_of",
    "key_of",
    "lines_of",
    "new_key",
    "number_of",
    "offset_of",
    "page_of",
    "products_in",
    "readable",
]

LAST = 10_000
"""Of a list that nobody reads to the end; whoever wants all of it has the API."""
_KEY = re.compile(r"[0-9A-Za-z-]{8,60}")


def readable(text: Any, longest: int = 60_000) -> str:
    """What was typed, without what no database keeps."""
    return str(text or "").replace("\x00", "�")[:longest]


async def lines_of(request: Call, text: str) -> tuple[list[PastedLine], list[LineFault]]:
    """The lines, and why some of them are none; part numbers that do not exist among them."""
    lines, faults = read_lines(text)
    known = await shop_of(request).reads.items_by_values("Product", "sku", {line.sku for line in lines}, 1)
    for at, line in enumerate(lines, 1):
        if line.sku not in known:
            faults.append(LineFault(at, "unknown", line.sku))
    return lines, faults


async def goods_of(request: Call, ids: Iterable[str | None]) -> dict[str, Item]:
    """The products of a document's lines, for what they are called."""
    wanted = {id for id in ids if id}
    return dict(await shop_of(request).reads.items(wanted)) if wanted else {}


def products_in(document: Item) -> list[str | None]:
    """Products that the document's lines name."""
    return [line.get("product") for line in document.fields.get("lines") or ()]


def number_of(text: Any) -> Decimal | None:
    """A quantity of a field: nothing is zero, what is no quantity is None."""
    words = str(text or "0").strip().replace(",", ".") or "0"
    try:
        number = Decimal(words) if len(words) <= 12 else Decimal("NaN")
    except InvalidOperation:
        return None
    return number if number.is_finite() and number >= 0 else None


def offset_of(request: Call) -> int:
    """Where a page of a list begins; what is no such number is its beginning."""
    start = request.query_params.get("from", "0")
    return min(int(start), LAST) if start.isascii() and start.isdigit() and len(start) < 9 else 0


def page_of[T](found: list[T], offset: int, most: int) -> tuple[list[T], int | None]:
    """The page, and where the following one begins, if there is one; ``found``: one more than the page may have."""
    return found[:most], offset + most if len(found) > most else None


def new_key() -> str:
    """What makes a form one thing, however often it is sent."""
    return new_id()


def key_of(request: Call, form: Mapping[str, Any]) -> str:
    """The form's key, of this buyer only; a new one when it has none."""
    key = str(form.get("key", ""))
    return f"{request.state.buyer.id}-{key if _KEY.fullmatch(key) else new_key()}"
