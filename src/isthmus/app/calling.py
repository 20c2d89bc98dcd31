"""Who calls, and about what: found by phone, name, order or serial number, as somebody says it on the phone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec

from isthmus.model.state import Item
from isthmus.store import Reads

__all__ = ["Found", "find"]

MOST = 10
"""Of each kind."""
PHONE_DIGITS = 6
PEOPLE = ("Customer", "SalesOrder", "Contact")
PAPERS = ("RepairRecord", "Return", "ServiceCase")
"""Documents of the hub in which a serial number stands: in its field, or in what people wrote."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What fits, and the items that it names: customers, stations."""

    items: list[Item]
    places: Mapping[str, Item]

    def customer_of(self, item: Item) -> Item | None:
        """For whom it can be opened: its customer, or the customer as whom its station buys."""
        named = self.places.get(str(item.fields.get("customer") or ""))
        station = self.station_of(item)
        if named is None and station is not None:
            named = self.places.get(str(station.fields.get("customer") or ""))
        return named

    def station_of(self, item: Item) -> Item | None:
        """The station whose document it is."""
        return self.places.get(str(item.fields.get("station") or ""))


async def find(reads: Reads, text: str) -> Found:
    """Everything that fits, customers first. A phone number is found however it is written; what has exactly this
    serial number stands before what only mentions it."""
    text = text.strip()
    if not text:
        return Found(items=[], places={})
    digits = "".join(sign for sign in text if sign.isdigit())
    phone = len(digits) >= PHONE_DIGITS and not any(sign.isalpha() for sign in text)
    # With its country it is nothing else: the digits say all, and no document is called so.
    abroad = phone and text.startswith("+")
    words = dict.fromkeys([*([] if abroad else [text]), *([digits.lstrip("0")] if phone else [])])
    # Side by side: somebody waits on the telephone.
    marked, *answers = await asyncio.gather(
        reads.items_by_field("RepairRecord", "serial_number", text, MOST),
        *(reads.search(word, MOST, entity) for entity in PEOPLE for word in words),
        *(reads.search(text, MOST, entity) for entity in PAPERS if not abroad),
    )
    people = len(PEOPLE) * len(words)
    found: dict[str, Item] = {}
    for part in (*answers[:people], marked, *answers[people:]):
        found |= {one.id: one for one in part if one.id not in found}
    items = list(found.values())
    places = await _named(reads, items, "customer", "station")
    places |= await _named(reads, list(places.values()), "customer")
    return Found(items=items, places=places)


async def _named(reads: Reads, items: list[Item], *fields: str) -> dict[str, Item]:
    ids = {str(one.fields[field]) for one in items for field in fields if one.fields.get(field)}
    return dict(await reads.items(ids)) if ids else {}
