"""What stations ask for, send back and are paid for: material requests, returns, repairs, settlements."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated

from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Response

from isthmus.api.v1.document_views import (
    CloseAsked,
    CountAsked,
    DocumentPage,
    DocumentShown,
    DocumentsMade,
    MaterialRequestAsked,
    MaterialRequestCorrected,
    RepairAsked,
    RestAsked,
    ReturnAsked,
    SendAsked,
    SettleAsked,
)
from isthmus.api.v1.documents import IfMatch, State, acted_on, answer, found, key_of, page, performed
from isthmus.api.v1.door import caller
from isthmus.api.v1.items import item_shown
from isthmus.api.v1.orders import KEY
from isthmus.api.v1.paging import Cursor, Limit
from isthmus.api.v1.site import Call
from isthmus.api.v1.views import LineAsked
from isthmus.app.requesting import cancel_request, correct_request, decide_rest, make_request
from isthmus.app.returns import announce_return, ask_again, cancel_return, count_return, send_return, settle_return
from isthmus.app.settlements import book_again, close_month, note_repair, report_settlement, withdraw_settlement
from isthmus.desk.returning import Blame

__all__ = ["ROUTES"]

REQUEST, RETURN, REPAIR, SETTLEMENT = "MaterialRequest", "Return", "RepairRecord", "LabourSettlement"
Unit = Annotated[str | None, QueryParameter(max_length=200, description="Item of the unit of the organisation.")]


def _lines(lines: Sequence[LineAsked]) -> list[tuple[str, Decimal]]:
    return [(line.sku, Decimal(line.quantity)) for line in lines]


# -- material requests -----------------------------------------------------------------------------------------------


@get("/material-requests", operation_id="listMaterialRequests", summary="Requests of a station or in a state")
async def requests(
    request: Call, station: Unit = None, state_: State = None, limit: Limit = 50, cursor: Cursor = None
) -> DocumentPage:
    """By id."""
    return await page(request, REQUEST, {"station": station, "state": state_}, limit, cursor)


@get("/material-requests/{id:str}", operation_id="getMaterialRequest", summary="One material request")
async def material_request(id: FromPath[str], request: Call) -> Response[DocumentShown]:
    """By number or item, with its deliveries and whom it waits for."""
    return await answer(request, await found(request.app.state.api, REQUEST, id))


@post("/material-requests", operation_id="makeMaterialRequest", summary="Ask for material", status_code=201)
async def ask(
    request: Call, data: JSONBody[MaterialRequestAsked], idempotency_key: KEY = None
) -> Response[DocumentShown]:
    """It is checked, approved, ordered in the ERP and followed by itself."""
    by = await performed(request, "material requested", data.station)
    key = key_of(request, idempotency_key)
    made = await make_request(
        request.app.state.api.business, data.station, _lines(data.lines), supply=data.supply, requester=by, key=key
    )
    return await answer(request, made, 201)


@post(
    "/material-requests/{id:str}/correct",
    operation_id="correctMaterialRequest",
    summary="Hand a refused request in again",
    status_code=200,
)
async def correct(
    id: FromPath[str],
    request: Call,
    data: JSONBody[MaterialRequestCorrected],
    if_match: IfMatch = None,
    idempotency_key: KEY = None,
) -> Response[DocumentShown]:
    """With other quantities; it is checked and approved anew."""
    item, by = await acted_on(request, REQUEST, id, "material request corrected", if_match)
    lines = _lines(data.lines)
    made = await correct_request(request.app.state.api.business, item.id, lines, supply=data.supply, by=by)
    return await answer(request, made)


@post(
    "/material-requests/{id:str}/cancel",
    operation_id="cancelMaterialRequest",
    summary="Withdraw a request that is not ordered yet",
    status_code=200,
)
async def cancel(
    id: FromPath[str], request: Call, if_match: IfMatch = None, idempotency_key: KEY = None
) -> Response[DocumentShown]:
    """What is in the ERP is cancelled there."""
    item, by = await acted_on(request, REQUEST, id, "material request cancelled", if_match)
    return await answer(request, await cancel_request(request.app.state.api.business, item.id, by=by))


@post(
    "/material-requests/{id:str}/rest",
    operation_id="decideRest",
    summary="What becomes of what was left",
    status_code=200,
)
async def rest(
    id: FromPath[str], request: Call, data: JSONBody[RestAsked], if_match: IfMatch = None, idempotency_key: KEY = None
) -> Response[DocumentShown]:
    """Of a transfer or fill-up: a new delivery, or none."""
    item, by = await acted_on(request, REQUEST, id, "rest decided", if_match)
    await decide_rest(request.app.state.api.business, item.id, data.decision, by=by)
    return await answer(request, item)


# -- returns ---------------------------------------------------------------------------------------------------------


@get("/returns", operation_id="listReturns", summary="Returns of a station or in a state")
async def returns(
    request: Call, station: Unit = None, state_: State = None, limit: Limit = 50, cursor: Cursor = None
) -> DocumentPage:
    """By id."""
    return await page(request, RETURN, {"station": station, "state": state_}, limit, cursor)


@get("/returns/{id:str}", operation_id="getReturn", summary="One return")
async def one_return(id: FromPath[str], request: Call) -> Response[DocumentShown]:
    """By number or item, with whom it waits for."""
    return await answer(request, await found(request.app.state.api, RETURN, id))


@post("/returns", operation_id="announceReturn", summary="Announce goods that will be sent back", status_code=201)
async def announce(request: Call, data: JSONBody[ReturnAsked], idempotency_key: KEY = None) -> Response[DocumentShown]:
    """The token's person is the requester."""
    by = await performed(request, "return announced", data.station)
    made = await announce_return(
        request.app.state.api.business,
        data.station,
        _lines(data.lines),
        requester=by,
        reason=data.reason,
        credited=data.credited,
        key=key_of(request, idempotency_key),
    )
    return await answer(request, made, 201)


