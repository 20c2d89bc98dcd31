"""Orders: simulated against the ERP's truth, placed once, followed."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from litestar import get, post
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from litestar.response import Response

from isthmus.api.v1.door import caller
from isthmus.api.v1.items import item_shown
from isthmus.api.v1.paging import Cursor, Limit, after, cursor_of
from isthmus.api.v1.problems import Failed
from isthmus.api.v1.simulation_views import SimulationShown
from isthmus.api.v1.site import ApiSite, Call
from isthmus.api.v1.views import (
    AnswerAsked,
    OrderAsked,
    OrderPage,
    OrderShown,
    PlacedShown,
    SimulationAsked,
    plain,
    shown,
)
from isthmus.app.access import Principal
from isthmus.app.ledgers import StoredDocuments
from isthmus.app.ordering import Placed, place, show, simulate
from isthmus.app.ordering import answer as answer_order
from isthmus.desk.costing import COST, costs_of, costs_of_line
from isthmus.desk.ordering import Simulation
from isthmus.errors import Ambiguous, NeedsPerson

__all__ = ["KEY", "ROUTES", "STATES", "not_placed"]

DOCUMENTS = ("Delivery", "Invoice")
KEY = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        required=False,
        max_length=200,
        description="Your own name of this call; the same again is carried out once and answered alike.",
    ),
]
STATES = {"ordered": 201, "kept": 202, "checking": 202, "cancelled": 200}


def _simulation(me: Principal, found: Simulation) -> SimulationShown:
    truth, sees = found.truth, me.sees(COST)
    lines = [{**plain(line), "costs": plain(costs_of_line(line)) if sees else None} for line in truth.lines]
    credit = None if truth.credit is None else {**plain(truth.credit), "exceeded": truth.credit.exceeded}
    return shown(
        SimulationShown,
        {**plain(truth), **plain(found)},
        customer=found.asked.customer,
        reference=found.asked.reference,
        credit=credit,
        lines=lines,
        costs=plain(costs_of(truth)) if sees else None,
    )


@post("/order-simulations", operation_id="simulateOrder", summary="What would this order come to?", status_code=201)
async def simulate_order(
    request: Call, data: JSONBody[SimulationAsked], idempotency_key: KEY = None
) -> SimulationShown:
    """The ERP's own price, discount, tax, stock, date and credit; kept for a while, so that it can be placed."""
    site, me = request.app.state.api, caller(request)
    lines = [(line.sku, Decimal(line.quantity)) for line in data.lines]
    wanted = data.wanted_on.isoformat() if data.wanted_on else None
    found = await simulate(
        site.business, data.customer, lines, wanted_on=wanted, reference=data.reference, costs=me.sees(COST)
    )
    return _simulation(me, found)


async def _stored(site: ApiSite, id: str) -> Simulation:
    async with site.store.transaction() as tx:
        found = await tx.simulations.load(id)
    if found is None:
        raise Failed(404, "not-found", f"There is no simulation {id[:200]}.")
    return found


@get("/order-simulations/{id:str}", operation_id="getSimulation", summary="A simulation again, as it was")
async def simulation(id: FromPath[str], request: Call) -> SimulationShown:
    """With the order that it became, if any."""
    return _simulation(caller(request), await _stored(request.app.state.api, id))


