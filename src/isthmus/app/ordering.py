"""Taking orders: simulate, place, look. What is asked is named by people (SKU, customer's number or name)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from isthmus.app.bootstrap import clock
from isthmus.app.ledgers import ledger_of_order, skus
from isthmus.desk.approvals import awaited_request
from isthmus.desk.costing import without_costs
from isthmus.desk.credit_release import CHECKING, case_of, decided_by_rules
from isthmus.desk.ledger import Ledger
from isthmus.desk.naming import customer as named_customer
from isthmus.desk.naming import named
from isthmus.desk.naming import products as named_products
from isthmus.desk.ordering import ORDERED, VALID_FOR, Asked, AskedLine, Difference, Simulation, Truth, differences
from isthmus.desk.ports import BusinessHub, DeskTransaction
from isthmus.desk.processes.order import ACCEPT
from isthmus.desk.processes.order import order as order_process
from isthmus.desk.simulating import ask_truth
from isthmus.errors import NeedsPerson, Retryable
from isthmus.model.state import Cause, Item, LinkState
from isthmus.process import Process, ProcessState, signal, start
from isthmus.store import PostgresStore

__all__ = [
    "OrderView",
    "Orderer",
    "Placed",
    "answer",
    "answer_of",
    "beyond_credit",
    "forget_simulations",
    "is_asked",
    "keep",
    "make_order",
    "place",
    "show",
    "simulate",
    "terms_moved",
]

KEEP_FOR = timedelta(days=30)
"""How long a simulation is kept of which no order came."""
LOOK_AGAIN = 0.1
"""Seconds between looks at whether the ERP has answered an order just placed."""
BEING_CHECKED = "It is being checked; nothing is ordered until that is done."
DECLINED = "The order was checked, and is not accepted."


class Orderer(NamedTuple):
    """Who orders, and in which role; empty when that is not known."""

    by: str
    role: str = ""


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of placing; ``simulation`` says nothing of costs. ``state``:

    * ``ordered``: the ERP has confirmed it; number, total and discount are its own.
    * ``kept``: the order stands in the hub and will be confirmed later (the ERP is down, slow or has not answered).
    * ``checking``: the order stands in the hub, and somebody decides about the credit limit that it would exceed.
    * ``moved``: nothing was ordered; ``differences`` say what is otherwise now, and ``simulation`` can be placed.
    * ``refused``: nothing was ordered, for ``reason``; with an ``order``, whoever checked it has refused it.
    * ``cancelled``: it was ordered, and is cancelled or gone since.
    """

    state: str
    simulation: Simulation
    differences: tuple[Difference, ...] = ()
    reason: str = ""
    order: str | None = None
    number: str | None = None
    currency: str | None = None
    total: str | None = None
    discount: str | None = None


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """An order with its documents."""

    order: Item
    simulation: Simulation | None
    deviations: tuple[Difference, ...]
    """Where the ERP's order is not what was placed: somebody changed it there, or it priced otherwise after all."""
    ledger: Ledger
    problems: Sequence[str]


async def simulate(
    hub: BusinessHub,
    customer: str,
    lines: Sequence[tuple[str, Decimal]],
    *,
    wanted_on: str | None = None,
    reference: str | None = None,
    costs: bool = False,
) -> Simulation:
    """Ask the ERP what these (SKU, quantity) would come to for this customer, and keep the answer. ``costs``: whether
    whoever asks may see what it costs the company; without it the answer does not say.

    Raises :class:`NeedsPerson` when something is not known or the ERP refuses it, ``Unavailable`` when it is down.
    """
    if not lines:
        raise NeedsPerson("An order needs a line.", field="lines")
    buyer = await named_customer(hub, customer)
    for sku, quantity in lines:
        if quantity <= 0:
            raise NeedsPerson(f"{sku}: the quantity must be above zero.", field="lines")
    products = await named_products(hub, [sku for sku, _ in lines])
    asked_lines = [
        AskedLine(product=products[sku].id, sku=str(products[sku].fields.get("sku")), quantity=quantity)
        for sku, quantity in lines
    ]
    asked = Asked(customer=buyer.id, lines=tuple(asked_lines), wanted_on=wanted_on, reference=reference)
    made = await keep(hub, asked, await ask_truth(hub, asked))
    return made if costs else without_costs(made)