@post("/returns/{id:str}/send", operation_id="sendReturn", summary="The station has sent it", status_code=200)
async def send(
    id: FromPath[str], request: Call, data: JSONBody[SendAsked], if_match: IfMatch = None, idempotency_key: KEY = None
) -> Response[DocumentShown]:
    """What was announced, or other quantities."""
    item, by = await acted_on(request, RETURN, id, "return sent", if_match)
    lines = _lines(data.lines)
    await send_return(request.app.state.api.business, item.id, lines, tracking=data.tracking, by=by)
    return await answer(request, item)


@post("/returns/{id:str}/count", operation_id="countReturn", summary="The centre has counted it", status_code=200)
async def count(
    id: FromPath[str], request: Call, data: JSONBody[CountAsked], if_match: IfMatch = None, idempotency_key: KEY = None
) -> Response[DocumentShown]:
    """A difference is settled before the ERP hears of the return."""
    item, by = await acted_on(request, RETURN, id, "return counted", if_match)
    await count_return(request.app.state.api.business, item.id, _lines(data.lines), by=by)
    return await answer(request, item)


@post("/returns/{id:str}/settle", operation_id="settleReturn", summary="Who is responsible", status_code=200)
async def settle(
    id: FromPath[str], request: Call, data: JSONBody[SettleAsked], if_match: IfMatch = None, idempotency_key: KEY = None
) -> Response[DocumentShown]:
    """For each difference, with evidence."""
    item, by = await acted_on(request, RETURN, id, "return settled", if_match)
    blames = {one.sku: Blame(responsible=one.responsible, evidence=one.evidence) for one in data.differences}
    await settle_return(request.app.state.api.business, item.id, blames, by=by)
    return await answer(request, item)


@post("/returns/{id:str}/again", operation_id="retryReturn", summary="Have the ERP asked again", status_code=200)
async def again(
    id: FromPath[str], request: Call, if_match: IfMatch = None, idempotency_key: KEY = None
) -> Response[DocumentShown]:
    """For a return that it has refused."""
    item, by = await acted_on(request, RETURN, id, "return given again", if_match)
    await ask_again(request.app.state.api.business, item.id, by=by)
    return await answer(request, item)


@post("/returns/{id:str}/cancel", operation_id="cancelReturn", summary="Take it back", status_code=200)
async def cancel_one(
    id: FromPath[str], request: Call, if_match: IfMatch = None, idempotency_key: KEY = None
) -> Response[DocumentShown]:
    """While nobody has counted it."""
    item, by = await acted_on(request, RETURN, id, "return cancelled", if_match)
    return await answer(request, await cancel_return(request.app.state.api.business, item.id, by=by))


# -- repairs and their settlement --------------------------------------------------------------------------------------


