"""An order that was placed, until the ERP has confirmed it.

One that was placed while the ERP did not answer is kept: as soon as it answers, it is checked against what was
promised. If nothing has moved it is made there; else somebody accepts the new terms, or the order is withdrawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec

from isthmus.desk.ordering import differences
from isthmus.desk.ports import BusinessHub, DeskTransaction
from isthmus.desk.simulating import ask_truth
from isthmus.errors import NeedsPerson
from isthmus.model.state import Cause, LinkState
from isthmus.process import Run, process

__all__ = ["order"]

DECIDE_WITHIN = timedelta(days=7)
PAUSES = (2, 3, 5, 10, 30, 60, 300, 900, 3600)
"""Seconds between looks at what the ERP made of it; the last one again and again."""


@process("order")
async def order(run: Run, given: Mapping[str, Any]) -> str:
    """``given``: ``order`` (the item), ``simulation`` (its id), ``verified`` (checked when it was placed)."""
    hub: BusinessHub = run.hub
    item = given["order"]
    if not given["verified"]:
        await _tell(run, "kept", "order.kept", item, {})
        moved = await run.step("check", lambda: _check(hub, given["simulation"]))
        if moved:
            await _tell(run, "changed", "order.changed", item, {"differences": moved})
            answer = await run.wait("accept", _question(moved), who="customer", within=DECIDE_WITHIN)
            if answer is None or answer.value != "yes":
                await run.change("withdraw", lambda tx: _edit(hub, tx, run.id, item, {"state": "withdrawn"}))
                await _tell(run, "withdrawn", "order.withdrawn", item, {})
                return "withdrawn"
        await run.change("confirm", lambda tx: _edit(hub, tx, run.id, item, {"confirmed": True}))
    look = 0
    told = False
    while True:
        seen = await run.step(f"look {look}", lambda: _look(hub, item))
        if seen["state"] in ("confirmed", "cancelled", "gone"):
            await _tell(run, "end", f"order.{seen['state']}", item, seen)
            return f"{seen['state']} {seen['number'] or ''}".strip()
        if seen["problem"] and not told:
            told = True
            await _tell(run, "refused", "order.refused", item, seen)
        await run.sleep(f"pause {look}", timedelta(seconds=PAUSES[min(look, len(PAUSES) - 1)]))
        look += 1


async def _check(hub: BusinessHub, simulation: str) -> list[dict[str, Any]]:
    """What is not as it was promised. An order that the ERP would refuse now has moved too."""
    async with hub.transaction() as tx:
        found = await tx.simulations.load(simulation)
    assert found is not None
    try:
        now = await ask_truth(hub, found.asked)
    except NeedsPerson as error:
        return [{"what": "refused", "before": "", "now": error.message}]
    moved: list[dict[str, Any]] = msgspec.to_builtins(differences(found.truth, now))
    if now.credit is not None and now.credit.exceeded and not any(one["what"] == "credit" for one in moved):
        moved.append({"what": "credit", "before": "", "now": f"{now.credit.after} of {now.credit.limit}"})
    return moved


def _question(moved: list[dict[str, Any]]) -> str:
    told = ", ".join(f"{one.get('sku') or ''} {one['what']} {one['before']} → {one['now']}".strip() for one in moved)
    return f"Order all the same? {told}"


async def _edit(hub: BusinessHub, tx: DeskTransaction, run: str, item: str, fields: Mapping[str, Any]) -> None:
    edits = hub.edits(tx, Cause("process", "order", run), "SalesOrder")
    await edits.change(item, fields)


async def _look(hub: BusinessHub, item: str) -> dict[str, Any]:
    """What the ERP made of the order so far."""
    found = (await hub.items([item])).get(item)
    links = await hub.links([item])
    fields = found.fields if found is not None else {}
    seen = {"state": "open", "number": fields.get("number"), "problem": ""}
    if found is None or found.deleted_at is not None:
        return {**seen, "state": "gone"}
    linked = [link for link in links if link.state is LinkState.LINKED]
    if linked and fields.get("state") in ("confirmed", "processing", "done"):
        return {**seen, "state": "confirmed"}
    if linked and fields.get("state") == "cancelled":
        return {**seen, "state": "cancelled"}
    parked = [link.problem for link in links if link.problem is not None and link.due_at is None]
    return {**seen, "problem": parked[0].message} if parked else seen


async def _tell(run: Run, step: str, topic: str, item: str, detail: Mapping[str, Any]) -> None:
    """Always a step, also where nobody is told: a project may get its notices while orders are open."""

    async def work() -> None:
        if run.hub.notices is not None:
            await run.hub.notices.tell(topic, item, detail, token=f"{run.id}/{step}")

    await run.step(f"tell {step}", work)
