"""One application of all faces, on one port: webhooks and health for systems, console for people, API for programs.

The faces know nothing of one another; here they are put side by side, with what every answer must have (security
headers) and every request must keep to (size).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Sequence

import msgspec
import uvicorn
from litestar import Litestar
from litestar.config.csrf import CSRFConfig
from litestar.datastructures import MutableScopeHeaders
from litestar.exceptions import HTTPException
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.types import ControllerRouterHandler, Message, Scope

from isthmus import events
from isthmus.api import hook_routes
from isthmus.api.v1 import ApiSite, api_router
from isthmus.app.hints import HintDesk
from isthmus.console import Site, console_router, unknown_page
from isthmus.errors import IsthmusError
from isthmus.portal import Shop, portal_router
from isthmus.web.slashes import WholeIds, restore_slashes

__all__ = ["Parts", "make_app", "serve"]

LARGEST_BODY = 256 * 1024
"""Bytes that a person's form may have."""
CALLS_PER_SECOND = 200
"""From one address."""
BACKLOG = 2048
GOODBYE_SECONDS = 2
"""How long the end waits for open requests; live figures never end by themselves."""

SECURITY_HEADERS = {
    # No inline script or style, nothing from elsewhere: a script in a customer's name has nowhere to run.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What is served; a part that is None is left out."""

    hooks: HintDesk | None = None
    site: Site | None = None
    api: ApiSite | None = None
    shop: Shop | None = None
    """Needs ``site``: whose design system and secret it shares."""
    routes: Sequence[ControllerRouterHandler] = ()
    """Others that have a door of their own; they say for themselves whether forms need the console's token
    (``exclude_from_csrf``)."""


async def secure(message: Message, scope: Scope) -> None:
    """Every answer, errors too, has the headers."""
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        for name, value in SECURITY_HEADERS.items():
            headers.setdefault(name, value)


async def log_fault(fault: Exception, scope: Scope) -> None:
    """What no handler answers is a fault of ours: told with its trace, and never to whoever asked."""
    if not isinstance(fault, HTTPException | IsthmusError):
        events.emit(events.PAGE_FAILED, logging.ERROR, path=scope["path"], fault=type(fault).__name__)
        logging.getLogger("isthmus").error("%s", events.PAGE_FAILED, exc_info=fault)


def make_app(parts: Parts) -> Litestar:
    """The ASGI application."""
    site = parts.site
    limit = RateLimitConfig(rate_limit=("second", CALLS_PER_SECOND), exclude=["^/health"])
    csrf = (
        CSRFConfig(
            secret=site.secret,
            cookie_name="isthmus_form",
            cookie_secure=site.secure,
            cookie_httponly=True,
            exclude=["^/hooks/", "^/health", "^/api/"],
        )
        if site is not None
        else None
    )
    # Logging is the command's: Litestar's own configuration would replace level and format.
    app = WholeIds(
        [
            *hook_routes(parts.hooks),
            *([console_router()] if site is not None else []),
            *([portal_router()] if parts.shop is not None else []),
            *([api_router()] if parts.api is not None else []),
            *parts.routes,
        ],
        openapi_config=None,
        middleware=[restore_slashes, limit.middleware],
        csrf_config=csrf,
        before_send=[secure],
        after_exception=[log_fault],
        request_max_body_size=LARGEST_BODY,
        exception_handlers=unknown_page() if site is not None else {},
        logging_config=None,
    )
    app.state.site = site
    app.state.api, app.state.shop = parts.api, parts.shop
    return app


@contextlib.asynccontextmanager
async def serve(parts: Parts, host: str, port: int) -> AsyncIterator[int]:
    """Serve until the block ends; gives the port in use (``port`` 0 takes a free one)."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    # Whoever is told the port may call at once, and waits until we answer.
    listener.listen(BACKLOG)
    config = uvicorn.Config(
        make_app(parts),
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=GOODBYE_SECONDS,
    )
    server = uvicorn.Server(config)
    # Signals belong to the command, which stops everything in order.
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task