async def place(
    hub: BusinessHub, simulation: str, *, by: str, role: str = "", client_key: str | None = None, patience: float = 5.0
) -> Placed:
    """Order what was simulated, once: the same simulation, or the same ``client_key``, again gives the order that is
    there. Before, the ERP is asked anew; what has moved is shown and must be placed by the new simulation's id. When
    the ERP does not answer the order is kept, checked as soon as it does, and made then. One that would exceed the
    credit limit is refused, or kept while somebody decides about it where the project has rules for that; ``role`` is
    that of ``by``, for the rules.

    Waits up to ``patience`` seconds for the ERP's answer. Raises :class:`NeedsPerson` for a simulation there is not.
    """
    done = await _place(hub, simulation, Orderer(by, role), client_key, patience)
    return replace(done, simulation=without_costs(done.simulation))


async def _place(
    hub: BusinessHub, simulation: str, orderer: Orderer, client_key: str | None, patience: float
) -> Placed:
    found, before = await _look_up(hub, simulation, client_key)
    if before is not None:
        return await answer_of(hub, before, patience)
    if found.asked.agreed:
        raise NeedsPerson("This is what a quote was priced by.", advice="Accept the quote: isthmus quote accept")
    now: Truth | None = None
    try:
        now = await ask_truth(hub, found.asked)
    except NeedsPerson as error:
        return Placed(state="refused", simulation=found, reason=error.message)
    except Retryable:
        pass  # It is kept, and checked when the ERP is back.
    if now is not None:
        moved = terms_moved(hub, found.truth, now)
        if found.expired(hub.now()):
            moved = (Difference(what="expired", before=str(found.expires_at), now=str(hub.now())), *moved)
        if moved:
            return Placed(state="moved", simulation=await keep(hub, found.asked, now), differences=moved)
        if reason := beyond_credit(hub, now):
            return Placed(state="refused", simulation=found, reason=reason)
    return await answer_of(hub, await _order(hub, found, now, orderer, client_key), patience)


def terms_moved(hub: BusinessHub, before: Truth, now: Truth) -> tuple[Difference, ...]:
    """What whoever orders must see first. Credit is not among it where somebody will decide about it."""
    decided = decided_by_rules(hub.approval_rules)
    return tuple(one for one in differences(before, now) if one.what != "credit" or not decided)


def beyond_credit(hub: BusinessHub, now: Truth) -> str:
    """Why it is refused, when it exceeds the credit limit and nobody could let it."""
    if now.credit is None or not now.credit.exceeded or decided_by_rules(hub.approval_rules):
        return ""
    return f"The credit limit of {now.credit.limit} {now.currency} would be exceeded: {now.credit.after}."


async def answer(hub: BusinessHub, order: str, *, yes: bool, by: str) -> None:
    """Accept what has moved while an order was kept, or withdraw the order. Raises :class:`NeedsPerson` when nothing
    is asked."""
    item = await _find(hub, order)
    async with hub.transaction() as tx:
        process = await tx.processes.load(item.id)
        if process is None or not is_asked(process):
            raise NeedsPerson("Nothing is asked about this order.")
        word = "yes" if yes else "no"
        await signal(tx, item.id, process.step, word, id=f"{item.id}/{process.step}", by=by, now=hub.now())


async def _look_up(hub: BusinessHub, id: str, client_key: str | None) -> tuple[Simulation, Simulation | None]:
    """The simulation, and the one by which this was ordered already."""
    async with hub.transaction() as tx:
        found = await tx.simulations.load(id)
        if found is None:
            raise NeedsPerson(f"There is no simulation {id}.", advice="Simulate the order first.")
        keyed = await tx.simulations.by_key(client_key) if client_key else None
    done = keyed if keyed is not None else found
    return found, done if done.order is not None else None


