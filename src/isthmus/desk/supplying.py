"""What the ERP knows of a material request: price, stock and credit before it is ordered, deliveries afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from isthmus.connector.logistics import (
    SALE_SHIPMENTS,
    STATIONED,
    TRANSFER_STOCK,
    TRANSFERS,
    GoodsLine,
    References,
    SalesAsked,
    Shipment,
    Shipments,
    Stationed,
    StationedAsked,
    TransferAsked,
)
from isthmus.connector.services import (
    AVAILABLE_TO_PROMISE,
    CREDIT,
    SIMULATE_ORDER,
    CreditAsked,
    CreditStanding,
    OrderAsked,
    StockAsked,
    WantedLine,
)
from isthmus.desk.documents import amount_of, keys_in, one
from isthmus.desk.ports import BusinessHub
from isthmus.desk.requesting import Outcome, Sent, SentState, Supply, Wanted, outcome
from isthmus.errors import Misconfigured, NeedsPerson
from isthmus.model.fields import decimal_text
from isthmus.model.state import Link, LinkState

__all__ = [
    "Priced",
    "Seen",
    "ask_price",
    "deliveries_of",
    "look_at",
    "order_transfer",
    "outcome_of",
    "sale_of",
    "station_stock",
    "supplier",
    "wanted_of",
]


class Priced(msgspec.Struct, frozen=True, kw_only=True):
    """What the ERP says of a request that is not ordered yet. ``limit`` and ``used``: the customer's credit there."""

    lines: tuple[dict[str, Any], ...]
    currency: str
    limit: Decimal | None
    used: Decimal


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What the ERP shows of a request that is ordered. ``deliveries`` are in the document's own terms; ``problem`` says
    why there is nothing to see yet."""

    deliveries: tuple[dict[str, Any], ...]
    closed: bool
    problem: str = ""
    stock: tuple[dict[str, Any], ...] = ()


def supplier(hub: BusinessHub) -> str:
    """The system that moves goods. Raises ``Misconfigured``."""
    return hub.answering(TRANSFER_STOCK.name, "SalesOrder")


async def ask_price(hub: BusinessHub, request: Mapping[str, Any]) -> Priced:
    """Prices, stock and credit now. What a station buys is priced by the ERP for its customer; what stays the company's
    own is counted at list price. Raises :class:`NeedsPerson`, ``Unavailable``, ``Misconfigured``."""
    system = supplier(hub)
    station = (await one(hub, request["station"])).fields
    products = await hub.items({line["product"] for line in request["lines"]})
    names = {id: str(item.fields.get("sku") or id) for id, item in products.items()}
    keys = await keys_in(hub, system, names)
    asked = tuple(
        WantedLine(product=keys[line["product"]], quantity=amount_of(line["quantity"])) for line in request["lines"]
    )
    stock = await hub.ask(system, AVAILABLE_TO_PROMISE.name, StockAsked(lines=asked))
    standing = None
    if request["supply"] == Supply.SALES_ORDER:
        party = (await keys_in(hub, system, {station["customer"]: "The station's customer"}))[station["customer"]]
        priced = await hub.ask(system, SIMULATE_ORDER.name, OrderAsked(party=party, lines=asked))
        currency, values = priced.currency, [(line.unit_price, line.amount) for line in priced.lines]
        standing = await _credit(hub, system, party)
    else:
        currency, values = _list_values(request["lines"], products)
    lines = tuple(
        {
            **line,
            "unit_price": str(price),
            "amount": str(amount),
            "available": None if here.on_hand is None else str(here.on_hand),
        }
        for line, (price, amount), here in zip(request["lines"], values, stock.lines, strict=True)
    )
    return Priced(
        lines=lines,
        currency=currency,
        limit=standing.limit if standing else None,
        used=standing.used if standing else Decimal(0),
    )


def _list_values(
    lines: Sequence[Mapping[str, Any]], products: Mapping[str, Any]
) -> tuple[str, list[tuple[Decimal, Decimal]]]:
    currencies, values = set(), []
    for line in lines:
        price = products[line["product"]].fields.get("list_price") or {}
        amount = amount_of(price.get("amount"))
        currencies.add(price.get("currency") or "")
        values.append((amount, amount * amount_of(line["quantity"])))
    currencies.discard("")
    if len(currencies) > 1:
        raise NeedsPerson(f"The products are priced in {', '.join(sorted(currencies))}.", field="lines")
    return next(iter(currencies), ""), values


async def _credit(hub: BusinessHub, system: str, party: str) -> CreditStanding | None:
    try:
        hub.answering(CREDIT.name, "SalesOrder")
    except Misconfigured:
        return None
    answer: CreditStanding = await hub.ask(system, CREDIT.name, CreditAsked(party=party))
    return answer


async def order_transfer(
    hub: BusinessHub, request: Mapping[str, Any], reference: str, quantities: Mapping[str, Decimal]
) -> str:
    """Have goods (product -> quantity) moved to the station, once for each reference. Answers the reference."""
    system = supplier(hub)
    station = (await one(hub, request["station"])).fields
    target = station["consignment_place"] if request["supply"] == Supply.FILL_UP else station["place"]
    products = await hub.items(list(quantities))
    keys = await keys_in(hub, system, {id: str(item.fields.get("sku") or id) for id, item in products.items()})
    lines = tuple(GoodsLine(product=keys[id], quantity=amount) for id, amount in quantities.items() if amount > 0)
    asked = TransferAsked(reference=reference, target=str(target), lines=lines)
    await hub.ask(system, TRANSFER_STOCK.name, asked, token=reference)
    return reference


def sale_of(links: Sequence[Link], system: str, order: str) -> tuple[str | None, str]:
    """Key of the ERP's sale for an order that the hub has made (None: it is not there yet), and what stands in its way
    (empty: nothing)."""
    for link in links:
        if link.item == order and link.system == system:
            told = link.problem.message if link.problem is not None else ""
            if link.state is LinkState.LINKED and link.key is not None:
                return link.key, told
            return None, told or "The ERP does not have the order yet."
    return None, "The ERP does not have the order yet."


async def look_at(hub: BusinessHub, request: Mapping[str, Any]) -> Seen:
    """How far the deliveries of an ordered request are. Raises ``Unavailable``."""
    system = supplier(hub)
    closed, problem = bool(request.get("complete")), ""
    if request.get("order"):
        key, problem = sale_of(await hub.links([request["order"]]), system, request["order"])
        if key is None:
            return Seen(deliveries=(), closed=False, problem=problem)
        shown: Shipments = await hub.ask(system, SALE_SHIPMENTS.name, SalesAsked(sales=(key,)))
        closed = closed or key in shown.closed
    else:
        references = tuple(request.get("transfers") or ())
        shown = await hub.ask(system, TRANSFERS.name, References(references=references))
    products = {line["product"] for line in request["lines"]}
    keys = await keys_in(hub, system, dict.fromkeys(products, "A product of the request"))
    found = deliveries_of(shown.shipments, {key: product for product, key in keys.items()})
    stock = await station_stock(hub, request, keys)
    return Seen(deliveries=tuple(found), closed=closed, problem=problem, stock=tuple(stock))


def deliveries_of(shipments: Sequence[Shipment], products: Mapping[str, str]) -> list[dict[str, Any]]:
    """Deliveries in the document's terms (``products``: key in the ERP -> item). Cancelled ones are none."""
    living = [one for one in shipments if one.state.value != SentState.CANCELLED]
    return [
        {
            "id": one.key,
            "number": one.number,
            "child": at > 0,
            "state": str(one.state),
            "left_on": one.left_on,
            "arrived_on": one.arrived_on,
            "lines": [
                {"product": products.get(line.product), "quantity": decimal_text(line.quantity), "unit": line.unit}
                for line in one.lines
            ],
        }
        for at, one in enumerate(living)
    ]


