"""Answering quotes: accepted by the customer or sales, a quote is one order; or it is rejected, or withdrawn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from isthmus.app.ordering import LOOK_AGAIN, Orderer, Placed, answer_of, beyond_credit, keep, make_order, terms_moved
from isthmus.app.quoting import ENTITY
from isthmus.desk.costing import without_costs
from isthmus.desk.documents import one, stop_process
from isthmus.desk.naming import document
from isthmus.desk.ordering import Difference, Simulation, Truth
from isthmus.desk.ports import BusinessHub
from isthmus.desk.processes.quote import ANSWER, LOCKS, change_quote
from isthmus.desk.quoting import ACCEPTABLE, OPEN, as_ordered, held
from isthmus.desk.simulating import ask_truth
from isthmus.errors import NeedsPerson, Retryable
from isthmus.model.state import Cause, Item
from isthmus.process import signal

__all__ = ["Accepted", "accept_quote", "reject_quote"]


class Accepted(Placed, frozen=True, kw_only=True):
    """What became of accepting, see :class:`~isthmus.app.ordering.Placed`. ``moved``: nothing was ordered; accepting
    again with ``simulation`` as ``seen`` orders all the same. ``held``: the ERP's own prices that are others now, while
    those of the quote are kept."""

    quote: str
    held: tuple[Difference, ...] = ()


async def accept_quote(
    hub: BusinessHub, number: str, *, by: str, role: str = "", seen: str | None = None, patience: float = 5.0
) -> Accepted:
    """Accept a quote that was sent and still holds: it becomes one order at its prices, however often it is accepted.

    The ERP is asked first what the order would come to now. Its own prices may have moved, the quote's are kept. What
    cannot be kept (a later day, another tax, a price that the ERP does not take) is shown, and nothing is ordered until
    somebody accepts again what was ``seen``. When the ERP does not answer the order is kept, checked as soon as it
    does, and made then. For ``role`` and the credit limit see :func:`~isthmus.app.ordering.place`.

    An order that its deal has become already in the CRM, because somebody has won it there, is the quote's order:
    nothing is ordered a second time. It was made at the ERP's own price; where that is not what the quote has promised
    it is shown first, and accepted like anything else that has moved.

    Raises :class:`NeedsPerson` for a quote that was not sent, was replaced, rejected, or does not hold any more, and
    while the order of a deal that was just won is still being made.
    """
    done = await _accept(hub, number, Orderer(by, role), seen, patience)
    return replace(done, simulation=without_costs(done.simulation))


async def _accept(hub: BusinessHub, number: str, orderer: Orderer, seen: str | None, patience: float) -> Accepted:
    quote = await document(hub, ENTITY, number)
    if quote.fields.get("order"):
        return await _ordered(hub, quote, patience)
    _must_hold(hub, quote)
    shown = await _shown(hub, quote, seen)
    overtaken = await _order_of_deal(hub, quote)
    if overtaken is not None:
        return await _accept_overtaken(hub, quote, shown, overtaken, orderer, seen, patience)
    now: Truth | None = None
    try:
        now = await ask_truth(hub, shown.asked)
    except NeedsPerson as error:
        return Accepted(quote=number, state="refused", simulation=shown, reason=error.message)
    except Retryable:
        pass  # The order is kept, and checked when the ERP is back.
    moved = _moved(hub, shown, now)
    if now is not None and moved:
        again = await keep(hub, shown.asked, now)
        return Accepted(quote=number, state="moved", simulation=again, differences=moved, held=held(shown.truth, now))
    if now is not None and (reason := beyond_credit(hub, now)):
        return Accepted(quote=number, state="refused", simulation=shown, reason=reason)
    made = await _make(hub, quote, shown, now, orderer, None)
    if made is None:
        return await _accept(hub, number, orderer, seen, patience)
    return await _ordered(hub, made, patience, () if now is None else held(shown.truth, now))


async def _accept_overtaken(
    hub: BusinessHub, quote: Item, shown: Simulation, order: str, orderer: Orderer, seen: str | None, patience: float
) -> Accepted:
    """The deal was won before: its order is the quote's, once somebody has seen where it is not what was promised."""
    number = str(quote.fields["number"])
    fields = await _lines_known(hub, order, patience)
    truth, moved = as_ordered(shown.asked, shown.truth, fields)
    if moved and not (seen is not None and shown.truth.total == truth.total):
        again = await keep(hub, shown.asked, truth)
        return Accepted(quote=number, state="moved", simulation=again, differences=moved, number=fields.get("number"))
    made = await _make(hub, quote, shown, None, orderer, order)
    if made is None:
        return await _accept(hub, number, orderer, seen, patience)
    return await _ordered(hub, made, patience)


async def _lines_known(hub: BusinessHub, order: str, patience: float) -> Mapping[str, Any]:
    """Fields of an order as soon as the ERP has told its lines. Raises :class:`NeedsPerson` when that takes too
    long."""
    until = time.monotonic() + patience
    while True:
        fields = (await one(hub, order)).fields
        if fields.get("lines") and fields.get("total"):
            return fields
        if time.monotonic() >= until:
            raise NeedsPerson(
                "The deal of this quote was won, and the ERP is making its order.",
                advice="Accept the quote again in a moment: then it is shown what the order comes to.",
                field="opportunity",
            )
        await asyncio.sleep(LOOK_AGAIN)