@post("/orders", operation_id="placeOrder", summary="Order what was simulated, once", status_code=201)
async def place_order(
    request: Call,
    data: JSONBody[OrderAsked],
    idempotency_key: KEY = None,
    wait: Annotated[int, QueryParameter(ge=0, le=20, description="Seconds to wait for the ERP's number.")] = 5,
) -> Response[PlacedShown]:
    """201: ordered, with number, total and discount. 202: kept, and it will be confirmed; or
    somebody checks it first (``checking``). 409: something has moved,
    nothing was ordered, and ``order`` of the problem says what, with a simulation to place instead. 422: refused."""
    site, me = request.app.state.api, caller(request)
    await _stored(site, data.simulation)
    await site.access.note(me.login, "order placed", data.simulation, {"via": "api"})
    key = f"api {me.login} {idempotency_key}" if idempotency_key else None
    done = await place(site.business, data.simulation, by=me.login, client_key=key, patience=wait)
    if done.state not in STATES:
        raise not_placed(done, advice="Place the new simulation to order all the same.")
    answer = shown(PlacedShown, done, simulation=done.simulation.id)
    return Response(answer, status_code=STATES[done.state], headers={"location": f"/api/v1/orders/{done.order}"})


def not_placed(done: Placed, *, advice: str, **more: Any) -> Failed:
    """The problem that says why nothing was ordered."""
    if done.state == "refused":
        return Failed(422, "order-refused", done.reason)
    moved: dict[str, Any] = {"differences": plain(done.differences), "simulation": done.simulation.id, **plain(more)}
    return Failed(
        409,
        "terms-moved",
        "Nothing was ordered: the ERP's terms are not what they were.",
        advice=advice,
        order=moved,
    )


@get("/orders", operation_id="listOrders", summary="Orders of a customer or in a state")
async def orders(
    request: Call,
    customer: Annotated[str | None, QueryParameter(max_length=200, description="Item of the customer.")] = None,
    state_: Annotated[str | None, QueryParameter(name="state", max_length=50, description="As the ERP has it.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> OrderPage:
    """By id."""
    site, me = request.app.state.api, caller(request)
    given = {"customer": customer, "state": state_}
    wanted = {name: value for name, value in given.items() if value}
    found = await site.pages.items(limit=limit + 1, after=after(cursor), entity="SalesOrder", wanted=wanted)
    return OrderPage(
        items=[item_shown(site, me, item) for item in found[:limit]],
        next=cursor_of(found[limit - 1].id) if len(found) > limit else None,
    )


@get("/orders/{id:str}", operation_id="getOrder", summary="An order with ledger and documents")
async def order(id: FromPath[str], request: Call) -> OrderShown:
    """By item, number, reference or simulation."""
    site, me = request.app.state.api, caller(request)
    try:
        view = await show(site.business, id)
    except Ambiguous:
        raise
    except NeedsPerson as error:
        raise Failed(404, "not-found", error.message) from error
    documents = StoredDocuments(site.reads)
    below = [one for entity in DOCUMENTS for one in await documents.children(view.order.id, entity)]
    below += [one for bill in below if bill.entity == "Invoice" for one in await documents.children(bill.id, "Payment")]
    links = await site.reads.links_of_items([view.order.id, *(one.id for one in below)])
    return shown(
        OrderShown,
        view,
        order=item_shown(site, me, view.order, links),
        documents=[item_shown(site, me, one, links) for one in below],
    )


@post("/orders/{id:str}/answer", operation_id="answerOrder", summary="Accept moved terms, or withdraw", status_code=200)
async def answer(
    id: FromPath[str], request: Call, data: JSONBody[AnswerAsked], idempotency_key: KEY = None
) -> PlacedShown:
    """For an order that was kept and whose terms have moved meanwhile."""
    site, me = request.app.state.api, caller(request)
    if id.startswith("order-"):
        await _stored(site, id.removeprefix("order-"))
    view = (await site.reads.items([id])).get(id)
    if view is None or view.entity != "SalesOrder":
        raise Failed(404, "not-found", f"There is no order {id[:200]}.")
    await site.access.note(me.login, "order answered", id, {"accept": data.accept, "via": "api"})
    await answer_order(site.business, id, yes=data.accept, by=me.login)
    done = await place(site.business, id.removeprefix("order-"), by=me.login, patience=0)
    return shown(PlacedShown, done, simulation=done.simulation.id)


ROUTES = [simulate_order, simulation, place_order, orders, order, answer]
