"""Quotes: asked for, made, revised, sent, and accepted once as an order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated

from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Response

from isthmus.api.v1.document_views import (
    AcceptAsked,
    AcceptedShown,
    DocumentPage,
    DocumentShown,
    QuoteAsked,
    QuoteLineAsked,
    QuoteRequestAsked,
    QuoteRevised,
    ReasonAsked,
)
from isthmus.api.v1.documents import IfMatch, State, acted_on, answer, found, key_of, page, performed
from isthmus.api.v1.orders import KEY, STATES, not_placed
from isthmus.api.v1.paging import Cursor, Limit
from isthmus.api.v1.site import Call
from isthmus.api.v1.views import LineAsked, shown
from isthmus.app.quote_answers import accept_quote, reject_quote
from isthmus.app.quoting import make_quote, request_quote, revise_quote, send_quote
from isthmus.desk.quoting import WantedLine

__all__ = ["ROUTES"]

ENTITY = "Quote"


@get("/quotes", operation_id="listQuotes", summary="Quotes of a customer or in a state")
async def quotes(
    request: Call,
    customer: Annotated[str | None, QueryParameter(max_length=200, description="Item of the customer.")] = None,
    state_: State = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> DocumentPage:
    """By id; every version is one."""
    return await page(request, ENTITY, {"customer": customer, "state": state_}, limit, cursor)


@get("/quotes/{id:str}", operation_id="getQuote", summary="One version of a quote")
async def quote(id: FromPath[str], request: Call) -> Response[DocumentShown]:
    """By number or item, with whom it waits for."""
    return await answer(request, await found(request.app.state.api, ENTITY, id))


@post("/quote-requests", operation_id="requestQuote", summary="Ask sales for a quote", status_code=201)
async def request_one(
    request: Call, data: JSONBody[QuoteRequestAsked], idempotency_key: KEY = None
) -> Response[DocumentShown]:
    """For a customer, or for somebody who is none yet."""
    by = await performed(request, "quote requested", data.customer or data.prospect)
    made = await request_quote(
        request.app.state.api.business,
        _lines(data.lines),
        customer=data.customer,
        prospect=data.prospect,
        email=data.email,
        note=data.note,
        wanted_on=_day(data.wanted_on),
        by=by,
        key=key_of(request, idempotency_key),
    )
    return await answer(request, made, 201)


@post("/quotes", operation_id="makeQuote", summary="Make a quote, as a draft", status_code=201)
async def make(request: Call, data: JSONBody[QuoteAsked], idempotency_key: KEY = None) -> Response[DocumentShown]:
    """At the ERP's own prices, or at what is offered below them."""
    by = await performed(request, "quote made", data.customer or data.request or data.opportunity or "")
    made = await make_quote(
        request.app.state.api.business,
        _lines(data.lines),
        customer=data.customer,
        opportunity=data.opportunity,
        request=data.request,
        discount=Decimal(data.discount),
        valid_until=_day(data.valid_until),
        wanted_on=_day(data.wanted_on),
        note=data.note,
        email=data.email,
        by=by,
        key=key_of(request, idempotency_key),
    )
    return await answer(request, made, 201)


@post("/quotes/{id:str}/revise", operation_id="reviseQuote", summary="Make the next version", status_code=201)
async def revise(
    id: FromPath[str],
    request: Call,
    data: JSONBody[QuoteRevised],
    if_match: IfMatch = None,
    idempotency_key: KEY = None,
) -> Response[DocumentShown]:
    """Priced anew, as a draft; the former is replaced and stays readable."""
    former, by = await acted_on(request, ENTITY, id, "quote revised", if_match)
    made = await revise_quote(
        request.app.state.api.business,
        former.id,
        _lines(data.lines),
        discount=None if data.discount is None else Decimal(data.discount),
        valid_until=_day(data.valid_until),
        note=data.note,
        by=by,
    )
    return await answer(request, made, 201)


@post("/quotes/{id:str}/send", operation_id="sendQuote", summary="Send a draft to the customer", status_code=200)
async def send(
    id: FromPath[str], request: Call, if_match: IfMatch = None, idempotency_key: KEY = None
) -> Response[DocumentShown]:
    """It is approved first where the rules ask for it."""
    draft, by = await acted_on(request, ENTITY, id, "quote sent", if_match)
    return await answer(request, await send_quote(request.app.state.api.business, draft.id, by=by))


@post("/quotes/{id:str}/accept", operation_id="acceptQuote", summary="Order what was offered, once", status_code=201)
async def accept(
    id: FromPath[str],
    request: Call,
    data: JSONBody[AcceptAsked],
    if_match: IfMatch = None,
    idempotency_key: KEY = None,
    wait: Annotated[int, QueryParameter(ge=0, le=20, description="Seconds to wait for the ERP's number.")] = 5,
) -> Response[AcceptedShown]:
    """201: ordered. 202: kept, and it will be confirmed; or somebody checks it first. 409: what cannot be kept has
    moved, nothing was ordered, and ``order`` of the problem says what, with a simulation to accept as
    ``seen``. 422: refused."""
    offered, by = await acted_on(request, ENTITY, id, "quote accepted", if_match)
    done = await accept_quote(request.app.state.api.business, offered.id, by=by, seen=data.seen, patience=wait)
    if done.state not in STATES:
        raise not_placed(
            done, advice="Accept again with that simulation as 'seen' to order all the same.", held=done.held
        )
    body = shown(AcceptedShown, done, simulation=done.simulation.id)
    return Response(body, status_code=STATES[done.state], headers={"location": f"/api/v1/orders/{done.order}"})


@post("/quotes/{id:str}/reject", operation_id="rejectQuote", summary="The customer does not want it", status_code=200)
async def reject(
    id: FromPath[str], request: Call, data: JSONBody[ReasonAsked], if_match: IfMatch = None, idempotency_key: KEY = None
) -> Response[DocumentShown]:
    """One that was not sent yet is withdrawn."""
    offered, by = await acted_on(request, ENTITY, id, "quote rejected", if_match)
    return await answer(
        request, await reject_quote(request.app.state.api.business, offered.id, reason=data.reason, by=by)
    )


def _lines(lines: Sequence[QuoteLineAsked | LineAsked]) -> list[WantedLine]:
    return [
        WantedLine(sku=line.sku, quantity=Decimal(line.quantity), unit_price=None if price is None else Decimal(price))
        for line in lines
        for price in [line.unit_price if isinstance(line, QuoteLineAsked) else None]
    ]


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


ROUTES = [quotes, quote, request_one, make, revise, send, accept, reject]