async def reject_quote(hub: BusinessHub, number: str, *, reason: str = "", by: str) -> Item:
    """The customer does not want it; one that the customer does not have yet is withdrawn. The same again changes
    nothing. Raises :class:`NeedsPerson` for one that was answered otherwise or does not hold any more."""
    quote = await document(hub, ENTITY, number)
    async with hub.transaction() as tx:
        await tx.lock(LOCKS)
        now = (await tx.items([quote.id]))[quote.id]
        state, run = now.fields.get("state"), str(now.fields["process"])
        if state in ("rejected", "withdrawn"):
            return now
        if state not in (*OPEN, "refused"):
            raise NeedsPerson(f"{number} is {state} already.", field="state")
        outcome = "rejected" if state == ACCEPTABLE else "withdrawn"
        fields = {"state": outcome, "reason": reason.strip() or None, "answered_by": by}
        made = await change_quote(hub, tx, Cause("person", by), now, fields)
        if state == ACCEPTABLE:
            await signal(tx, run, ANSWER, outcome, id=f"{run}/{ANSWER}", by=by, now=hub.now())
        else:
            await stop_process(hub, tx, run, by=by)
    return made


def _must_hold(hub: BusinessHub, quote: Item) -> None:
    fields = quote.fields
    state, newer = fields.get("state"), fields.get("replaced_by")
    if newer:
        raise NeedsPerson(f"{fields.get('number')} is replaced by {newer}.", advice=f"Accept {newer}.", field="state")
    over = fields.get("valid_until") is not None and hub.now() > msgspec.convert(fields["valid_until"], datetime)
    if state == "expired" or (state == ACCEPTABLE and over):
        raise NeedsPerson(
            f"{fields.get('number')} held until {fields.get('valid_until')}.",
            advice="Revise it: the next version is priced anew.",
            field="valid_until",
        )
    if state != ACCEPTABLE:
        raise NeedsPerson(f"{fields.get('number')} is {state}; one that was sent can be accepted.", field="state")


async def _shown(hub: BusinessHub, quote: Item, seen: str | None) -> Simulation:
    """What whoever accepts has seen: the quote itself, or what has moved since."""
    own = str(quote.fields["simulation"])
    async with hub.transaction() as tx:
        found = await tx.simulations.load(seen or own)
        first = await tx.simulations.load(own)
    if found is None or first is None or found.asked != first.asked:
        raise NeedsPerson(f"{seen or own} does not say what became of this quote.", field="seen")
    return found


def _moved(hub: BusinessHub, shown: Simulation, now: Truth | None) -> tuple[Difference, ...]:
    if now is None:
        return ()
    moved = terms_moved(hub, shown.truth, now)
    if shown.expired(hub.now()):
        moved = (Difference(what="expired", before=str(shown.expires_at), now=str(hub.now())), *moved)
    return moved


async def _make(
    hub: BusinessHub, quote: Item, shown: Simulation, truth: Truth | None, orderer: Orderer, expected: str | None
) -> Item | None:
    """The order, the quote's state and the news for its process in one transaction, unless somebody was faster.
    ``expected``: the order that its deal is by now, as far as the caller has seen; None comes back when it is not."""
    async with hub.transaction() as tx:
        await tx.lock([*LOCKS, "SalesOrder"])
        now = (await tx.items([quote.id]))[quote.id]
        if now.fields.get("order"):
            return now
        _must_hold(hub, now)
        order = await _order_of_deal(hub, now)
        if order != expected:
            return None
        if order is None:
            deal = await _deal(hub, now)
            reference = str(now.fields["number"])
            made = await make_order(hub, tx, shown, truth, orderer, deal=deal, reference=reference)
            order = made.order
        else:
            await tx.simulations.placed(shown.id, order=order, client_key=None)
        fields = {"state": "accepted", "answered_by": orderer.by, "order": order, "simulation": shown.id}
        accepted = await change_quote(hub, tx, Cause("person", orderer.by), now, fields)
        run = str(now.fields["process"])
        await signal(tx, run, ANSWER, "accepted", id=f"{run}/{ANSWER}", by=orderer.by, now=hub.now())
    return accepted


async def _deal(hub: BusinessHub, quote: Item) -> str | None:
    """The CRM's own key of the opportunity."""
    found = quote.fields.get("opportunity")
    return str((await one(hub, str(found))).fields.get("number")) if found else None


async def _order_of_deal(hub: BusinessHub, quote: Item) -> str | None:
    """The order that the deal has become already in the CRM. Raises :class:`NeedsPerson` when it is another quote's."""
    deal = await _deal(hub, quote)
    for order in [] if deal is None else await hub.find("SalesOrder", "deal", deal):
        if order.fields.get("state") in ("cancelled", "withdrawn", "refused"):
            continue
        for other in await hub.find(ENTITY, "order", order.id):
            raise NeedsPerson(f"The deal is ordered already, by {other.fields.get('number')}.", field="opportunity")
        return order.id
    return None


async def _ordered(hub: BusinessHub, quote: Item, patience: float, kept: tuple[Difference, ...] = ()) -> Accepted:
    """What the ERP says of the order."""
    order = str(quote.fields["order"])
    shown = replace(await _shown(hub, quote, None), order=order)
    placed = await answer_of(hub, shown, patience)
    return Accepted(**msgspec.structs.asdict(placed), quote=str(quote.fields["number"]), held=kept)
