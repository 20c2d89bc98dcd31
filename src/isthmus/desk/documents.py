"""What the processes of documents share: editing their document, asking the ERP in its own keys, being approved,
telling people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from isthmus.desk.approval_rules import Facts
from isthmus.desk.approval_state import Choice, RequestState
from isthmus.desk.approvals import Ask, Weigh, awaited_request, get_approval
from isthmus.desk.notices import queue_notice
from isthmus.desk.ports import BusinessHub, DeskTransaction
from isthmus.errors import Misconfigured, NeedsPerson
from isthmus.model.state import Cause, Item, LinkState
from isthmus.process import OPEN, Process, ProcessState, Run, cancel

__all__ = [
    "amount_of",
    "approved",
    "edit",
    "fields_of",
    "keys_in",
    "one",
    "stop_process",
    "tell",
    "why_refused",
    "withdraw_approval",
]


async def one(hub: BusinessHub, id: str) -> Item:
    """An item that is there. Raises :class:`NeedsPerson`."""
    found = (await hub.items([id])).get(id)
    if found is None or found.deleted_at is not None:
        raise NeedsPerson(f"There is no item {id} any more.")
    return found


async def fields_of(hub: BusinessHub, id: str) -> dict[str, Any]:
    """Its fields."""
    return dict((await one(hub, id)).fields)


async def edit(hub: BusinessHub, tx: DeskTransaction, run: Run, item: str, fields: Mapping[str, Any]) -> Item:
    """Change a document in the name of its process."""
    entity = (await tx.items([item]))[item].entity
    cause = Cause("process", run.id.partition("/")[0], run.id)
    return await hub.edits(tx, cause, entity).change(item, fields)


async def keys_in(hub: BusinessHub, system: str, items: Mapping[str, str]) -> dict[str, str]:
    """Keys of items in a system; ``items`` gives what each is called. Raises :class:`NeedsPerson` for one that is not
    there."""
    found: dict[str, str] = {}
    for link in await hub.links(list(items)):
        if link.system == system and link.state is LinkState.LINKED and link.key is not None and link.item is not None:
            found[link.item] = link.key
    missing = [name for item, name in items.items() if item not in found]
    if missing:
        raise NeedsPerson(f"{', '.join(missing)}: not in {system} (yet).", advice="See: isthmus explain")
    return found


def amount_of(value: Any) -> Decimal:
    """A number of a document; nothing is zero."""
    return Decimal(str(value or 0))


async def approved(
    run: Run, *, document: str, id: str, number: str, title: str, amount: Decimal, currency: str, level: str,
    requester: str, details: Mapping[str, Any], discount: Decimal | None = None, credit: Decimal | None = None,
    role: str = "", weigh: Weigh | None = None,
) -> RequestState:  # fmt: skip
    """Have a document approved by the project's rules, and wait for it. ``weigh`` tells its margin. Raises
    ``Misconfigured`` without rules."""
    hub: BusinessHub = run.hub
    rules = hub.approval_rules
    if rules is None:
        raise Misconfigured(
            "The project has no approvals.yaml.",
            advice=f"Say there who approves a {document}, ask: nobody too; then: isthmus process retry {run.id}",
        )
    facts = Facts(
        document=document, amount=amount, currency=currency, discount=discount, credit=credit, level=level, role=role
    )
    ask = Ask(id=id, key=number, title=title, facts=facts, requester=requester, details=details)
    return await get_approval(run, rules, ask, hub.now, weigh)


async def why_refused(tx: DeskTransaction, id: str, state: RequestState) -> str:
    """The words of whoever refused."""
    if state is RequestState.EXPIRED:
        return "Nobody decided in time."
    answers = [one for one in await tx.approvals.answers(id) if one.choice is Choice.REFUSE]
    return "; ".join(f"{one.by}: {one.comment}" if one.comment else f"Refused by {one.by}." for one in answers)


async def tell(
    hub: BusinessHub, tx: DeskTransaction, milestone: str, *, document: str, number: str, to: str,
    context: Mapping[str, Any], detail: str = "", language: str = "",
) -> None:  # fmt: skip
    """Tell somebody by mail, once; nobody when there is no address."""
    if "@" in to:
        await queue_notice(
            tx, milestone, document=document, key=number, recipient=to, detail=detail, language=language,
            context={"document": document, "number": number, **context}, now=hub.now(),
        )  # fmt: skip


async def stop_process(hub: BusinessHub, tx: DeskTransaction, id: str, *, by: str) -> None:
    """Stop the process of a document, also one that failed, and what it waits for somebody to approve."""
    process = await tx.processes.load(id)
    if process is None or process.state in (ProcessState.DONE, ProcessState.CANCELLED):
        return
    await cancel(tx, id, by=by, now=hub.now())
    await withdraw_approval(tx, process, by=by, now=hub.now())


async def withdraw_approval(tx: DeskTransaction, process: Process, *, by: str, now: datetime) -> None:
    """Nobody needs to answer any more what a process that is stopped has asked."""
    for id in dict.fromkeys([f"{process.id}/approval", awaited_request(process)]):
        request = await tx.approvals.load(id) if id else None
        asked = await tx.processes.load(request.process) if request is not None else None
        if asked is not None and asked.state in OPEN:
            await cancel(tx, asked.id, by=by, now=now)
