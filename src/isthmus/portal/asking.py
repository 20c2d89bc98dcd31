"""Questions of the buyer: asked here, answered in the CRM."""

from __future__ import annotations

from typing import Any

from litestar import get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Response

from isthmus.app.asking import LONGEST_QUESTION, Asker, ask_question, replies_to
from isthmus.connector.support import Reply
from isthmus.errors import NeedsPerson, Retryable
from isthmus.model.state import Item
from isthmus.portal.front import Form
from isthmus.portal.guard import loaded, me_of, own, whom_of
from isthmus.portal.lines import key_of, new_key, readable
from isthmus.portal.showing import render
from isthmus.portal.site import Call, shop_of

__all__ = ["ROUTES"]

SHOWN = 50
LONGEST_SUBJECT = 48
KINDS = {"order": "SalesOrder", "invoice": "Invoice", "product": "Product"}


async def _about(request: Call, kind: str, id: str) -> Item | None:
    """What a question is about: a document of the buyer, or a product. None when nothing is named."""
    if not kind and not id:
        return None
    if kind not in KINDS:
        raise NotFoundException
    found = await loaded(request, id)
    if kind != "product":
        return own(request, found, KINDS[kind])
    if found is None or found.entity != "Product":
        raise NotFoundException
    return found


def _mine(request: Call, item: Item | None) -> Item:
    """A question that was asked in the shop; the CRM's other cases are its people's own."""
    found = own(request, item, "ServiceCase")
    if not found.fields.get("requester"):
        raise NotFoundException
    return found


@get("/questions")
async def questions(request: Call) -> Response[str]:
    """What the buyer's people have asked, the newest first."""
    found = await shop_of(request).pages.documents("ServiceCase", customer=request.state.buyer.id, limit=SHOWN)
    return render(request, "questions.html", questions=[one for one in found if one.fields.get("requester")])


def _form(request: Call, about: Item | None, kind: str, status: int = 200, **values: Any) -> Response[str]:
    given = {"subject": "", "text": "", "problem": "", "key": new_key()} | values
    return render(
        request, "question_new.html", status=status, about=about, kind=kind, longest=LONGEST_QUESTION,
        longest_subject=LONGEST_SUBJECT, **given,
    )  # fmt: skip


@get("/questions/new")
async def new_question(request: Call) -> Response[str]:
    """The form, about what the address names."""
    kind = next((one for one in KINDS if one in request.query_params), "")
    about = await _about(request, kind, request.query_params.get(kind, "") if kind else "")
    return _form(request, about, kind)


@post("/questions", status_code=200)
async def ask(request: Call, data: Form) -> Response[Any]:
    """Ask it."""
    shop, me = shop_of(request), me_of(request)
    kind = str(data.get("kind", ""))
    about = await _about(request, kind, str(data.get("about", "")))
    subject, text = readable(data.get("subject"), 200), readable(data.get("text"), 4 * LONGEST_QUESTION)
    typed = {"subject": subject, "text": text, "key": str(data.get("key", ""))[:60]}
    if not subject.strip() or not text.strip() or len(text.strip()) > LONGEST_QUESTION:
        problem = "long" if len(text.strip()) > LONGEST_QUESTION else "empty"
        return _form(request, about, kind, 422, problem=problem, **typed)
    await shop.access.note(me.login, "question asked", request.state.buyer.id, {"via": "shop"})
    try:
        made = await ask_question(
            shop.business, request.state.buyer.id, subject, text, about=about, by=Asker(me.login, me.name),
            key=key_of(request, data),
        )  # fmt: skip
    except NeedsPerson:
        return _form(request, about, kind, 422, problem="empty", **typed)
    return Redirect(f"/shop/questions/{made.id}{whom_of(request)}", status_code=303)


@get("/questions/{id:str}")
async def question(id: FromPath[str], request: Call) -> Response[str]:
    """One question, with what was answered as the CRM says it now."""
    shop, found = shop_of(request), _mine(request, await loaded(request, id))
    replies: tuple[Reply, ...] = ()
    down = False
    try:
        replies = await replies_to(shop.business, found)
    except (Retryable, NeedsPerson):
        down = True
    about, kind = None, ""
    for name in KINDS:
        if found.fields.get(name):
            about, kind = await loaded(request, str(found.fields[name])), name
    return render(
        request, "question.html", question=found, about=about, kind=kind, replies=replies, down=down,
        subject=str(found.fields.get("subject") or "").removeprefix(f"{found.fields.get('number')} "),
        text=str(found.fields.get("description") or "").partition("\n\n")[2],
    )  # fmt: skip


ROUTES = [questions, new_question, ask, question]
