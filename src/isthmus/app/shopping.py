"""What a shop asks: products at a customer's own terms, cached for a moment; lines as people paste and upload them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from isthmus.app.bootstrap import Hub, clock
from isthmus.desk.ordering import Asked, AskedLine, LineTruth
from isthmus.desk.ports import BusinessHub
from isthmus.desk.quoting import WantedLine
from isthmus.desk.simulating import ask_truth
from isthmus.errors import NeedsPerson, Retryable
from isthmus.model.state import Item

__all__ = [
    "FEATURES",
    "MOST_LINES",
    "Catalogue",
    "LineFault",
    "Offers",
    "PastedLine",
    "features_of",
    "read_lines",
    "read_offer",
]

FRESH = timedelta(seconds=30)
REMEMBERED = 2000
MOST_LINES = 200
LONGEST_SKU = 100
_QUANTITY = re.compile(r"[0-9]{1,7}([.,][0-9]{1,3})?")
_SPLIT = re.compile(r"[;\t,]|\s+")
_HEADS = frozenset({"sku", "part", "part number", "number", "article", "料号", "零件号", "编号"})


FEATURES = frozenset({"quotes", "returns", "questions", "stations", "repairs"})
"""What a shop can have besides ordering."""


def features_of(hub: Hub) -> frozenset[str]:
    """What the project's packs let people do in the shop."""
    carried = {
        "quotes": "quote" in hub.project.processes,
        "returns": "goods_return" in hub.project.processes,
        "stations": "material_request" in hub.project.processes,
        "repairs": "labour_settlement" in hub.project.processes and hub.project.repairs is not None,
        "questions": bool(hub.world.hub_flows("ServiceCase")),
    }
    return frozenset(name for name, there in carried.items() if there)


class PastedLine(msgspec.Struct, frozen=True):
    """A part number and how many of it."""

    sku: str
    quantity: Decimal


class LineFault(msgspec.Struct, frozen=True):
    """Why a line, counted from 1, cannot be ordered. ``why``: formula, quantity, long, many or unknown."""

    line: int
    why: str
    text: str


def read_lines(text: str) -> tuple[list[PastedLine], list[LineFault]]:
    """Lines of ``part number, quantity`` however they are parted; one piece when nothing is said. A head is passed by.
    Nothing is ever computed: what looks like a formula of a spreadsheet is a fault."""
    lines: list[PastedLine] = []
    faults: list[LineFault] = []
    for at, raw in enumerate(text.splitlines(), 1):
        cells = [cell.strip().strip('"').strip() for cell in _SPLIT.split(raw.strip(), maxsplit=1)]
        sku = cells[0] if cells else ""
        quantity = cells[1].strip(" ;,\t") if len(cells) > 1 else "1"
        if not sku or (not lines and sku.lower() in _HEADS):
            continue
        shown = raw.strip()[:60]
        if len(lines) >= MOST_LINES:
            faults.append(LineFault(at, "many", shown))
            break
        if sku[0] in "=+-@" or not sku.isprintable():
            faults.append(LineFault(at, "formula", shown))
        elif len(sku) > LONGEST_SKU:
            faults.append(LineFault(at, "long", shown))
        elif not _QUANTITY.fullmatch(quantity) or not Decimal(quantity.replace(",", ".")):
            faults.append(LineFault(at, "quantity", shown))
        else:
            lines.append(PastedLine(sku, Decimal(quantity.replace(",", "."))))
    return lines, faults


_PRICE = re.compile(r"[0-9]{1,9}([.,][0-9]{1,4})?")
_CELLS = re.compile(r"\s*[;\t]\s*")


def read_offer(text: str) -> tuple[list[WantedLine], list[LineFault]]:
    """Lines of an offer: as of :func:`read_lines`, with a price as the third piece (parted by ``;`` or a tab) where
    another one than the ERP's is offered."""
    plain, prices = [], []
    for raw in text.splitlines():
        cells = _CELLS.split(raw.strip())
        priced = len(cells) == 3 and _PRICE.fullmatch(cells[2]) is not None
        plain.append("; ".join(cells[:2]) if priced else raw)
        prices.append(Decimal(cells[2].replace(",", ".")) if priced else None)
    found: list[WantedLine] = []
    faults: list[LineFault] = []
    for at, (raw, price) in enumerate(zip(plain, prices, strict=True), 1):
        lines, wrong = read_lines(raw)
        faults += [LineFault(at, fault.why, fault.text) for fault in wrong]
        found += [WantedLine(sku=line.sku, quantity=line.quantity, unit_price=price) for line in lines]
    if len(found) > MOST_LINES:
        faults.append(LineFault(len(plain), "many", plain[-1][:60]))
    return found, faults


class Offers(msgspec.Struct, frozen=True, kw_only=True):
    """Products at a customer's terms. ``stale``: the ERP does not answer, this is what it said ``at`` that time."""

    currency: str
    lines: Mapping[str, LineTruth]
    """By product; those that the ERP does not sell to this customer are not in it."""
    at: datetime | None
    stale: bool


class Catalogue:
    """Asks the ERP for one piece of each product; what it said is good for half a minute, and shown as old after that
    only while it does not answer."""

    def __init__(self, now: Callable[[], datetime] = clock) -> None:
        self._now = now
        self._said: dict[tuple[str, str], tuple[datetime, str, LineTruth]] = {}

    async def offers(self, hub: BusinessHub, customer: str, products: Sequence[Item]) -> Offers:
        """These products for this customer."""
        now = self._now()
        known = {one.id: self._said.get((customer, one.id)) for one in products}
        wanted = [one for one in products if (said := known[one.id]) is None or now - said[0] > FRESH]
        stale = False
        try:
            await self._ask(hub, customer, wanted)
        except Retryable:
            stale = True
        told = {one.id: found for one in products if (found := self._said.get((customer, one.id))) is not None}
        times = [at for at, _, _ in told.values()]
        return Offers(
            currency=next((currency for _, currency, _ in told.values()), ""),
            lines={id: line for id, (_, _, line) in told.items()},
            at=min(times) if times else None,
            stale=stale,
        )

    async def _ask(self, hub: BusinessHub, customer: str, products: Sequence[Item]) -> None:
        if not products:
            return
        lines = tuple(
            AskedLine(product=one.id, sku=str(one.fields.get("sku")), quantity=Decimal(1)) for one in products
        )
        try:
            truth = await ask_truth(hub, Asked(customer=customer, lines=lines))
        except NeedsPerson:
            # One of them cannot be sold: which, is found by halves.
            if len(products) > 1:
                half = len(products) // 2
                await self._ask(hub, customer, products[:half])
                await self._ask(hub, customer, products[half:])
            return
        if len(self._said) > REMEMBERED:
            self._said.clear()
        for one, line in zip(products, truth.lines, strict=True):
            self._said[customer, one.id] = (self._now(), truth.currency, replace(line, cost_price=None))
