"""People, tokens and the audit log."""

from __future__ import annotations

import secrets
from typing import Any

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Redirect, Response

from isthmus.app.access import ROLES, Permission
from isthmus.app.bootstrap import clock
from isthmus.console.front import Form
from isthmus.console.guard import principal_of
from isthmus.console.pages import Call, render, site_of
from isthmus.errors import NeedsPerson

__all__ = ["ROUTES"]

SHOWN = 100


def _roles(request: Call) -> list[str]:
    flows = site_of(request).world.flows.values()
    own = {rule.role for flow in flows for rule in flow.fields.values() if rule.role is not None}
    return [*ROLES, *sorted(own)]


async def _chosen(request: Call) -> list[str]:
    """The ticked roles. Raises ``NeedsPerson`` for one that is not on offer."""
    chosen = [str(one) for one in (await request.form()).getall("role", [])]
    wrong = set(chosen) - set(_roles(request))
    if wrong:
        raise NeedsPerson(f"There is no role '{min(wrong)}'.")
    return chosen


async def _page(request: Call, **told: Any) -> Response[str]:
    site, now = site_of(request), clock()
    people = await site.access.people.people()
    sessions: dict[str, int] = {}
    for one in await site.access.people.sessions(now):
        sessions[one.login] = sessions.get(one.login, 0) + 1
    provider = site.project.sign_in.provider
    linked = await site.access.people.linked() if provider is not None else frozenset()
    return render(
        request, "people.html", people=people, sessions=sessions, roles=_roles(request), now=now, linked=linked,
        provider_roles=provider is not None and bool(provider.roles), **told,
    )  # fmt: skip


@get("/people")
async def people(request: Call) -> Response[str]:
    """Everybody."""
    return await _page(request, secret=None, login=None)


@post("/people", status_code=200)
async def add_person(request: Call, data: Form) -> Response[str]:
    """Somebody new, with a password that is shown this once; none where staff have none."""
    password = secrets.token_urlsafe(12) if site_of(request).access.passwords else None
    person = await site_of(request).access.add_person(
        str(data.get("login", "")),
        str(data.get("name", "")),
        await _chosen(request) or ["viewer"],
        password,
        by=principal_of(request).login,
        language=str(data.get("language", "en")),
    )
    return await _page(request, secret=password, login=person.login)


@post("/people/{login:str}/roles", status_code=303)
async def set_roles(login: FromPath[str], request: Call, data: Form) -> Redirect:
    """All roles that the person has from now on; nobody takes administration from himself by mistake."""
    me, chosen = principal_of(request).login, await _chosen(request)
    if login == me and "admin" not in chosen:
        raise NeedsPerson("You cannot take the role admin from yourself.", advice="Ask another administrator.")
    await site_of(request).access.set_roles(login, chosen, by=me)
    return Redirect("/people", status_code=303)


@post("/people/{login:str}/disable", status_code=303)
async def disable(login: FromPath[str], request: Call, data: Form) -> Redirect:
    """Out, or in again (``back``)."""
    me = principal_of(request).login
    if login == me:
        raise NeedsPerson("You cannot disable yourself.", advice="Ask another administrator.")
    await site_of(request).access.disable(login, by=me, back="back" in data)
    return Redirect("/people", status_code=303)


@post("/people/{login:str}/sign-out", status_code=303)
async def sign_out_everywhere(login: FromPath[str], request: Call) -> Redirect:
    """End all sessions of a person."""
    site = site_of(request)
    await site.access.note(principal_of(request).login, "sessions ended", login)
    await site.access.people.end_sessions(login)
    return Redirect("/people", status_code=303)


async def _tokens_page(request: Call, secret: str | None) -> Response[str]:
    access = site_of(request).access
    return render(
        request,
        "tokens.html",
        tokens=await access.people.tokens(),
        people=[one for one in await access.people.people() if one.disabled_at is None],
        scopes=list(Permission),
        secret=secret,
        now=clock(),
    )


@get("/tokens")
async def tokens(request: Call) -> Response[str]:
    """All tokens, without their secrets."""
    return await _tokens_page(request, None)


@post("/tokens", status_code=200)
async def add_token(request: Call, data: Form) -> Response[str]:
    """A new one; its secret is shown this once."""
    scopes = [str(one) for one in (await request.form()).getall("scope", [])]
    days = str(data.get("days", ""))
    _, secret = await site_of(request).access.add_token(
        str(data.get("login", "")),
        str(data.get("name", ""))[:100],
        scopes,
        by=principal_of(request).login,
        days=int(days) if days.isdecimal() and len(days) < 5 else None,
    )
    return await _tokens_page(request, secret)


@post("/tokens/{id:str}/revoke", status_code=303)
async def revoke_token(id: FromPath[str], request: Call) -> Redirect:
    """End one."""
    await site_of(request).access.revoke_token(id, by=principal_of(request).login)
    return Redirect("/tokens", status_code=303)


@get("/audit")
async def audit(request: Call) -> Response[str]:
    """What people did; ``check=1`` proves that nothing was altered."""
    access = site_of(request).access
    text = request.query_params.get("before", "")
    before = int(text) if text.isdecimal() and len(text) < 18 else None
    who = request.query_params.get("who", "")[:300] or None
    entries = await access.people.audit(SHOWN + 1, before, who)
    verdict = await access.verify() if request.query_params.get("check") == "1" else None
    return render(request, "audit.html", entries=entries[:SHOWN], more=len(entries) > SHOWN, verdict=verdict, who=who)


ROUTES = [
    people,
    add_person,
    set_roles,
    disable,
    sign_out_everywhere,
    tokens,
    add_token,
    revoke_token,
    audit,
]
