"""What every page needs: our own files, the language, the theme."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.exceptions import NotFoundException
from litestar.params import Body, FromPath
from litestar.response import Redirect, Response

from isthmus.app.access import LANGUAGES
from isthmus.console.guard import principal_of
from isthmus.console.pages import ASSETS, Call, asset, site_of
from isthmus.pages import remember_language

__all__ = ["ROUTES", "Form", "back"]

Form = Annotated[dict[str, Any], Body(media_type=RequestEncodingType.URL_ENCODED)]
YEAR = 31_536_000


def back(request: Call, form: dict[str, Any] | None = None) -> str:
    """The page of ours that the request came from; never an address elsewhere."""
    place = str((form or {}).get("place") or "/")
    own = place.startswith("/") and not place.startswith(("//", "/\\")) and "\n" not in place and "\r" not in place
    return place if own else "/"


@get("/static/{name:str}")
async def static(name: FromPath[str], request: Call) -> Response[bytes]:
    """A file of ours; its address changes with its content, so it is kept for ever."""
    if name not in ASSETS:
        raise NotFoundException
    plain, packed, _ = asset(name)
    headers = {"cache-control": f"public, max-age={YEAR}, immutable", "vary": "accept-encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, media_type=ASSETS[name], headers=headers | {"content-encoding": "gzip"})
    return Response(plain, media_type=ASSETS[name], headers=headers)


@post("/language", status_code=303)
async def language(request: Call, data: Form) -> Redirect:
    """Remember the reader's language: with the person, or in the browser when nobody is signed in."""
    chosen = data.get("language")
    answer = Redirect(back(request, data), status_code=303)
    if chosen in LANGUAGES:
        if request.state.principal is not None:
            await site_of(request).access.prefer(request.state.principal.login, language=chosen)
        remember_language(answer, chosen, secure=site_of(request).secure)
    return answer


@post("/theme", status_code=303)
async def theme(request: Call, data: Form) -> Redirect:
    """Remember the person's theme."""
    await site_of(request).access.prefer(principal_of(request).login, theme=str(data.get("theme")))
    return Redirect(back(request, data), status_code=303)


ROUTES = [static, language, theme]
