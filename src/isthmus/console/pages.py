"""Pages: templates rendered in the reader's language, and the files they use."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment
from litestar import Request
from litestar.response import Response
from litestar.utils.scope.state import ScopeState

from isthmus.app.access import LANGUAGES, Permission, Principal
from isthmus.console import showing
from isthmus.console.permissions import PERMISSIONS
from isthmus.console.site import Site
from isthmus.pages import load_all, own_address, templates, wanted_language

__all__ = ["Call", "address_of", "asset", "load_pages", "render", "site_of"]

Call = Request[Any, Any, Any]

ASSETS: Mapping[str, str] = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "htmx.min.js": "text/javascript; charset=utf-8",
    "sse.min.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


@cache
def asset(name: str) -> tuple[bytes, bytes, str]:
    """A file of ours as it is, packed, and a short digest of it. Raises ``KeyError`` for what we do not ship."""
    if name not in ASSETS:
        raise KeyError(name)
    plain = (files("isthmus.console") / "static" / name).read_bytes()
    return plain, gzip.compress(plain, 9, mtime=0), hashlib.sha256(plain).hexdigest()[:12]


def address_of(name: str) -> str:
    """Where a file of ours is; another content has another address, so it can be kept for ever."""
    return f"/static/{name}?v={asset(name)[2]}"


@cache
def _environment(language: str) -> Environment:
    env = templates("isthmus.console", language, "jinja2.ext.do")
    env.globals["asset"] = address_of
    env.globals["Permission"] = Permission
    env.filters |= showing.filters(language)
    return env


def load_pages() -> None:
    """Make the pages of every language ready."""
    for language in LANGUAGES:
        load_all(_environment(language))


def site_of(request: Call) -> Site:
    """The console that is asked."""
    site: Site = request.app.state.site
    return site


def render(request: Call, template: str, *, status: int = 200, **values: Any) -> Response[str]:
    """The page. Never kept by browsers or proxies: it is made for one person at one moment."""
    principal: Principal | None = getattr(request.state, "principal", None)
    language = wanted_language(request, principal)

    def may(method: str, path: str) -> bool:
        """Whether the reader may use this route: what they may not is not offered."""
        needed = PERMISSIONS[method, path]
        return principal is not None and (not isinstance(needed, Permission) or principal.may(needed))

    made = (
        _environment(language)
        .get_template(template)
        .render(
            me=principal,
            language=language,
            theme=principal.theme if principal is not None else "auto",
            may=may,
            site=site_of(request),
            path=own_address(request),
            csrf=ScopeState.from_scope(request.scope).csrf_token or "",
            fragment=request.headers.get("hx-request") == "true" and request.headers.get("hx-boosted") != "true",
            **values,
        )
    )
    return Response(
        made, status_code=status, media_type="text/html; charset=utf-8", headers={"cache-control": "no-store"}
    )
