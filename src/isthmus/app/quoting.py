"""Quotes as people use them: asking for one, making, revising, sending, looking. :mod:`.quote_answers` accepts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from isthmus.desk.documents import one, stop_process
from isthmus.desk.naming import customer as named_customer
from isthmus.desk.naming import document, in_states, named, products, skus_of
from isthmus.desk.ordering import Asked, AskedLine, Simulation, Truth
from isthmus.desk.ports import BusinessHub, DeskTransaction
from isthmus.desk.processes.quote import LOCKS, SEND, change_quote
from isthmus.desk.processes.quote import quote as quote_process
from isthmus.desk.quoting import (
    REVISABLE,
    STATES,
    WantedLine,
    agreed,
    conceded,
    holds_until,
    lines_of,
    next_number,
    offered,
    totals_of,
)
from isthmus.desk.simulating import ask_truth
from isthmus.errors import NeedsPerson
from isthmus.model.state import Cause, Item
from isthmus.process import Process, signal, start

__all__ = [
    "ENTITY",
    "QuoteView",
    "list_quotes",
    "make_quote",
    "request_quote",
    "revise_quote",
    "send_quote",
    "show_quote",
]

ENTITY = "Quote"
NONE = Decimal(0)
EVERY = 100_000
"""Quotes of one customer that are looked at."""


class QuoteView(msgspec.Struct, frozen=True, kw_only=True):
    """A quote, all its versions (numbers, the first one first), and what its process waits for and from whom."""

    quote: Item
    customer: str
    skus: dict[str, str]
    versions: Sequence[str]
    order: Item | None
    process: Process | None


class Priced(msgspec.Struct, frozen=True, kw_only=True):
    """What is offered, and what the ERP says of it."""

    asked: Asked
    truth: Truth

    def fields(self) -> dict[str, Any]:
        """As the document keeps it."""
        return {
            "lines": lines_of(self.asked, self.truth),
            **totals_of(self.truth),
            "conceded": conceded(self.truth),
        }


async def request_quote(
    hub: BusinessHub, lines: Sequence[WantedLine], *, customer: str | None = None, prospect: str = "", email: str = "",
    note: str = "", wanted_on: str | None = None, by: str, key: str | None = None,
) -> Item:  # fmt: skip
    """Ask sales for a quote: a customer (number, name, tax id or item), or a ``prospect`` with a mail address. Without
    lines the ``note`` says what is wanted, and sales finds the lines. The same ``key`` again is the same quote. Raises
    :class:`NeedsPerson` for what is not known."""
    if customer is None and not (prospect.strip() and "@" in email):
        raise NeedsPerson("Say who asks: a customer, or a prospect with a mail address.", field="customer")
    if not lines and not note.strip():
        raise NeedsPerson("Say what you need: lines, or in words.", field="lines")
    buyer = None if customer is None else await named_customer(hub, customer)
    positions = [
        {"id": str(at), "product": line.product, "quantity": line.quantity}
        for at, line in enumerate(await _positions(hub, lines) if lines else (), 1)
    ]
    fields = {
        "customer": None if buyer is None else buyer.id,
        "prospect": prospect.strip() or None,
        "email": email.strip().lower() or None,
        "lines": positions,
        "note": note or None,
        "wanted_on": wanted_on,
        "requester": by,
        "state": "requested",
    }
    return await _new(hub, fields, by=by, key=key)


async def make_quote(
    hub: BusinessHub, lines: Sequence[WantedLine] = (), *, customer: str | None = None, opportunity: str | None = None,
    request: str | None = None, discount: Decimal = NONE, valid_until: str | None = None, wanted_on: str | None = None,
    note: str = "", email: str = "", by: str, key: str | None = None,
) -> Item:  # fmt: skip
    """Make a quote at the ERP's own prices less ``discount`` (a share), or at those that a line names. ``by`` is the
    salesperson's mail address.

    For a customer; for an ``opportunity`` of the CRM (its key there, name or item) or a ``request`` (number), which
    give customer and lines where none are given. It is not sent yet. The same ``key`` again is the same quote.

    Raises :class:`NeedsPerson` for what is not known or refused by the ERP, ``Unavailable`` when that is down.
    """
    if "@" not in by:
        raise NeedsPerson(f"'{by}' is no login of a salesperson.", advice="Logins are mail addresses.")
    if key is not None and (known := (await hub.items([f"quote-{key}"])).get(f"quote-{key}")) is not None:
        return known
    asked_for = None if request is None else await document(hub, ENTITY, request)
    deal = None if opportunity is None else await deal_of(hub, opportunity)
    source: Mapping[str, Any] = asked_for.fields if asked_for is not None else deal.fields if deal is not None else {}
    buyer = await named_customer(hub, customer) if customer else await _buyer(hub, source)
    wanted = wanted_on or source.get("wanted_on")
    positions = await _positions(hub, lines) if lines else _asked_lines(source, await _skus(hub, source))
    until = holds_until(valid_until, hub.now())
    priced = await _price(hub, buyer.id, positions, discount, wanted)
    fields = {
        "customer": buyer.id,
        "opportunity": None if deal is None else deal.id,
        "salesperson": by.strip().lower(),
        "wanted_on": wanted,
        "note": note or None,
        "valid_until": until,
        "state": "draft",
        **({"email": email.strip().lower()} if email else {}),
        **priced.fields(),
    }
    simulation = _simulation(hub, priced, until)
    if asked_for is not None:
        return await _priced_request(hub, asked_for, fields, simulation, by=by)
    return await _new(hub, {**fields, "requester": by}, by=by, key=key, simulation=simulation)


async def revise_quote(
    hub: BusinessHub, number: str, lines: Sequence[WantedLine] = (), *, discount: Decimal | None = None,
    valid_until: str | None = None, note: str | None = None, by: str,
) -> Item:  # fmt: skip
    """Make the next version, priced anew: the same positions when none are given, at the ERP's own prices less
    ``discount`` (None: what was conceded before, position by position). The former is replaced and stays readable.
    Raises as :func:`make_quote`, and :class:`NeedsPerson` for one that was accepted or replaced."""
    former = await document(hub, ENTITY, number)
    _must_be(former, REVISABLE, "revised")
    fields = former.fields
    positions = await _positions(hub, lines) if lines else _asked_lines(fields, await skus_of(hub, former))
    until = holds_until(valid_until, hub.now())
    if not lines and discount is None:
        positions = _as_before(positions, fields)
    priced = await _price(hub, str(fields["customer"]), positions, discount or NONE, fields.get("wanted_on"))
    simulation = _simulation(hub, priced, until)
    kept = ("customer", "prospect", "email", "opportunity", "requester", "salesperson", "wanted_on", "original")
    version = int(fields.get("version") or 1) + 1
    made = {
        **{name: fields.get(name) for name in kept},
        "note": fields.get("note") if note is None else note or None,
        "valid_until": until,
        "replaces": fields["number"],
        "version": version,
        "number": next_number(str(fields["original"]), version),
        "state": "draft",
        **priced.fields(),
    }
    async with hub.transaction() as tx:
        await tx.lock(LOCKS)
        now = (await tx.items([former.id]))[former.id]
        _must_be(now, REVISABLE, "revised")
        await stop_process(hub, tx, str(now.fields["process"]), by=by)
        cause = Cause("person", by)
        await change_quote(hub, tx, cause, now, {"state": "replaced", "replaced_by": made["number"]})
        return await _store(hub, tx, made, cause, id=f"quote-{hub.new_id()}", simulation=simulation)


async def send_quote(hub: BusinessHub, number: str, *, by: str) -> Item:
    """Send a draft: it is approved first where the rules ask for it. Raises :class:`NeedsPerson` when it is none."""
    found = await document(hub, ENTITY, number)
    async with hub.transaction() as tx:
        await tx.lock(LOCKS)
        now = (await tx.items([found.id]))[found.id]
        _must_be(now, ("draft",), "sent")
        run = str(now.fields["process"])
        await signal(tx, run, SEND, "send", id=f"{run}/{SEND}", by=by, now=hub.now())
    return now


async def show_quote(hub: BusinessHub, number: str) -> QuoteView:
    """One quote."""
    found = await document(hub, ENTITY, number)
    versions = await hub.find(ENTITY, "original", found.fields.get("original"))
    order = found.fields.get("order")
    async with hub.transaction() as tx:
        process = await tx.processes.load(str(found.fields.get("process") or ""))
    buyer = found.fields.get("customer")
    return QuoteView(
        quote=found,
        customer=str((await one(hub, buyer)).fields.get("name")) if buyer else str(found.fields.get("prospect") or ""),
        skus=await skus_of(hub, found),
        versions=[
            str(each.fields["number"]) for each in sorted(versions, key=lambda each: each.fields.get("version") or 1)
        ],
        order=(await hub.items([order])).get(order) if order else None,
        process=process,
    )


async def list_quotes(
    hub: BusinessHub, states: Sequence[str], limit: int, *, customer: str | None = None
) -> list[Item]:
    """Quotes in these states (any, when none is given), of this customer (item) where one is named; the newest
    first."""
    if customer is None:
        found = await in_states(hub, ENTITY, states, STATES)
    else:
        every = await hub.find(ENTITY, "customer", customer, EVERY)
        found = [each for each in every if not states or each.fields.get("state") in states]
    return sorted(found, key=lambda each: (str(each.fields.get("original")), _version(each)), reverse=True)[:limit]


async def deal_of(hub: BusinessHub, text: str) -> Item:
    """The CRM's opportunity of this key there, name or item."""
    return await named(hub, "Opportunity", ("number", "name"), text)


