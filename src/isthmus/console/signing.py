"""Signing in and out, one's own page."""

from __future__ import annotations

from typing import Any

from litestar import get, post
from litestar.response import Redirect, Response

from isthmus.app.bootstrap import clock
from isthmus.app.throttle import Throttle
from isthmus.console.front import Form, back
from isthmus.console.guard import principal_of
from isthmus.console.pages import Call, render, site_of
from isthmus.errors import NeedsPerson
from isthmus.pages import COOKIE, SIGNED_OUT, begin_session

__all__ = ["ROUTES"]


@get("/sign-in")
async def sign_in_page(request: Call) -> Response[Any]:
    """The form; who is signed in already goes on."""
    if request.state.principal is not None:
        return Redirect("/")
    return render(request, "sign_in.html", place="/", failed=False)


@post("/sign-in", status_code=200)
async def sign_in(request: Call, data: Form) -> Response[Any]:
    """Begin a session. In a page that is open (``again``) it only closes the question, and the page is as it was."""
    site, login = site_of(request), str(data.get("login", ""))[:200]
    address = request.client.host if request.client is not None else ""
    again = "again" in data
    page = "sign_in_again.html" if again else "sign_in.html"
    places = {} if again else {"place": back(request, data)}
    throttle = Throttle.of(request.app.state)
    names = (f"login {login.strip().lower()}", f"address {address}")
    if throttle.closed(*names):
        return render(request, page, status=429, failed="often", **places)
    secret = await site.access.sign_in(
        login, str(data.get("password", "")), address=address, agent=request.headers.get("user-agent", "")
    )
    if secret is None:
        throttle.failed(*names)
        return render(request, page, status=422, failed=True, **places)
    answer: Response[Any] = (
        Response("", headers={"hx-trigger": "signed-in"}) if again else Redirect(places["place"], status_code=303)
    )
    begin_session(answer, secret, secure=site.secure)
    return answer


@post("/sign-out", status_code=200)
async def sign_out(request: Call) -> Response[Any]:
    """End this session, on the server too; who came by the provider is asked whether to sign out there as well."""
    site = site_of(request)
    id_token = await site.access.sign_out(request.cookies.get(COOKIE, ""), principal_of(request).login)
    elsewhere = await site.door.leave(id_token, SIGNED_OUT) if site.door is not None else None
    answer: Response[Any] = Redirect("/sign-in", status_code=303)
    if elsewhere is not None:
        # A link and no redirect: the page's policy lets no form end on another site.
        request.state.principal = None
        answer = render(request, "signed_out.html", elsewhere=elsewhere)
    answer.delete_cookie(COOKIE)
    return answer


@get("/me")
async def me(request: Call) -> Response[str]:
    """The person's own page: preferences, password, where they are signed in."""
    site, now = site_of(request), clock()
    sessions = await site.access.people.sessions(now, principal_of(request).login)
    return render(request, "me.html", sessions=sessions, now=now, changed=False)


@post("/me/password", status_code=200)
async def change_password(request: Call, data: Form) -> Response[Any]:
    """A new password of one's own; the old one is asked for, and everybody is signed out."""
    site, login = site_of(request), principal_of(request).login
    if not site.access.passwords:
        raise NeedsPerson("Passwords are switched off here.", advice="Sign in by the provider.")
    throttle = Throttle.of(request.app.state)
    name = f"login {login}"
    if throttle.closed(name) or not await site.access.knows(login, str(data.get("old", ""))):
        throttle.failed(name)
        sessions = await site.access.people.sessions(clock(), login)
        return render(request, "me.html", status=422, sessions=sessions, now=clock(), changed="wrong")
    await site.access.set_password(login, str(data.get("new", "")), by=login)
    return Redirect("/sign-in", status_code=303)


ROUTES = [sign_in_page, sign_in, sign_out, me, change_password]
