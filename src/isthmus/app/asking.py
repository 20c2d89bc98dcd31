"""Questions of customers: asked in the shop, kept as a case, made in the CRM by its flow, answered there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from isthmus.connector.support import CASE_REPLIES, Replies, RepliesAsked, Reply
from isthmus.desk.ports import BusinessHub
from isthmus.errors import NeedsPerson
from isthmus.model.state import Cause, Item, LinkState

__all__ = ["LONGEST_QUESTION", "Asker", "ask_question", "keep_case", "replies_to"]

ENTITY = "ServiceCase"
LONGEST_QUESTION = 5000
LONGEST_SUBJECT = 64
"""Signs of the name of a case in BottleCRM."""
ABOUT = {"SalesOrder": "order", "Invoice": "invoice", "Product": "product"}
"""What a question may be about, and the field that says so."""


class Asker(msgspec.Struct, frozen=True):
    """Who asks: login and name."""

    login: str
    name: str


async def ask_question(
    hub: BusinessHub, customer: str, subject: str, text: str, *, about: Item | None = None, by: Asker, key: str
) -> Item:
    """Ask for a customer (item), ``about`` one of its orders or invoices or a product. The same ``key`` again is the
    same question. Raises :class:`NeedsPerson` for one without words, or too long."""
    subject, text = " ".join(subject.split()), text.strip()
    if not subject or not text:
        raise NeedsPerson("Say what it is about, and what you want to know.", field="subject")
    if len(text) > LONGEST_QUESTION:
        raise NeedsPerson(f"At most {LONGEST_QUESTION} signs.", field="description")
    told = f"{by.name} <{by.login}> asks in the shop{_named(about)}:"
    more = {"customer": customer, **({ABOUT[about.entity]: about.id} if about is not None else {})}
    return await keep_case(hub, f"question-{key}", subject, f"{told}\n\n{text}", requester=by.login, more=more)


async def keep_case(
    hub: BusinessHub, item: str, subject: str, description: str, *, requester: str, more: Mapping[str, Any] = {}
) -> Item:
    """The case of this id, made unless it is there already."""
    async with hub.transaction() as tx:
        await tx.lock([ENTITY])
        known = (await tx.items([item])).get(item)
        if known is not None:
            return known
        number = f"SQ-{hub.now():%Y}-{await tx.next_number(f'SQ-{hub.now():%Y}'):05d}"
        fields = {
            "number": number,
            "requester": requester,
            "requested_at": hub.now(),
            # Names of cases are unique in the CRM; the number makes it so.
            "subject": f"{number} {subject}"[:LONGEST_SUBJECT].rstrip(),
            "description": description,
            **more,
        }
        return await hub.edits(tx, Cause("person", requester), ENTITY).create(ENTITY, fields, id=item, alike=True)


def _named(about: Item | None) -> str:
    if about is None:
        return ""
    return f", about {ABOUT[about.entity]} {about.fields.get('number') or about.fields.get('sku') or about.id}"


async def replies_to(hub: BusinessHub, case: Item) -> tuple[Reply, ...]:
    """What was answered, as the CRM says it now; nothing for a case that it does not have yet. Raises
    ``Unavailable``."""
    system = hub.answering(CASE_REPLIES.name, ENTITY)
    for link in await hub.links([case.id]):
        if link.system == system and link.state is LinkState.LINKED and link.key is not None:
            answer: Replies = await hub.ask(system, CASE_REPLIES.name, RepliesAsked(case=link.key))
            return answer.replies
    return ()