async def station_stock(hub: BusinessHub, request: Mapping[str, Any], keys: Mapping[str, str]) -> list[dict[str, Any]]:
    """Stock of these products (item -> key in the ERP) at the station's places, on hand and under way."""
    station = (await one(hub, request["station"])).fields
    places = {
        place: kind
        for kind in ("consignment_place", "place")
        if (place := station.get(kind)) and isinstance(place, str)
    }
    if not places:
        return []
    asked = StationedAsked(places=tuple(places), products=tuple(sorted(keys.values())))
    answer: Stationed = await hub.ask(supplier(hub), STATIONED.name, asked)
    there = {(one.place, one.product): one for one in answer.stock}
    found = []
    for place in places:
        for product, key in sorted(keys.items()):
            stock = there.get((place, key))
            found.append(
                {
                    "place": place,
                    "product": product,
                    "on_hand": str(stock.on_hand if stock else 0),
                    "in_transit": str(stock.in_transit if stock else 0),
                }
            )
    return found


def wanted_of(request: Mapping[str, Any]) -> list[Wanted]:
    """Positions of a request, for the rules."""
    return [
        Wanted(
            id=str(line["id"]),
            product=line["product"],
            quantity=amount_of(line["quantity"]),
            amount=amount_of(line.get("amount")),
            available=None if line.get("available") is None else amount_of(line["available"]),
        )
        for line in request["lines"]
    ]


def outcome_of(request: Mapping[str, Any], deliveries: Sequence[Mapping[str, Any]], *, closed: bool) -> Outcome:
    """What these deliveries come to."""
    sent = [
        Sent(
            id=str(one["id"]),
            state=SentState(one["state"]),
            quantities=_quantities(one["lines"]),
        )
        for one in deliveries
    ]
    return outcome(wanted_of(request), sent, closed=closed)


def _quantities(lines: Sequence[Mapping[str, Any]]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for line in lines:
        product = line.get("product")
        if product is not None:
            found[product] = found.get(product, Decimal(0)) + amount_of(line["quantity"])
    return found