def _version(quote: Item) -> int:
    return int(quote.fields.get("version") or 1)


def _must_be(quote: Item, states: Sequence[str], what: str) -> None:
    state = quote.fields.get("state")
    if state not in states:
        newer = quote.fields.get("replaced_by")
        raise NeedsPerson(
            f"{quote.fields.get('number')} is {state}{f' by {newer}' if newer else ''}; it cannot be {what}.",
            field="state",
        )


# -- making ----------------------------------------------------------------------------------------------------------


async def _price(
    hub: BusinessHub, customer: str, positions: Sequence[AskedLine], discount: Decimal, wanted_on: str | None
) -> Priced:
    """At the ERP's own prices first; then, where something else is offered, what it makes of that."""
    if not NONE <= discount < 1:
        raise NeedsPerson("A discount is from 0 to less than 100 %.", field="discount")
    asked = Asked(customer=customer, lines=tuple(positions), wanted_on=wanted_on)
    own = await ask_truth(hub, replace(asked, lines=tuple(replace(line, unit_price=None) for line in positions)))
    wanted = offered(asked, own, discount)
    return Priced(asked=wanted, truth=agreed(wanted, own) or await ask_truth(hub, wanted))


def _simulation(hub: BusinessHub, priced: Priced, until: Any) -> Simulation:
    return Simulation(id=hub.new_id(), asked=priced.asked, truth=priced.truth, made_at=hub.now(), expires_at=until)


