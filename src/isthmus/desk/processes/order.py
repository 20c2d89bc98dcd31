"""An order that was placed, until the ERP has confirmed it.

One that was placed while the ERP did not answer is kept: as soon as it answers, it is checked against what was
promised. If nothing has moved it is made there; else somebody accepts the new terms, or the order is withdrawn.

One that would exceed the customer's credit limit waits until the project's rules have decided about it. After that the
terms are checked again, because that may have taken days.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec

from isthmus.connector.services import SIMULATE_ORDER
from isthmus.desk.approval_state import RequestState
from isthmus.desk.credit_release import CHECKING, ENTITY, CreditCase, case_of, has_released, why_declined
from isthmus.desk.documents import one
from isthmus.desk.ordering import ORDERED, differences
from isthmus.desk.ports import BusinessHub, DeskTransaction
from isthmus.desk.simulating import ask_truth
from isthmus.errors import NeedsPerson
from isthmus.model.state import Cause, LinkState
from isthmus.process import MOVED, Run, process

__all__ = ["ACCEPT", "order"]

ACCEPT = "accept"
"""Topic: the customer takes what has moved, or not. From the second time on a number stands behind it."""
DECIDE_WITHIN = timedelta(days=7)
PAUSES = (5, 15, 60, 300, 900, 3600)
"""Seconds between looks at what the ERP made of it, the last one again and again: a net, for what the sync sees of the
order wakes its process at once."""


@process("order")
async def order(run: Run, given: Mapping[str, Any]) -> str:
    """``given``: ``order`` (the item), ``simulation`` (its id), ``verified`` (checked when it was placed, and within
    the credit limit), ``rules`` (the project's rules decide about credit), ``kept`` (the ERP did not answer when it was
    placed), ``by`` and ``role`` of whoever placed it."""
    item = given["order"]
    if not given["verified"]:
        if given.get("kept", True):
            await _tell(run, "kept", "order.kept", item, {})
        ended = await (_settle(run, given) if given.get("rules") else _check_once(run, given))
        if ended:
            return ended
    return await _follow(run, given)


async def _check_once(run: Run, given: Mapping[str, Any]) -> str:
    """Where no rules decide about credit, a limit that is exceeded is a term like others."""
    hub: BusinessHub = run.hub
    moved = await run.step("check", lambda: _check(hub, given["simulation"]))
    if moved and not await _accepted(run, given["order"], moved, ""):
        return "withdrawn"
    await run.change("confirm", partial(_edit, run, given["order"], {"confirmed": True}))
    return ""


async def _settle(run: Run, given: Mapping[str, Any]) -> str:
    """Until the terms are taken and credit is released for what the ERP says now; how it ended when they are not."""
    hub: BusinessHub = run.hub
    item, taken, released, at = given["order"], None, Decimal(0), 0
    while True:
        at += 1
        nth = f" {at}" if at > 1 else ""
        moved = await run.step(f"check{nth}", lambda: _check(hub, given["simulation"], rules=True))
        case = None if moved["credit"] is None else msgspec.convert(moved["credit"], CreditCase, strict=False)
        if moved["terms"] and moved["terms"] != taken:
            if not await _accepted(run, item, moved["terms"], nth):
                return "withdrawn"
            taken = moved["terms"]
        if case is None or case.over <= released:
            break
        if not await _released(run, given, case, nth):
            return await _taken_back(run, item)
        released = case.over
    fields = {"confirmed": True, "state": None, **({"credit_approved": True} if released else {})}
    await run.change("confirm", partial(_edit, run, item, fields))
    return ""


async def _accepted(run: Run, item: str, moved: list[dict[str, Any]], nth: str) -> bool:
    """Whether the customer orders all the same; if not, the order is withdrawn."""
    await _tell(run, f"changed{nth}", "order.changed", item, {"differences": moved})
    answer = await run.wait(f"{ACCEPT}{nth}", _question(moved), who="customer", within=DECIDE_WITHIN)
    if answer is not None and answer.value == "yes":
        return True
    await run.change("withdraw", partial(_edit, run, item, {"state": "withdrawn"}))
    await _tell(run, "withdrawn", "order.withdrawn", item, {})
    return False


async def _released(run: Run, given: Mapping[str, Any], case: CreditCase, nth: str) -> bool:
    """Whether somebody lets it exceed the limit by so much; if not, it is refused and the customer is told why, unless
    the ERP's people have confirmed it meanwhile."""
    item, approval = given["order"], f"{run.id}/approval{nth}"
    named = await run.change(f"checking{nth}", partial(_being_checked, run, item))
    await _tell(run, f"checking{nth}", "order.checking", item, {})
    try:
        decision = await has_released(
            run, case, id=approval, simulation=given["simulation"], by=given["by"], role=given["role"], **named
        )
    except NeedsPerson as error:
        # No rule is for it, or nobody is left to decide: not released, as anywhere in approvals.
        if await run.change(f"refuse{nth}", partial(_refuse, run, item, "", error.message)) is not None:
            await _tell(run, f"declined{nth}", "order.declined", item, {})
        return False
    if decision is RequestState.APPROVED:
        return True
    reason = await run.change(f"refuse{nth}", partial(_refuse, run, item, approval, str(decision)))
    if reason is not None:
        await _tell(run, f"declined{nth}", "order.declined", item, {"reason": reason})
    return False


