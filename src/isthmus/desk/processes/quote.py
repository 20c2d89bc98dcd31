"""One version of a quote: made by sales, approved where the rules ask for it, sent, and answered or expired.

The order of an accepted quote is made in the transaction that accepts it (``isthmus.app.quoting``), so that there is
one however often it is accepted; this process tells whoever made the quote.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from isthmus.desk.approval_state import RequestState
from isthmus.desk.costing import margin_in
from isthmus.desk.documents import approved, fields_of, one, tell, why_refused
from isthmus.desk.naming import skus_of
from isthmus.desk.notices import language_of
from isthmus.desk.ports import BusinessHub, DeskTransaction
from isthmus.desk.quoting import told_lines
from isthmus.model.fields import decimal_text
from isthmus.model.state import Cause, Item
from isthmus.process import Run, process

__all__ = ["ANSWER", "SEND", "change_quote", "quote"]

SEND, ANSWER = "send", "answer"
"""Topics: sales sends the quote; the customer has accepted or rejected it."""
ENTITY = "Quote"
LOCKS = (ENTITY, "Opportunity")


@process("quote")
async def quote(run: Run, given: Mapping[str, Any]) -> str:
    """``given``: ``quote`` (the item), ``requested`` (a customer asked for it, and it has no prices yet)."""
    item = given["quote"]
    question = "Make the offer that was asked for, and send it." if given["requested"] else "Send the quote."
    await run.wait(SEND, question, who="sales")
    decision, approval = await _approved(run, item)
    if decision is not RequestState.APPROVED:
        await run.change("refuse", partial(_refuse, run, item, (approval, decision)))
        return "refused"
    until = await run.change("send", partial(_send, run, item))
    left = msgspec.convert(until, datetime) - run.hub.now()
    answer = await run.wait(
        ANSWER, f"Accept it or not, until {until[:16]} UTC.", who="customer", within=max(left, timedelta(0))
    )
    if answer is None:
        return str(await run.change("expire", partial(_expire, run, item)))
    await run.change("tell", partial(_tell_sales, run, item, str(answer.value)))
    return str(answer.value)


async def _approved(run: Run, item: str) -> tuple[RequestState, str]:
    """What the project's rules come to; where none is about quotes nobody is asked."""
    hub: BusinessHub = run.hub
    approval = f"{run.id}/approval"
    asks = hub.approval_rules is not None and any(rule.document == ENTITY for rule in hub.approval_rules.rules)
    if not await run.step("who approves", partial(_constant, asks)):
        return RequestState.APPROVED, approval
    fields = await run.change("ask for approval", partial(_approving, run, item))
    total, share = fields["total"], Decimal(fields["conceded"])
    shown = f"{decimal_text(share * 100)} %"
    decision = await approved(
        run,
        document=ENTITY,
        id=approval,
        number=fields["number"],
        title=f"Quote for {fields['name']} over {total['amount']} {total['currency']}, {shown} conceded",
        amount=Decimal(total["amount"]),
        currency=total["currency"],
        level="",
        requester=fields["salesperson"],
        details={"customer": fields["name"], "conceded": shown, "valid until": fields["valid_until"][:10]},
        discount=share,
        weigh=margin_in(fields.get("simulation") or ""),
    )
    return decision, approval


# -- what the steps do ---------------------------------------------------------------------------------------------


async def _constant(value: Any) -> Any:
    return value


async def change_quote(
    hub: BusinessHub, tx: DeskTransaction, cause: Cause, quote: Item, fields: Mapping[str, Any]
) -> Item:
    """Change a quote, and what its deal in the CRM shows of it."""
    edits = hub.edits(tx, cause, *LOCKS)
    made = await edits.change(quote.id, fields)
    deal = made.fields.get("opportunity")
    if deal and made.fields.get("state") != "replaced":
        now = made.fields
        shown = {
            "quote": now.get("number"),
            "quote_state": now.get("state"),
            "quote_total": now.get("total"),
            "quote_until": str(now.get("valid_until") or "")[:10] or None,
        }
        await edits.change(str(deal), shown)
    return made


async def _edit(run: Run, item: str, fields: Mapping[str, Any], tx: DeskTransaction) -> Item:
    hub: BusinessHub = run.hub
    cause = Cause("process", "quote", run.id)
    return await change_quote(hub, tx, cause, await one(hub, item), fields)


async def _approving(run: Run, item: str, tx: DeskTransaction) -> dict[str, Any]:
    fields = dict((await _edit(run, item, {"state": "approving"}, tx)).fields)
    name = (await one(run.hub, str(fields["customer"]))).fields.get("name") or ""
    kept = ("number", "total", "conceded", "salesperson", "simulation", "valid_until")
    return {**{name: fields.get(name) for name in kept}, "name": name}


async def _refuse(run: Run, item: str, approval: tuple[str, RequestState], tx: DeskTransaction) -> None:
    await _edit(run, item, {"state": "refused", "reason": await why_refused(tx, *approval)}, tx)


async def _send(run: Run, item: str, tx: DeskTransaction) -> str:
    """The customer has it now; until when it holds."""
    hub: BusinessHub = run.hub
    made = await _edit(run, item, {"state": "sent", "sent_at": hub.now()}, tx)
    fields = made.fields
    customer = (await one(hub, str(fields["customer"]))).fields
    total = fields["total"]
    context = {
        "total": f"{total['amount']} {total['currency']}",
        "due": str(fields["valid_until"])[:10],
        "comments": [fields["note"]] if fields.get("note") else [],
        "replaces": fields.get("replaces") or "",
        "details": told_lines(fields["lines"], await skus_of(hub, made), total["currency"]),
    }
    await tell(
        hub,
        tx,
        "quote_sent",
        document=ENTITY,
        number=str(fields["number"]),
        to=str(fields.get("email") or customer.get("email") or ""),
        context=context,
        language=language_of(customer.get("language")),
    )
    return str(fields["valid_until"])


async def _expire(run: Run, item: str, tx: DeskTransaction) -> str:
    """Unless somebody has answered in the same moment."""
    await tx.lock(LOCKS)
    now = (await tx.items([item]))[item].fields
    if now.get("state") != "sent":
        return str(now.get("state"))
    await _edit(run, item, {"state": "expired"}, tx)
    await _tell_sales(run, item, "expired", tx)
    return "expired"


async def _tell_sales(run: Run, item: str, outcome: str, tx: DeskTransaction) -> None:
    hub: BusinessHub = run.hub
    fields = await fields_of(hub, item)
    await tell(
        hub,
        tx,
        "quote_answered",
        document=ENTITY,
        number=str(fields["number"]),
        to=str(fields.get("salesperson") or ""),
        context={"outcome": outcome, "comments": [fields["reason"]] if fields.get("reason") else []},
    )
