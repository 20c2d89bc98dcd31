"""Signing in and out, the language, our own files."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated, Any

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.exceptions import NotFoundException
from litestar.params import Body, FromPath
from litestar.response import Redirect, Response

from isthmus.app.access import LANGUAGES
from isthmus.app.throttle import Throttle
from isthmus.pages import COOKIE, SIGNED_OUT, begin_session, remember_language
from isthmus.portal.showing import render
from isthmus.portal.site import Call, shop_of

__all__ = ["ROUTES", "Form"]

Form = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]


@get("/static/{name:str}")
async def static(name: FromPath[str]) -> Response[bytes]:
    """The shop's own style sheet."""
    if name != "shop.css":
        raise NotFoundException
    text = (files("isthmus.portal") / "static" / "shop.css").read_bytes()
    return Response(text, media_type="text/css; charset=utf-8", headers={"cache-control": "public, max-age=3600"})


@get("/sign-in")
async def sign_in_page(request: Call) -> Response[Any]:
    """The form."""
    return render(request, "sign_in.html", failed="")


@post("/sign-in", status_code=200)
async def sign_in(request: Call, data: Form) -> Response[Any]:
    """Begin a session; so many failed tries in a while, then no more."""
    shop, login = shop_of(request), str(data.get("login", ""))[:200]
    address = request.client.host if request.client is not None else ""
    throttle = Throttle.of(request.app.state)
    names = (f"login {login.strip().lower()}", f"address {address}")
    if throttle.closed(*names):
        return render(request, "sign_in.html", status=429, failed="often")
    agent = request.headers.get("user-agent", "")
    secret = await shop.access.sign_in(login, str(data.get("password", "")), address=address, agent=agent)
    if secret is None:
        throttle.failed(*names)
        return render(request, "sign_in.html", status=422, failed="wrong")
    answer = Redirect("/shop", status_code=303)
    begin_session(answer, secret, secure=shop.secure)
    return answer


@post("/sign-out", status_code=200)
async def sign_out(request: Call) -> Response[Any]:
    """End this session, on the server too; staff who came by the provider are asked whether to sign out there as
    well."""
    shop, elsewhere = shop_of(request), None
    if request.state.me is not None:
        id_token = await shop.access.sign_out(request.cookies.get(COOKIE, ""), request.state.me.login)
        elsewhere = await shop.door.leave(id_token, SIGNED_OUT) if shop.door is not None else None
        request.state.me = request.state.buyer = None
    answer: Response[Any] = Redirect("/shop/sign-in", status_code=303)
    if elsewhere is not None:
        # A link and no redirect: the page's policy lets no form end on another site.
        answer = render(request, "signed_out.html", elsewhere=elsewhere)
    answer.delete_cookie(COOKIE)
    return answer


@post("/language", status_code=303)
async def language(request: Call, data: Form) -> Redirect:
    """Remember the reader's language."""
    chosen = str(data.get("language"))
    place = str(data.get("place", ""))
    own = place.startswith("/shop") and "\n" not in place and "\r" not in place
    answer = Redirect(place if own else "/shop", status_code=303)
    if chosen in LANGUAGES:
        if request.state.me is not None:
            await shop_of(request).access.prefer(request.state.me.login, language=chosen)
        remember_language(answer, chosen, secure=shop_of(request).secure)
    return answer


ROUTES = [static, sign_in_page, sign_in, sign_out, language]