def is_asked(process: Process) -> bool:
    """Whether it waits for whoever ordered, who must take what has moved or withdraw."""
    return process.state is ProcessState.WAITING and process.step.partition(" ")[0] == ACCEPT


async def _order(
    hub: BusinessHub, found: Simulation, truth: Truth | None, orderer: Orderer, client_key: str | None
) -> Simulation:
    """Make the order and start its process in one transaction, unless somebody was faster."""
    async with hub.transaction() as tx:
        names = [f"order/{found.id}", *([f"order key/{client_key}"] if client_key else [])]
        await tx.lock(names)
        keyed = await tx.simulations.by_key(client_key) if client_key else None
        now = keyed or await tx.simulations.load(found.id)
        assert now is not None
        if now.order is not None:
            return now
        return await make_order(hub, tx, found, truth, orderer, client_key=client_key)


async def make_order(
    hub: BusinessHub, tx: DeskTransaction, found: Simulation, truth: Truth | None, orderer: Orderer, *,
    client_key: str | None = None, deal: str | None = None, reference: str = "",
) -> Simulation:  # fmt: skip
    """Make the order of a simulation that has none, and start its process; in the caller's transaction, which has seen
    to it that nobody else does. ``truth``: what the ERP says now; None when it does not answer. ``deal``: the CRM's
    opportunity that it belongs to."""
    over = truth is not None and case_of(truth) is not None
    verified = truth is not None and not over
    item = f"order-{found.id}"
    fields: dict[str, Any] = {
        "customer": found.asked.customer,
        "ordered": [_ordered(line) for line in found.asked.lines],
        "reference": found.asked.reference or reference or f"web {found.id[:8]}",
        "confirmed": verified,
    }
    if over:
        fields["state"] = CHECKING
    if deal is not None:
        fields["deal"] = deal
    if (found.asked.wanted_on or "") > hub.now().date().isoformat():
        fields["wanted_on"] = found.asked.wanted_on
    edits = hub.edits(tx, Cause("person", orderer.by, found.id), "SalesOrder")
    await edits.create("SalesOrder", fields, id=item, alike=deal is not None)
    await tx.simulations.placed(found.id, order=item, client_key=client_key)
    rules = decided_by_rules(hub.approval_rules)
    given = {"order": item, "simulation": found.id, "verified": verified, "kept": truth is None, "rules": rules}
    given |= {"by": orderer.by, "role": orderer.role}
    await start(tx, order_process, given, id=item, now=hub.now())
    return replace(found, order=item, client_key=client_key)


def _ordered(line: AskedLine) -> dict[str, Any]:
    agreed = {} if line.unit_price is None else {"agreed_price": line.unit_price}
    return {"product": line.product, "quantity": line.quantity, **agreed}


async def answer_of(hub: BusinessHub, placed: Simulation, patience: float) -> Placed:
    """What the ERP says of the order of a simulation, as soon as it does, for at most ``patience`` seconds."""
    assert placed.order is not None
    until = time.monotonic() + patience
    while True:
        item = (await hub.items([placed.order]))[placed.order]
        links = await hub.links([placed.order])
        async with hub.transaction() as tx:
            process = await tx.processes.load(item.id)
        fields = item.fields
        told = [process.question] if process is not None and is_asked(process) else []
        told += [link.problem.message for link in links if link.problem is not None]
        total, discount = fields.get("total") or {}, fields.get("discount_total") or {}
        found = Placed(
            state="kept",
            simulation=placed,
            order=item.id,
            number=fields.get("number"),
            currency=total.get("currency"),
            total=total.get("amount"),
            discount=discount.get("amount"),
            reason=" ".join(told),
        )
        if item.deleted_at is not None or fields.get("state") in ("cancelled", "withdrawn"):
            return replace(found, state="cancelled")
        if fields.get("state") == "refused":
            return replace(found, state="refused", reason=fields.get("reason") or DECLINED)
        decided_about = process is not None and process.state is ProcessState.WAITING and awaited_request(process) != ""
        if (fields.get("state") == CHECKING or decided_about) and not told:
            found = replace(found, state="checking", reason=BEING_CHECKED)
            if decided_about:
                return found  # it would be in vain to stay
        linked = any(link.state is LinkState.LINKED for link in links)
        if linked and fields.get("state") in ORDERED and fields.get("number") and total:
            return replace(found, state="ordered")
        if time.monotonic() >= until:
            return found
        await asyncio.sleep(LOOK_AGAIN)