async def _new(
    hub: BusinessHub, fields: Mapping[str, Any], *, by: str, key: str | None, simulation: Simulation | None = None
) -> Item:
    item = f"quote-{key}" if key else f"quote-{hub.new_id()}"
    async with hub.transaction() as tx:
        await tx.lock(LOCKS)
        known = (await tx.items([item])).get(item)
        if known is not None:
            return known
        number = f"QU-{hub.now():%Y}-{await tx.next_number(f'QU-{hub.now():%Y}'):05d}"
        numbered = {**fields, "number": number, "original": number, "version": 1, "requested_at": hub.now()}
        return await _store(hub, tx, numbered, Cause("person", by), id=item, simulation=simulation)


async def _store(
    hub: BusinessHub, tx: DeskTransaction, fields: Mapping[str, Any], cause: Cause, *, id: str,
    simulation: Simulation | None,
) -> Item:  # fmt: skip
    """Make the item and start its process."""
    run = f"quote/{fields['number']}"
    named_by = {"process": run}
    if simulation is not None:
        await tx.simulations.add(simulation)
        named_by["simulation"] = simulation.id
    made = await hub.edits(tx, cause, *LOCKS).create(ENTITY, {**fields, **named_by}, id=id, alike=True)
    await start(tx, quote_process, {"quote": id, "requested": simulation is None}, id=run, now=hub.now())
    # The deal shows it from now on.
    return await change_quote(hub, tx, cause, made, {})


async def _priced_request(
    hub: BusinessHub, request: Item, fields: Mapping[str, Any], simulation: Simulation, *, by: str
) -> Item:
    async with hub.transaction() as tx:
        await tx.lock(LOCKS)
        now = (await tx.items([request.id]))[request.id]
        _must_be(now, ("requested",), "made into an offer")
        await tx.simulations.add(simulation)
        priced = {**fields, "simulation": simulation.id}
        return await change_quote(hub, tx, Cause("person", by), now, priced)


async def _positions(hub: BusinessHub, lines: Sequence[WantedLine]) -> list[AskedLine]:
    if not lines:
        raise NeedsPerson("A quote needs a line.", field="lines")
    for line in lines:
        if line.quantity <= 0 or (line.unit_price is not None and line.unit_price < 0):
            raise NeedsPerson(f"{line.sku}: quantity above zero, and no price below it.", field="lines")
    known = await products(hub, [line.sku for line in lines])
    return [
        AskedLine(
            product=known[line.sku].id, sku=str(known[line.sku].fields.get("sku")), quantity=line.quantity,
            unit_price=line.unit_price,
        )
        for line in lines
    ]  # fmt: skip


async def _buyer(hub: BusinessHub, source: Mapping[str, Any]) -> Item:
    if not source.get("customer"):
        raise NeedsPerson("Say for which customer.", field="customer")
    return await one(hub, str(source["customer"]))


async def _skus(hub: BusinessHub, source: Mapping[str, Any]) -> dict[str, str]:
    products = await hub.items({line["product"] for line in source.get("lines") or () if line.get("product")})
    return {id: str(item.fields.get("sku") or id) for id, item in products.items()}


def _asked_lines(source: Mapping[str, Any], skus: Mapping[str, str]) -> list[AskedLine]:
    """The positions of a request, a deal or a former version; what is no product cannot be priced."""
    lines = source.get("lines") or ()
    if not lines or any(line.get("product") not in skus for line in lines):
        raise NeedsPerson("Say what is to be offered: these positions are no products.", field="lines")
    return [
        AskedLine(product=line["product"], sku=skus[line["product"]], quantity=Decimal(str(line["quantity"])))
        for line in lines
    ]


def _as_before(positions: Sequence[AskedLine], former: Mapping[str, Any]) -> list[AskedLine]:
    """Positions for which another price than the ERP's own was offered keep it."""
    return [
        replace(line, unit_price=Decimal(str(old["unit_price"])))
        if Decimal(str(old["unit_price"])) != Decimal(str(old["own_price"]))
        else line
        for line, old in zip(positions, former["lines"], strict=True)
    ]