@get("/repairs", operation_id="listRepairs", summary="Repairs of a station, of a level or in a settlement")
async def repairs(
    request: Call,
    station: Unit = None,
    settlement: Annotated[str | None, QueryParameter(max_length=200, description="Number of the settlement.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> DocumentPage:
    """By id."""
    return await page(request, REPAIR, {"station": station, "settlement": settlement}, limit, cursor)


@get("/repairs/{id:str}", operation_id="getRepair", summary="One repair")
async def repair(id: FromPath[str], request: Call) -> Response[DocumentShown]:
    """By number or item."""
    return await answer(request, await found(request.app.state.api, REPAIR, id))


@post("/repairs", operation_id="noteRepair", summary="Note a repair, or put one right", status_code=201)
async def note(request: Call, data: JSONBody[RepairAsked], idempotency_key: KEY = None) -> Response[DocumentShown]:
    """Level and fee follow from the rules."""
    by = await performed(request, "repair noted", data.station)
    made = await note_repair(
        request.app.state.api.business,
        data.station,
        method=data.method,
        repaired_on=data.repaired_on,
        parts=_lines(data.parts),
        currency=data.currency,
        corrects=data.corrects,
        withdrawn=data.withdrawn,
        serial_number=data.serial_number,
        key=key_of(request, idempotency_key),
        by=by,
    )
    return await answer(request, made, 201)


@get("/settlements", operation_id="listSettlements", summary="Settlements of a centre, a month or in a state")
async def settlements(
    request: Call,
    centre: Unit = None,
    period: Annotated[str | None, QueryParameter(max_length=7, description="Month: 2026-10.")] = None,
    state_: State = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> DocumentPage:
    """By id."""
    return await page(request, SETTLEMENT, {"centre": centre, "period": period, "state": state_}, limit, cursor)


@get("/settlements/{id:str}", operation_id="getSettlement", summary="One settlement")
async def settlement(id: FromPath[str], request: Call) -> Response[DocumentShown]:
    """By number or item, with whom it waits for."""
    return await answer(request, await found(request.app.state.api, SETTLEMENT, id))


@post("/settlements", operation_id="closeMonth", summary="Total the repairs of a month that has ended", status_code=201)
async def close(request: Call, data: JSONBody[CloseAsked], idempotency_key: KEY = None) -> DocumentsMade:
    """Closing twice gives the same."""
    site, me = request.app.state.api, caller(request)
    by = await performed(request, "month closed", data.period or "")
    made = await close_month(site.business, data.centre, data.period, by=by)
    return DocumentsMade(items=[item_shown(site, me, one) for one in made])


@post("/settlements/{id:str}/report", operation_id="reportSettlement", summary="The centre reports it", status_code=200)
async def report(
    id: FromPath[str], request: Call, if_match: IfMatch = None, idempotency_key: KEY = None
) -> Response[DocumentShown]:
    """Then finance approves it."""
    item, by = await acted_on(request, SETTLEMENT, id, "settlement reported", if_match)
    await report_settlement(request.app.state.api.business, item.id, by=by)
    return await answer(request, item)


@post("/settlements/{id:str}/withdraw", operation_id="withdrawSettlement", summary="Take it back", status_code=200)
async def withdraw(
    id: FromPath[str], request: Call, if_match: IfMatch = None, idempotency_key: KEY = None
) -> Response[DocumentShown]:
    """While finance has not approved it: its repairs are free for another one."""
    item, by = await acted_on(request, SETTLEMENT, id, "settlement withdrawn", if_match)
    return await answer(request, await withdraw_settlement(request.app.state.api.business, item.id, by=by))


@post("/settlements/{id:str}/again", operation_id="bookAgain", summary="Have the ERP asked again", status_code=200)
async def book(
    id: FromPath[str], request: Call, if_match: IfMatch = None, idempotency_key: KEY = None
) -> Response[DocumentShown]:
    """For an entry that it has refused."""
    item, by = await acted_on(request, SETTLEMENT, id, "settlement given again", if_match)
    await book_again(request.app.state.api.business, item.id, by=by)
    return await answer(request, item)


ROUTES = [
    requests,
    material_request,
    ask,
    correct,
    cancel,
    rest,
    returns,
    one_return,
    announce,
    send,
    count,
    settle,
    again,
    cancel_one,
    repairs,
    repair,
    note,
    settlements,
    settlement,
    close,
    report,
    withdraw,
    book,
]
