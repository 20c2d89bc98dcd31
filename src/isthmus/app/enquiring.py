"""Enquiries of people who are no customers yet: a case of the CRM, and a quote to make when they want certain goods.

Nobody has proved who they are: nothing is looked up by what they say, nothing is sent to them, nothing of theirs is
shown to anybody else.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from isthmus.app.asking import LONGEST_QUESTION, keep_case
from isthmus.app.quoting import request_quote
from isthmus.desk.ports import BusinessHub
from isthmus.desk.quoting import WantedLine
from isthmus.errors import NeedsPerson
from isthmus.model.state import Item

__all__ = ["Enquiry", "enquire"]


class Enquiry(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody writes."""

    company: str
    name: str
    email: str
    phone: str = ""
    text: str = ""
    lines: Sequence[WantedLine] = ()
    """What a quote is wanted for; nothing: they want to become a customer, or to know something."""


async def enquire(hub: BusinessHub, asked: Enquiry, *, quotes: bool, key: str) -> Item:
    """The case. With ``quotes`` lines become a quote that sales has to make. The same ``key`` again is the same
    enquiry. Raises :class:`NeedsPerson` for one without company, name or mail address, or with too many words."""
    company, name, email = (" ".join(one.split()) for one in (asked.company, asked.name, asked.email))
    if not company or not name or "@" not in email.strip("@"):
        raise NeedsPerson("Say who you are: company, name and mail address.", field="email")
    if len(asked.text) > LONGEST_QUESTION:
        raise NeedsPerson(f"At most {LONGEST_QUESTION} signs.", field="description")
    quote = None
    if asked.lines and quotes:
        quote = await request_quote(
            hub, asked.lines, prospect=company, email=email, note=asked.text.strip(), by=email, key=f"enquiry-{key}"
        )
    wanted = "wants a quote" if asked.lines else "wants to become a customer"
    told = [
        f"{name} <{email.lower()}> of {company}{f', {asked.phone.strip()},' if asked.phone.strip() else ''} {wanted}."
        " Written in the shop by somebody who is not signed in.",
        asked.text.strip(),
        "\n".join(f"{line.quantity:f} × {line.sku}" for line in asked.lines),
        f"The quote to make: {quote.fields.get('number')}" if quote is not None else "",
    ]
    subject = f"{'Quote' if asked.lines else 'New customer'}: {company}"
    description = "\n\n".join(part for part in told if part)
    return await keep_case(hub, f"enquiry-{key}", subject, description, requester=email.lower())