async def show(hub: BusinessHub, text: str) -> OrderView:
    """An order by its item, number, reference or simulation. Raises :class:`NeedsPerson` when there is none."""
    item = await _find(hub, text)
    async with hub.transaction() as tx:
        simulation = await tx.simulations.by_order(item.id)
    names = await skus(hub, item)
    links = await hub.links([item.id])
    return OrderView(
        order=item,
        simulation=None if simulation is None else without_costs(simulation),
        deviations=() if simulation is None else _deviations(simulation, item.fields, names),
        ledger=await ledger_of_order(hub, item),
        problems=[link.problem.message for link in links if link.problem is not None],
    )


def _deviations(simulation: Simulation, fields: Mapping[str, Any], names: Mapping[str, str]) -> tuple[Difference, ...]:
    """Where the ERP's lines and totals are not the placed ones; nothing before the ERP has it."""
    lines = fields.get("lines")
    if lines is None:
        return ()
    found: list[Difference] = []
    if fields.get("state") == "cancelled":
        found.append(Difference(what="cancelled", before="ordered", now="cancelled"))
    wanted = simulation.truth.lines
    for at in range(max(len(wanted), len(lines))):
        old = wanted[at] if at < len(wanted) else None
        new = lines[at] if at < len(lines) else None
        sku = old.sku if old else names.get(str((new or {}).get("product")), "")
        before = (old.quantity, old.unit_price) if old else (Decimal(0), None)
        now = (Decimal(new.get("quantity") or 0), Decimal(new.get("unit_price") or 0)) if new else (Decimal(0), None)
        if old and new and names.get(str(new.get("product"))) not in (None, old.sku):
            found.append(Difference(what="product", before=old.sku, now=names[str(new["product"])], line=at + 1))
        if before[0] != now[0]:
            found.append(Difference(what="quantity", before=str(before[0]), now=str(now[0]), line=at + 1, sku=sku))
        if None not in (before[1], now[1]) and before[1] != now[1]:
            found.append(Difference(what="price", before=str(before[1]), now=str(now[1]), line=at + 1, sku=sku))
    total = (fields.get("total") or {}).get("amount")
    if total is not None and Decimal(total) != simulation.truth.total:
        found.append(Difference(what="total", before=str(simulation.truth.total), now=str(total)))
    return tuple(found)


async def _find(hub: BusinessHub, text: str) -> Item:
    for id in (text, f"order-{text}"):
        found = (await hub.items([id])).get(id)
        if found is not None and found.entity == "SalesOrder":
            return found
    return await named(hub, "SalesOrder", ("number", "reference", "deal"), text)


async def forget_simulations(store: PostgresStore) -> None:
    """Drop old simulations of which no order came."""
    async with store.transaction() as tx:
        await tx.simulations.forget(clock() - KEEP_FOR)


async def keep(hub: BusinessHub, asked: Asked, truth: Truth) -> Simulation:
    """Keep what the ERP said, for as long as it may be placed."""
    now = hub.now()
    made = Simulation(id=hub.new_id(), asked=asked, truth=truth, made_at=now, expires_at=now + VALID_FOR)
    async with hub.transaction() as tx:
        await tx.simulations.add(made)
    return made
