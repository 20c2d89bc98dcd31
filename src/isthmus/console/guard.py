"""The door of every route: who comes, whether they may, and what they get instead when they may not."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException, NotFoundException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.response import Redirect, Response

from isthmus.app.access import Permission, Principal
from isthmus.console.pages import Call, render, site_of
from isthmus.console.permissions import OPEN, PERMISSIONS, SIGNED_IN
from isthmus.errors import IsthmusError, NeedsPerson, Retryable
from isthmus.pages import COOKIE, own_address

__all__ = ["NotSignedIn", "guard", "handlers"]


class NotSignedIn(HTTPException):
    """Nobody is signed in, or no longer."""

    status_code = 401


async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let the request in, with ``state.principal`` set when somebody is signed in."""
    paths = {path.rstrip("/") or "/" for path in handler.paths}
    method = connection.scope["method"]  # type: ignore[typeddict-item]
    needed = [PERMISSIONS["GET" if method == "HEAD" else method, path] for path in paths]
    site = connection.app.state.site
    principal = await site.access.by_session(connection.cookies.get(COOKIE, ""))
    connection.state.principal = principal
    for one in needed:
        if one == OPEN:
            continue
        if principal is None:
            raise NotSignedIn
        if one != SIGNED_IN and not principal.may(Permission(one)):
            raise PermissionDeniedException


def _by_htmx(request: Call) -> bool:
    return request.headers.get("hx-request") == "true"


def _not_signed_in(request: Call, error: Exception) -> Response[Any]:
    """In a page that is open: sign in right there, so that nothing typed is lost. Else the sign-in page."""
    if _by_htmx(request):
        answer = render(request, "sign_in_again.html", status=401)
        answer.headers |= {"hx-retarget": "#again", "hx-reswap": "innerHTML", "hx-push-url": "false"}
        return answer
    place = own_address(request) + (f"?{request.url.query}" if request.url.query else "")
    if request.method != "GET":
        place = "/"
    return render(request, "sign_in.html", status=401, place=place, failed=False)


def _denied(request: Call, error: Exception) -> Response[Any]:
    principal: Principal | None = getattr(request.state, "principal", None)
    if request.url.path == "/" and principal is not None and principal.customer is not None:
        # People of customers have a door of their own; whoever came by this one is shown there.
        return Redirect("/shop")
    return _told(request, 403, "denied")


def _told(request: Call, status: int, what: str, error: IsthmusError | None = None) -> Response[Any]:
    if _by_htmx(request):
        answer = render(request, "told.html", status=status, what=what, error=error)
        answer.headers |= {"hx-retarget": "#told", "hx-reswap": "innerHTML show:window:top", "hx-push-url": "false"}
        return answer
    return render(request, "error.html", status=status, what=what, error=error)


def _missing(request: Call, error: Exception) -> Response[Any]:
    return _told(request, 404, "missing")


def _needs_person(request: Call, error: NeedsPerson) -> Response[Any]:
    return _told(request, 422, "refused", error)


def _later(request: Call, error: Retryable) -> Response[Any]:
    return _told(request, 503, "later", error)


def _other(request: Call, error: HTTPException) -> Response[Any]:
    return _told(request, error.status_code, "busy" if error.status_code == 429 else "bad")


def _fault(request: Call, error: Exception) -> Response[Any]:
    return _told(request, 500, "fault")


def handlers() -> dict[Any, Any]:
    """What is shown instead of a page."""
    return {
        NotSignedIn: _not_signed_in,
        PermissionDeniedException: _denied,
        NotFoundException: _missing,
        NeedsPerson: _needs_person,
        Retryable: _later,
        HTTPException: _other,
        500: _fault,
    }


def principal_of(request: Request[Any, Any, Any]) -> Principal:
    """Who is signed in; the guard has seen to it."""
    principal: Principal = request.state.principal
    assert principal is not None
    return principal


__all__ += ["principal_of", "site_of"]