async def _follow(run: Run, given: Mapping[str, Any]) -> str:
    """Until the ERP has confirmed it, or will not. When it finds the limit exceeded only then, it is asked about like
    any other such order."""
    hub: BusinessHub = run.hub
    item, look, told, released = given["order"], 0, False, False
    while True:
        topic = MOVED
        seen = await run.step(f"look {look}", lambda: _look(hub, item))
        if seen["state"] in ("confirmed", "cancelled", "gone"):
            await _tell(run, "end", f"order.{seen['state']}", item, seen)
            return f"{seen['state']} {seen['number'] or ''}".strip()
        if seen.get("over_limit") and given.get("rules") and not released:
            found = await run.step(f"weigh {look}", lambda: _check(hub, given["simulation"], rules=True))
            if found["credit"] is None:
                # Somebody has paid meanwhile: the ERP is to try again, and may refuse again.
                await run.change(f"hold {look}", partial(_edit, run, item, {"confirmed": False}))
                await run.change(f"try again {look}", partial(_edit, run, item, {"confirmed": True}))
                # These edits are no news; what comes of them is looked at after the pause.
                topic = ""
            else:
                case = msgspec.convert(found["credit"], CreditCase, strict=False)
                if not await _released(run, given, case, " by the ERP"):
                    return await _taken_back(run, item)
                released = True
                await run.change("release", partial(_edit, run, item, {"confirmed": True, "credit_approved": True}))
        elif seen["problem"] and not told:
            told = True
            await _tell(run, "refused", "order.refused", item, seen)
        await _pause(run, f"pause {look}", look, topic)
        look += 1


async def _pause(run: Run, name: str, look: int, topic: str = MOVED) -> None:
    await run.sleep(name, timedelta(seconds=PAUSES[min(look, len(PAUSES) - 1)]), topic=topic)


async def _taken_back(run: Run, item: str) -> str:
    """A refused order ends in the ERP too, which may have it as a quotation: how it ended. The engine cancels it there;
    when somebody in the ERP has confirmed it meanwhile, that counts."""
    hub: BusinessHub = run.hub
    look = 0
    while True:
        seen = await run.step(f"look whether it is cancelled {look}", lambda: _look_cancelled(hub, item))
        if seen["state"] == "confirmed":
            await run.change("confirmed all the same", partial(_edit, run, item, {"cancelled": False, "reason": None}))
            await _tell(run, "end", "order.confirmed", item, seen)
            return f"confirmed {seen['number'] or ''}".strip()
        if seen["state"] in ("nowhere", "cancelled"):
            if seen["state"] == "cancelled":
                # The ERP calls it cancelled; to whoever ordered it was refused.
                await run.change("refused and cancelled", partial(_edit, run, item, {"state": "refused"}))
            return "refused"
        await _pause(run, f"wait for the cancelling {look}", look)
        look += 1


async def _check(hub: BusinessHub, simulation: str, *, rules: bool = False) -> Any:
    """What is not as it was promised. An order that the ERP would refuse now has moved too. With ``rules`` credit is no
    term: how far it is exceeded stands beside them."""
    async with hub.transaction() as tx:
        found = await tx.simulations.load(simulation)
    assert found is not None
    try:
        now = await ask_truth(hub, found.asked)
    except NeedsPerson as error:
        refused = [{"what": "refused", "before": "", "now": error.message}]
        return {"terms": refused, "credit": None} if rules else refused
    moved: list[dict[str, Any]] = msgspec.to_builtins(differences(found.truth, now))
    # That it takes until now was said with the wait itself.
    today = hub.now().date().isoformat()
    moved = [one for one in moved if one["what"] != "date" or one["now"] > today]
    if rules:
        return {"terms": [one for one in moved if one["what"] != "credit"], "credit": msgspec.to_builtins(case_of(now))}
    if now.credit is not None and now.credit.exceeded and not any(one["what"] == "credit" for one in moved):
        moved.append({"what": "credit", "before": "", "now": f"{now.credit.after} of {now.credit.limit}"})
    return moved


def _question(moved: list[dict[str, Any]]) -> str:
    told = ", ".join(f"{one.get('sku') or ''} {one['what']} {one['before']} → {one['now']}".strip() for one in moved)
    return f"Order all the same? {told}"


async def _edit(run: Run, item: str, fields: Mapping[str, Any], tx: DeskTransaction) -> None:
    edits = run.hub.edits(tx, Cause("process", "order", run.id), "SalesOrder")
    await edits.change(item, fields)


async def _being_checked(run: Run, item: str, tx: DeskTransaction) -> dict[str, str]:
    """Say so on the order, which the ERP is not to confirm meanwhile; what those who decide call it."""
    await _edit(run, item, {"state": CHECKING, "confirmed": False}, tx)
    fields = (await one(run.hub, item)).fields
    customer = (await one(run.hub, str(fields["customer"]))).fields
    return {"reference": str(fields.get("reference") or item), "customer": str(customer.get("name") or "")}


async def _refuse(run: Run, item: str, approval: str, how: str, tx: DeskTransaction) -> str | None:
    """The order ends, in the ERP as well, should it have it. Why, as the customer is told; None when somebody in the
    ERP has confirmed it: nothing is changed then."""
    await tx.lock([ENTITY])
    if (await tx.items([item]))[item].fields.get("state") in ORDERED:
        return None
    reason = await why_declined(tx, approval, RequestState(how)) if approval else ""
    fields = {"state": "refused", "confirmed": False, "cancelled": True, "reason": reason or None}
    await _edit(run, item, fields, tx)
    return reason


async def _look(hub: BusinessHub, item: str) -> dict[str, Any]:
    """What the ERP made of the order so far."""
    found = (await hub.items([item])).get(item)
    links = await hub.links([item])
    fields = found.fields if found is not None else {}
    seen = {"state": "open", "number": fields.get("number"), "problem": ""}
    if found is None or found.deleted_at is not None:
        return {**seen, "state": "gone"}
    linked = [link for link in links if link.state is LinkState.LINKED]
    if linked and fields.get("state") in ORDERED:
        return {**seen, "state": "confirmed"}
    if linked and fields.get("state") == "cancelled":
        return {**seen, "state": "cancelled"}
    parked = [link.problem for link in links if link.problem is not None and link.due_at is None]
    if not parked:
        return seen
    return {**seen, "problem": parked[0].message, "over_limit": parked[0].field == "credit_limit"}


async def _look_cancelled(hub: BusinessHub, item: str) -> dict[str, Any]:
    """How far a refused order is taken back: ``nowhere``, ``cancelled``, ``confirmed`` or ``open``, with what stands in
    the way."""
    found = (await hub.items([item])).get(item)
    if found is None or found.deleted_at is not None:
        return {"state": "nowhere", "number": None, "problem": ""}
    system = hub.answering(SIMULATE_ORDER.name, "SalesOrder")
    states = (LinkState.LINKED, LinkState.CREATING)
    there = [link for link in await hub.links([item]) if link.system == system and link.state in states]
    state = str(found.fields.get("state") or "")
    if not there:
        shown = "nowhere"
    elif all(link.state is LinkState.LINKED for link in there) and state in ORDERED:
        shown = "confirmed"
    else:
        shown = "cancelled" if state == "cancelled" else "open"
    problems = [link.problem.message for link in there if link.problem is not None]
    return {"state": shown, "number": found.fields.get("number"), "problem": " ".join(problems)}


async def _tell(run: Run, step: str, topic: str, item: str, detail: Mapping[str, Any]) -> None:
    """Always a step, also where nobody is told: a project may get its notices while orders are open."""

    async def work() -> None:
        if run.hub.notices is not None:
            await run.hub.notices.tell(topic, item, detail, token=f"{run.id}/{step}")

    await run.step(f"tell {step}", work)
